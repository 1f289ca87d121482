"""IO managers, one a sync mode: they move to Mixpanel what an asset returned, a table by name or rows in memory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field, PrivateAttr

from mixpanel_wh.defs.connections import MixpanelConnections
from mixpanel_wh.defs.relation import Relation, is_rows, staged_rows, table_name
from mixpanel_wh.defs.running import failures, move
from mixpanel_wh.defs.settings import SYNC, sync_from_metadata
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject


class SyncIOManager(dg.ConfigurableIOManager):
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
        returned = Relation(obj) if isinstance(obj, str) else obj
        with failures():
            sync = self._sync(context, returned)
            part = own_part(context, sync, returned)
        relation = returned if isinstance(returned, Relation) else Relation()
        with self._source(sync, returned) as (named, warehouse, project):
            options = replace(relation.options, part=part) if part else relation.options
            outcome = move(context.log, named, warehouse, project, options)
        relation.report.result = outcome.result
        context.add_output_metadata(outcome.metadata(sync))

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
                f"asset {asset} returned {type(obj).__name__}, which holds no rows: return the name of a table, an "
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
    def _source(self, sync: SyncSpec, obj: Any) -> Iterator[tuple[SyncSpec, Warehouse, MixpanelProject]]:
        """The sync with the table it reads, and both its ends, open."""
        if isinstance(obj, Relation):
            named = replace(sync, table=table_name(obj.table)) if obj.table else sync
            with self.mixpanel.connected(named) as (warehouse, project):
                yield named, warehouse, project
            return
        with ExitStack() as stack:
            with failures(sync):
                project = stack.enter_context(self.mixpanel.open_project(sync))
                staged, warehouse = stack.enter_context(staged_rows(sync, obj, self._folder or Path.cwd()))
            yield staged, warehouse, project


def own_part(context: dg.OutputContext, sync: SyncSpec, obj: Any) -> Part | None:
    """What a run of a person's own partitioned asset is about: the window of its partitions in an event's time, or all
    the rows that it returned, which move no state. None without partitions.

    Raises ConfigError where the rows of other partitions would be taken for deleted ones, or sent as well.
    """
    if not context.has_asset_partitions:
        return None
    if not isinstance(obj, Relation) and sync.mode is not Mode.MIRROR:
        return Part()
    column = sync.insert_time or sync.time_column
    if column is None or not isinstance(context.asset_partitions_def, dg.TimeWindowPartitionsDefinition):
        raise ConfigError([
            f"asset {context.asset_key.to_user_string()} is partitioned, and mode {sync.mode} of record {sync.record} "
            "cannot tell the rows of one partition from those of the others: take the partitions away, or return the "
            "rows of a partition to full_io_manager or append_io_manager"
        ])  # fmt: skip
    window = context.asset_partitions_time_window
    since, before = (int(moment.timestamp() * 1000) for moment in (window.start, window.end))
    return Part(column, since, before)


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
