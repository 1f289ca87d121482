"""Resources that open a sync's warehouse and its Mixpanel project: from a project file, or from fields in code."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from mixpanel_wh.defs.checks import REJECTED_ROWS, last_rejected_rows, rejected_rows_result
from mixpanel_wh.defs.metadata import preview_metadata, run_metadata
from mixpanel_wh.defs.running import SyncConfig, failures, look, move
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Identity, SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject, ProjectSettings
from mixpanel_wh.warehouses import open_warehouse

WAITS = {"duckdb": {"lock_timeout": 600}}  # runs of several syncs take turns at one file
Happening = dg.MaterializeResult[None] | dg.AssetObservation | dg.AssetCheckResult


class MixpanelConnections(dg.ConfigurableResource[None]):
    """What every sync needs: an open warehouse and a Mixpanel project. Subclasses say where the settings stand."""

    _projects: dict[ProjectSettings, MixpanelProject] = PrivateAttr(default_factory=dict)

    @abstractmethod
    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """The settings of the sync's warehouse; `type` names its kind."""

    @abstractmethod
    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """The Mixpanel project that the sync sends to."""

    def open_warehouse(self, sync: SyncSpec) -> Warehouse:
        """The sync's warehouse, open; a file that another run holds is waited for."""
        settings = dict(self.warehouse_settings(sync))
        kind = settings.pop("type")
        return open_warehouse(kind, WAITS.get(kind, {}) | settings)

    def open_project(self, sync: SyncSpec) -> MixpanelProject:
        """The Mixpanel project; syncs of one run share its connections and its rate."""
        settings = self.project_settings(sync)
        if settings not in self._projects:
            self._projects[settings] = MixpanelProject(settings, str(self.warehouse_settings(sync).get("type")))
        return self._projects[settings]

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections to Mixpanel."""
        while self._projects:
            self._projects.popitem()[1].close()

    @contextmanager
    def connected(self, sync: SyncSpec) -> Iterator[tuple[Warehouse, MixpanelProject]]:
        """Warehouse and project for the time of one run; raises Failure when one cannot be had."""
        with ExitStack() as stack:
            with failures(sync):
                warehouse = stack.enter_context(closing(self.open_warehouse(sync)))
                project = self.open_project(sync)
            yield warehouse, project

    def sync(
        self,
        context: dg.AssetExecutionContext,
        syncs: SyncSpec | Iterable[SyncSpec],
        config: SyncConfig | None = None,
    ) -> Iterator[Happening]:
        """Run each sync whose asset is selected in this step, and yield what Dagster is to record.

        A sync yields its materialization with the numbers of the run and the check's result; under `dry_run` an
        observation; when only its check is selected, the check's result from the last run.
        """
        for sync in [syncs] if isinstance(syncs, SyncSpec) else syncs:
            key = asset_of(context, sync)
            if key in context.selected_asset_keys:
                yield from self._run(context, sync, key, config or SyncConfig())
            elif has_check(context, key):
                with self.connected(sync) as (warehouse, _):
                    yield last_rejected_rows(key, sync, warehouse)

    def _run(
        self, context: dg.AssetExecutionContext, sync: SyncSpec, key: dg.AssetKey, config: SyncConfig
    ) -> Iterator[Happening]:
        with self.connected(sync) as (warehouse, mixpanel):
            if config.dry_run:
                yield dg.AssetObservation(key, metadata=preview_metadata(look(sync, warehouse, mixpanel)))
                return
            outcome = move(context.log, sync, warehouse, mixpanel, config.options)
        checks = [rejected_rows_result(key, outcome.result)] if has_check(context, key) else []
        numbers = run_metadata(sync, outcome.result, outcome.table)
        yield dg.MaterializeResult(asset_key=key, metadata=numbers, check_results=checks)


def asset_of(context: dg.AssetExecutionContext, sync: SyncSpec) -> dg.AssetKey:
    """The asset of this step that stands for the sync; the only one when none says so."""
    specs = list(context.assets_def.specs)
    mine = [spec.key for spec in specs if spec.metadata.get("mixpanel/sync") == sync.name]
    return mine[0] if mine else specs[0].key


def has_check(context: dg.AssetExecutionContext, key: dg.AssetKey) -> bool:
    """Whether the check of rejected rows is to be answered in this step."""
    return dg.AssetCheckKey(key, REJECTED_ROWS) in context.selected_asset_check_keys


class MixpanelResource(MixpanelConnections):
    """A Mixpanel project and the warehouse its syncs read, as fields: `token=dg.EnvVar("MIXPANEL_TOKEN")`.

    `warehouse` holds what a project file says under `warehouse:`, for example `{"type": "duckdb", "path": "wh.duckdb"}`;
    assets that return rows need none.
    """

    project_id: str = Field(description="The number of the Mixpanel project.")
    token: str = Field(description="The project's token.")
    service_account: str | None = Field(default=None, description="A service account's user name.")
    service_secret: str | None = Field(default=None, description="The service account's secret.")
    region: str = Field(default="us", description="Where the project lives: us, eu or in.")
    url: str | None = Field(default=None, description="Stands for every host of Mixpanel's: a proxy, or the sandbox.")
    identity: str = Field(default="simplified", description="simplified or original; what the project was made with.")
    events_per_second: int | None = Field(default=30_000, description="Mixpanel's limit; None is off.")
    bytes_per_minute: int | None = Field(default=2_000_000_000, description="Uncompressed; None is off.")
    warehouse: dict[str, Any] = Field(default_factory=dict, description="The warehouse's type and settings.")

    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """The one warehouse of this resource."""
        return self.warehouse

    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """The one project of this resource."""
        return ProjectSettings(
            self.project_id, self.token, self.service_account, self.service_secret, self.region, self.url,
            Identity(self.identity), self.events_per_second, self.bytes_per_minute,
        )  # fmt: skip
