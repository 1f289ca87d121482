"""IO managers, one a sync mode: they move to Mixpanel what an asset returned, a table by name or rows in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field, PrivateAttr

from mixpanel_wh.defs.metadata import run_metadata
from mixpanel_wh.defs.relation import Relation, is_rows, staged_rows, table_name
from mixpanel_wh.defs.resources import MixpanelConnections
from mixpanel_wh.defs.running import failures, move
from mixpanel_wh.defs.settings import SYNC, sync_from_metadata
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Mode, SyncSpec


class SyncIOManager(dg.ConfigurableIOManager):  # type: ignore[misc]  # dagster leaves its base untyped
    """Moves an asset's output to Mixpanel; the subclasses fix the mode.

    `staging` is the folder in which syncs of rows in memory keep their state, one DuckDB file each; by default it
    is `mixpanel_wh` in the storage folder of the Dagster instance.
    """

    mode: ClassVar[Mode]
    mixpanel: dg.ResourceDependency[MixpanelConnections]
    staging: str | None = Field(default=None, description="Folder for the state of syncs of rows in memory.")
    _folder: Path | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Find the folder for staged rows."""
        storage = Path(context.instance.storage_directory()) if context.instance else Path.cwd()
        self._folder = Path(self.staging) if self.staging else storage / "mixpanel_wh"

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Move what the asset returned; the numbers of the run become metadata of the materialization."""
        with failures():
            sync = self._sync(context, obj)
        relation = obj if isinstance(obj, Relation) else Relation()
        with self._source(sync, obj) as (sync, warehouse):
            with failures(sync):
                project = self.mixpanel.open_project(sync)
            outcome = move(context.log, sync, warehouse, project, relation.options)
        relation.report.result = outcome.result
        context.add_output_metadata(run_metadata(sync, outcome.result, outcome.table))

    def load_input(self, context: dg.InputContext) -> Any:
        """Mixpanel is no place to load tables from."""
        raise dg.Failure(
            f"{context.asset_key.to_user_string()} stands in Mixpanel and cannot be loaded: name it in  deps=[...]  "
            "of the asset that runs after it, instead of an argument",
            allow_retries=False,
        )

    def _sync(self, context: dg.OutputContext, obj: Any) -> SyncSpec:
        if isinstance(obj, Relation) and obj.sync:
            return self._checked(obj.sync)
        asset = context.asset_key.to_user_string()
        if not isinstance(obj, Relation) and not is_rows(obj):
            raise ConfigError([
                f"asset {asset} returned {type(obj).__name__}, which holds no rows: return Relation('schema.table'), an "
                "Arrow table, a pandas or Polars DataFrame, or a DuckDB relation"
            ])  # fmt: skip
        if SYNC not in context.definition_metadata:
            raise ConfigError([
                f"asset {asset} does not say what its rows become: write "
                "@dg.asset(metadata=mixpanel_sync(record=..., ...))"
            ])  # fmt: skip
        table = obj.table if isinstance(obj, Relation) else None
        return sync_from_metadata(context.asset_key.path[-1], self.mode, table, context.definition_metadata)

    def _checked(self, sync: SyncSpec) -> SyncSpec:
        if sync.mode is not self.mode:
            raise ConfigError([
                f"sync {sync.name} is of mode {sync.mode} and its asset names the IO manager of mode {self.mode}: "
                f"write io_manager_key=\"{sync.mode}_io_manager\""
            ])  # fmt: skip
        return sync

    @contextmanager
    def _source(self, sync: SyncSpec, obj: Any) -> Iterator[tuple[SyncSpec, Warehouse]]:
        """The sync with the table it reads, and the warehouse that holds it."""
        if isinstance(obj, Relation):
            named = replace(sync, table=table_name(obj.table)) if obj.table else sync
            with self.mixpanel.connected(named) as (warehouse, _):
                yield named, warehouse
        else:
            with failures(sync), staged_rows(sync, obj, self._folder or Path.cwd()) as (staged, warehouse):
                yield staged, warehouse


class MirrorIOManager(SyncIOManager):
    """Keeps Mixpanel equal to the rows: inserts, updates and deletes since the last run travel."""

    mode = Mode.MIRROR


class AppendIOManager(SyncIOManager):
    """Sends the rows whose insert time is newer than the newest one sent."""

    mode = Mode.APPEND


class FullIOManager(SyncIOManager):
    """Sends every row on every run."""

    mode = Mode.FULL


class OneTimeIOManager(SyncIOManager):
    """Sends every row once; later runs send nothing."""

    mode = Mode.ONE_TIME


IO_MANAGERS: dict[Mode, type[SyncIOManager]] = {
    Mode.MIRROR: MirrorIOManager,
    Mode.APPEND: AppendIOManager,
    Mode.FULL: FullIOManager,
    Mode.ONE_TIME: OneTimeIOManager,
}


def io_manager_key(mode: Mode) -> str:
    """The resource key of a mode's IO manager: mirror_io_manager, append_io_manager, full_io_manager, …"""
    return f"{mode}_io_manager"


def io_managers(mixpanel: MixpanelConnections, staging: str | None = None) -> dict[str, SyncIOManager]:
    """The four IO managers under their resource keys."""
    return {io_manager_key(mode): kind(mixpanel=mixpanel, staging=staging) for mode, kind in IO_MANAGERS.items()}
