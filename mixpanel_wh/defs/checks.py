"""The check that every sync carries: were rows rejected, and which."""

from typing import Any

import dagster as dg

from mixpanel_wh.defs.metadata import rejection_table
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.spec import SyncSpec

REJECTED_ROWS = "rejected_rows"


def rejected_rows_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check as the asset declares it; it is answered by the run itself."""
    return dg.AssetCheckSpec(
        REJECTED_ROWS, asset=asset, description="No row of the last run was refused by Mixpanel's rules."
    )


def rejected_rows_result(asset: dg.AssetKey, result: RunResult) -> dg.AssetCheckResult:
    """A warning with a sample of the rejected rows, or a pass."""
    return _answer(asset, result.rejected, result.rows_read, list(result.rejections))


def last_rejected_rows(asset: dg.AssetKey, sync: SyncSpec, warehouse: Warehouse) -> dg.AssetCheckResult:
    """The same from the newest run that the staging schema remembers; a sync that never ran has rejected nothing."""
    last = warehouse.state.last_result(sync.name)
    if last is None:
        return _answer(asset, 0, 0, [])
    sample = warehouse.state.rejections(sync.name, str(last["run_id"]), limit=20) if last["rejected"] else []
    return _answer(asset, int(last["rejected"]), int(last["rows_read"]), sample)


def _answer(asset: dg.AssetKey, rejected: int, read: int, sample: list[Any]) -> dg.AssetCheckResult:
    shown: dict[str, Any] = {"mixpanel/rejected": rejected, "mixpanel/rows_read": read}
    return dg.AssetCheckResult(
        passed=not rejected,
        asset_key=asset,
        check_name=REJECTED_ROWS,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{rejected:,} of {read:,} rows were rejected" if rejected else "no row was rejected",
        metadata=shown | ({"mixpanel/rejected_rows": rejection_table(sample)} if sample else {}),
    )
