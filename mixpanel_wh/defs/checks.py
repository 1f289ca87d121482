"""The checks that a run answers by itself: were rows rejected, and which; are the table and its columns as needed.

Selected alone, without the sync, they look at the last run and at the warehouse. Checks with steps of their own are in
`own_checks`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from mixpanel_wh.config.catalogue import check_columns
from mixpanel_wh.defs.metadata import REJECTIONS_SHOWN, rejection_table
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.check import missing_tables

REJECTED_ROWS = "rejected_rows"
ACCESS = "access"


def check_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks as an asset declares them."""
    return [
        dg.AssetCheckSpec(
            REJECTED_ROWS, asset=asset, description="No row of the last run was refused by Mixpanel's rules."
        ),
        dg.AssetCheckSpec(
            ACCESS, asset=asset, description="The table can be read and has the columns that the sync names."
        ),
    ]


def run_selection(asset: dg.AssetKey) -> dg.AssetSelection:
    """The asset with the checks that its own step answers, as schedules and sensors run it: checks with steps of their
    own have a cost of their own."""
    answered = (spec.key for spec in check_specs(asset))
    return dg.AssetSelection.assets(asset).without_checks() | dg.AssetSelection.checks(*answered)


def asked(context: dg.AssetExecutionContext, asset: dg.AssetKey, name: str) -> bool:
    """Whether a check of an asset is to be answered in this step."""
    return dg.AssetCheckKey(asset, name) in context.selected_asset_check_keys


def answers_of_run(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, results: Sequence[RunResult]
) -> list[dg.AssetCheckResult]:
    """What a run that came to its end says of the checks that are asked for."""
    found = []
    if asked(context, asset, REJECTED_ROWS):
        rejected, read = (sum(getattr(one, name) for one in results) for name in ("rejected", "rows_read"))
        found.append(_rejections(asset, rejected, read, [each for one in results for each in one.rejections]))
    if asked(context, asset, ACCESS):
        found.append(_access(asset, []))
    return found


def answers_alone(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, sync: SyncSpec, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult]:
    """What is known without a run: the newest run that the staging schema remembers, and the warehouse as it is."""
    if asked(context, asset, REJECTED_ROWS):
        yield _last_rejections(asset, sync, warehouse)
    if asked(context, asset, ACCESS):
        problems = missing_tables(warehouse, [sync])
        yield _access(asset, problems or check_columns(sync, warehouse.tables.describe(sync.table)))


def _last_rejections(asset: dg.AssetKey, sync: SyncSpec, warehouse: Warehouse) -> dg.AssetCheckResult:
    last = warehouse.state.last_result(sync.name)
    if last is None:
        return _rejections(asset, 0, 0, [])
    sample: list[Any] = []
    if last["rejected"]:  # what a run resumed stands under the id of the run that began it
        for run_id in filter(None, (last["run_id"], last.get("resumed_run_id"))):
            sample += warehouse.state.rejections(sync.name, str(run_id), limit=REJECTIONS_SHOWN)
    return _rejections(asset, int(last["rejected"]), int(last["rows_read"]), sample)


def _rejections(asset: dg.AssetKey, rejected: int, read: int, sample: list[Any]) -> dg.AssetCheckResult:
    shown: dict[str, Any] = {"mixpanel/rejected": rejected, "mixpanel/rows_read": read}
    return dg.AssetCheckResult(
        passed=not rejected,
        asset_key=asset,
        check_name=REJECTED_ROWS,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{rejected:,} of {read:,} rows were rejected" if rejected else "no row was rejected",
        metadata=shown | ({"mixpanel/rejected_rows": rejection_table(sample)} if sample else {}),
    )


def _access(asset: dg.AssetKey, problems: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not problems,
        asset_key=asset,
        check_name=ACCESS,
        description="; ".join(problems) or "the sync can read its table and finds its columns",
    )
