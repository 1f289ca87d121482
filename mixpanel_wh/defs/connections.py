"""What every sync needs in a run: its open warehouse and its Mixpanel project, wherever their settings stand."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import dagster as dg

from mixpanel_wh.config.project import Project
from mixpanel_wh.defs.checks import answers_alone, answers_of_run
from mixpanel_wh.defs.metadata import preview_metadata
from mixpanel_wh.defs.partitions import backfill, is_partitioned, partition_metadata
from mixpanel_wh.defs.running import SyncConfig, failures, look, move
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.warehouses import observe_warehouse, open_warehouse

RUN_WAITS: dict[str, Any] = {"lock_timeout": 600}
"""How long a run waits for a file that another process holds: runs of several syncs take turns at it."""

Happening = dg.MaterializeResult[None] | dg.AssetObservation | dg.AssetCheckResult


class MixpanelConnections:
    """Opens warehouses and Mixpanel projects; subclasses say where the settings stand."""

    @abstractmethod
    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """The settings of the sync's warehouse; `type` names its kind."""

    @abstractmethod
    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """The Mixpanel project that the sync sends to."""

    def warehouse_kind(self, sync: SyncSpec) -> str:
        """The kind of the sync's warehouse: duckdb, bigquery, …"""
        return str(self.warehouse_settings(sync).get("type", "duckdb"))

    def open_warehouse(self, sync: SyncSpec) -> Warehouse:
        """The sync's warehouse, open for a run; a file that another run holds is waited for."""
        settings = dict(self.warehouse_settings(sync))
        kind = str(settings.pop("type"))
        return open_warehouse(kind, RUN_WAITS | settings)

    def observe_warehouse(self, sync: SyncSpec, patient: bool = False) -> Warehouse:
        """The sync's warehouse, open for a look that writes nothing. It waits for nobody long, unless it is `patient`:
        a look in a run of its own waits for a file as runs do."""
        settings = dict(self.warehouse_settings(sync))
        kind = str(settings.pop("type"))
        return observe_warehouse(kind, settings, RUN_WAITS if patient else {})

    def open_project(self, sync: SyncSpec) -> MixpanelProject:
        """The Mixpanel project, open."""
        return MixpanelProject(self.project_settings(sync), self.warehouse_kind(sync))

    @contextmanager
    def connected(self, sync: SyncSpec) -> Iterator[tuple[Warehouse, MixpanelProject]]:
        """Warehouse and project for the time of one run; raises Failure when one cannot be had."""
        with ExitStack() as stack:
            with failures(sync):
                warehouse = stack.enter_context(closing(self.open_warehouse(sync)))
                project = stack.enter_context(self.open_project(sync))
            yield warehouse, project

    def sync(
        self,
        context: dg.AssetExecutionContext,
        syncs: SyncSpec | Iterable[SyncSpec],
        config: SyncConfig | None = None,
    ) -> Iterator[Happening]:
        """Run each sync whose asset is selected in this step, and yield what Dagster is to record.

        A sync yields its materialization with the numbers of the run (of each partition, where the run has any) and the
        checks' results; under `dry_run` and `limit` an observation; when only its checks are selected, their results
        without a run.
        """
        for sync in [syncs] if isinstance(syncs, SyncSpec) else syncs:
            key = asset_of(context, sync)
            if key in context.selected_asset_keys:
                yield from self._run(context, sync, key, config or SyncConfig())
            elif any(check.asset_key == key for check in context.selected_asset_check_keys):
                with failures(sync), closing(self.observe_warehouse(sync, patient=True)) as warehouse:
                    yield from answers_alone(context, key, sync, warehouse)

    def _run(
        self, context: dg.AssetExecutionContext, sync: SyncSpec, key: dg.AssetKey, config: SyncConfig
    ) -> Iterator[Happening]:
        with self.connected(sync) as (warehouse, mixpanel):
            if config.dry_run:
                shown = preview_metadata(look(sync, warehouse, mixpanel, config.limit))
                yield dg.AssetObservation(key, metadata=shown)
            elif config.limit:
                outcome = move(context.log, sync, warehouse, mixpanel, config.options)
                yield dg.AssetObservation(key, metadata=outcome.metadata(sync) | {"mixpanel/limit": config.limit})
            elif is_partitioned(context):
                yield from _partitioned(context, key, sync, warehouse, mixpanel, config)
            else:
                outcome = move(context.log, sync, warehouse, mixpanel, config.options)
                checks = answers_of_run(context, key, [outcome.result])
                yield dg.MaterializeResult(asset_key=key, metadata=outcome.metadata(sync), check_results=checks)


def _partitioned(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    sync: SyncSpec,
    warehouse: Warehouse,
    mixpanel: MixpanelProject,
    config: SyncConfig,
) -> Iterator[Happening]:
    done = backfill(context, key, sync, warehouse, mixpanel, config.options)
    for partition, outcome in done.items():
        context.add_asset_metadata(partition_metadata(sync, outcome), asset_key=key, partition_key=partition)
    checks = answers_of_run(context, key, [outcome.result for outcome in done.values()])
    yield dg.MaterializeResult(asset_key=key, check_results=checks)


class ProjectConnections(MixpanelConnections):
    """The warehouses and destinations of a checked project."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """What the project says of the sync's warehouse."""
        return self.project.warehouse_of(sync).as_dict()

    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """What the project says of the sync's destination."""
        return self.project.destination_of(sync)


def asset_of(context: dg.AssetExecutionContext, sync: SyncSpec) -> dg.AssetKey:
    """The asset of this step that stands for the sync; the only one when none says so."""
    specs = list(context.assets_def.specs)
    mine = [spec.key for spec in specs if spec.metadata.get("mixpanel/sync") == sync.name]
    key: dg.AssetKey = mine[0] if mine else specs[0].key
    return key
