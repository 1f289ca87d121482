"""Checks with steps of their own, so that they can be executed and scheduled apart from the sync.

`reconciliation` compares the table with what Mixpanel holds, `snapshot_age` looks at what Mirror compares with, and
`staging_access` writes to the staging schema. None of them blocks anything, and what keeps one from being answered is
its answer: a run that also synced does not fail for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from mixpanel_wh.config.wiring import verify_columns
from mixpanel_wh.defs.connections import MixpanelConnections
from mixpanel_wh.defs.metadata import audit_metadata
from mixpanel_wh.defs.running import ProgressLog
from mixpanel_wh.defs.schedules import plain_name
from mixpanel_wh.defs.translator import MixpanelTranslator
from mixpanel_wh.engine.audit import audit_sync
from mixpanel_wh.engine.audit_result import AuditOptions, Compare
from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.check import unwritable_staging
from mixpanel_wh.warehouses.expiry import expires, snapshot_age

RECONCILIATION = "reconciliation"
SNAPSHOT_AGE = "snapshot_age"
STAGING_ACCESS = "staging_access"
MIXPANEL = "mixpanel"
OFF = "off"
Connect = Callable[[dg.AssetCheckExecutionContext], MixpanelConnections]


class AuditConfig(dg.Config):
    """What a person may ask of one reconciliation in the launchpad."""

    compare: str | None = Field(default=None, description="counts or content; what the sync says by default.")
    from_date: str | None = Field(default=None, description="Events from this day on (YYYY-MM-DD, UTC).")
    to_date: str | None = Field(
        default=None,
        description="Events up to the end of this day; by default the table's last 7 days, or all of it for counts.",
    )

    def options(self, sync: SyncSpec) -> AuditOptions:
        """The same as the engine says it; ConfigError for what it does not understand."""
        chosen = self.compare or sync.reconciliation
        if chosen not in list(Compare):
            raise ConfigError([f"compare: '{chosen}' is nothing that can be compared; write counts or content"])
        before = _ms("to_date", self.to_date, days=1)
        return AuditOptions(Compare(chosen), since=_ms("from_date", self.from_date), before=before)


def mixpanel_sync_checks(
    *,
    syncs: Iterable[SyncSpec],
    warehouse: str = "duckdb",
    in_file: bool = False,
    translator: MixpanelTranslator | None = None,
) -> list[dg.AssetChecksDefinition]:
    """The checks with steps of their own for assets of `mixpanel_sync_assets`; they need the resource `mixpanel`.

    `warehouse` is the kind of warehouse that the tables stand in, and `in_file` whether its settings have
    `staging_path`.
    """
    look = translator or MixpanelTranslator()
    return [
        check
        for sync in syncs
        for check in own_checks(
            sync, look.get_asset_key(sync), warehouse, _from_resources, frozenset({MIXPANEL}), in_file=in_file
        )
    ]


def checks_of(sync: SyncSpec, asset: dg.AssetKey, connections: MixpanelConnections) -> list[dg.AssetChecksDefinition]:
    """The checks of a sync whose connections are known; without a service account nothing can be read back, so there
    is no reconciliation then."""
    account = connections.project_settings(sync).service_account
    kind, in_file = connections.warehouse_kind(sync), "staging_path" in connections.warehouse_settings(sync)
    return own_checks(sync, asset, kind, lambda context: connections, reconciles=bool(account), in_file=in_file)


def own_checks(
    sync: SyncSpec,
    asset: dg.AssetKey,
    kind: str,
    connect: Connect,
    resources: frozenset[str] = frozenset(),
    reconciles: bool = True,
    in_file: bool = False,
) -> list[dg.AssetChecksDefinition]:
    """The checks of a sync: reconciliation unless it is off, and those of what the sync keeps in the warehouse."""
    compared = reconciles and sync.reconciliation != OFF
    audits = [_reconciliation(sync, asset, connect, resources)] if compared else []
    dated = kind if expires(kind, sync, in_file) else None
    return [*audits, _warehouse_checks(sync, asset, dated, connect, resources)]


def _from_resources(context: dg.AssetCheckExecutionContext) -> MixpanelConnections:
    connections: MixpanelConnections = getattr(context.resources, MIXPANEL)
    return connections


def _reconciliation(
    sync: SyncSpec, asset: dg.AssetKey, connect: Connect, resources: frozenset[str]
) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        RECONCILIATION, asset=asset, description="Mixpanel holds what the table says it should hold."
    )

    @dg.multi_asset_check(
        name=f"{plain_name(asset)}__{RECONCILIATION}", specs=[spec], required_resource_keys=set(resources)
    )
    def reconcile(context: dg.AssetCheckExecutionContext, config: AuditConfig) -> Iterator[dg.AssetCheckResult]:
        yield _reconciled(context, sync, asset, connect(context), config)

    return reconcile


def _reconciled(
    context: dg.AssetCheckExecutionContext,
    sync: SyncSpec,
    asset: dg.AssetKey,
    connections: MixpanelConnections,
    config: AuditConfig,
) -> dg.AssetCheckResult:
    try:
        options = config.options(sync)
        with (
            closing(connections.observe_warehouse(sync, patient=True)) as warehouse,
            connections.open_project(sync) as project,
        ):
            verify_columns(sync, warehouse.tables.describe(sync.table))
            found = audit_sync(sync, warehouse, project, options, ProgressLog(context.log))
    except MixpanelWhError as error:
        return _answer(asset, RECONCILIATION, False, str(error))
    return _answer(asset, RECONCILIATION, found.agrees, found.sentence, metadata=audit_metadata(found))


def _warehouse_checks(
    sync: SyncSpec, asset: dg.AssetKey, dated: str | None, connect: Connect, resources: frozenset[str]
) -> dg.AssetChecksDefinition:
    """`dated` is the kind of a warehouse that forgets what the sync is compared with."""
    specs = [dg.AssetCheckSpec(STAGING_ACCESS, asset=asset, description="The staging schema can be written.")]
    if dated:
        about = "What Mirror compares the table with is younger than two thirds of the time the warehouse keeps it."
        specs.append(dg.AssetCheckSpec(SNAPSHOT_AGE, asset=asset, description=about))

    @dg.multi_asset_check(
        name=f"{plain_name(asset)}__warehouse_checks", specs=specs, can_subset=True,
        required_resource_keys=set(resources),
    )  # fmt: skip
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        asked = {key.name for key in context.selected_asset_check_keys}
        if STAGING_ACCESS in asked:
            yield _staging_access(sync, asset, connect(context))
        if dated and SNAPSHOT_AGE in asked:
            yield _snapshot_age(sync, asset, dated, connect(context))

    return look


def _staging_access(sync: SyncSpec, asset: dg.AssetKey, connections: MixpanelConnections) -> dg.AssetCheckResult:
    try:
        with closing(connections.open_warehouse(sync)) as warehouse:
            problems = unwritable_staging(warehouse, [sync])
    except MixpanelWhError as error:
        problems = [str(error)]
    told = "; ".join(problems) or "the staging schema can be written"
    return _answer(asset, STAGING_ACCESS, not problems, told, dg.AssetCheckSeverity.ERROR)


def _snapshot_age(
    sync: SyncSpec, asset: dg.AssetKey, kind: str, connections: MixpanelConnections
) -> dg.AssetCheckResult:
    try:
        with closing(connections.observe_warehouse(sync, patient=True)) as warehouse:
            found = snapshot_age(kind, warehouse.state.load(sync.name).checkpoint)
    except MixpanelWhError as error:
        return _answer(asset, SNAPSHOT_AGE, False, str(error))
    severity = dg.AssetCheckSeverity.ERROR if found.is_expired else dg.AssetCheckSeverity.WARN
    days = {} if found.age is None else {"mixpanel/snapshot_days": round(found.age / timedelta(days=1), 2)}
    shown = {**days, "mixpanel/expires_after_days": found.limit.days}
    return _answer(asset, SNAPSHOT_AGE, not found.is_old, found.sentence, severity, shown)


def _answer(
    asset: dg.AssetKey,
    name: str,
    passed: bool,
    told: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, asset_key=asset, check_name=name, severity=severity, description=told, metadata=metadata
    )


def _ms(name: str, text: str | None, days: int = 0) -> int | None:
    """The start of a day, `days` later, in milliseconds since the epoch."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except ValueError:
        raise ConfigError([f"{name}: '{text}' is not a day; write it as 2026-01-31"]) from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
