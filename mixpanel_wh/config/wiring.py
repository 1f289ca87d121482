"""From a checked project to open warehouses and Mixpanel projects: runs, previews, plans, audits and resets of syncs by
name.

Importing this module loads no driver, no HTTP and no Arrow: opening a warehouse does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError
from mixpanel_wh.mixpanel.project import MixpanelProject

if TYPE_CHECKING:
    from mixpanel_wh.config.project import Project
    from mixpanel_wh.engine.audit_result import AuditOptions, AuditResult
    from mixpanel_wh.engine.plan import Plan, PlanOptions
    from mixpanel_wh.engine.ports import Table, Warehouse
    from mixpanel_wh.engine.result import RunResult
    from mixpanel_wh.engine.run import Preview, Progress, RunOptions
    from mixpanel_wh.engine.spec import SyncSpec


class Connections:
    """The warehouses and Mixpanel projects of a project file, opened on first use and shared by its syncs.

    Sharing matters: one process may hold a DuckDB file open once, and the rate of a destination is one for all syncs.
    With `observe` nothing is written to a warehouse.
    """

    def __init__(self, project: Project, observe: bool = False) -> None:
        self.project, self._observe = project, observe
        self._warehouses: dict[str, Warehouse] = {}
        self._refused: dict[str, MixpanelWhError] = {}
        self._mixpanels: dict[tuple[str, str], MixpanelProject] = {}

    def warehouse(self, spec: SyncSpec) -> Warehouse:
        """The open warehouse of a sync; raises MissingDriver, WarehouseUnavailable or StagingError.

        One that could not be opened is not waited for again by the next sync.
        """
        if spec.warehouse in self._refused:
            raise self._refused[spec.warehouse]
        if spec.warehouse not in self._warehouses:
            self._warehouses[spec.warehouse] = self._open(spec)
        return self._warehouses[spec.warehouse]

    def _open(self, spec: SyncSpec) -> Warehouse:
        from mixpanel_wh.warehouses import observe_warehouse, open_warehouse

        chosen = self.project.warehouse_of(spec)
        try:
            return (observe_warehouse if self._observe else open_warehouse)(chosen.kind, dict(chosen.settings))
        except MixpanelWhError as error:
            self._refused[spec.warehouse] = error
            raise

    def mixpanel(self, spec: SyncSpec) -> MixpanelProject:
        """The open Mixpanel project of a sync; nothing is sent until a run sends it."""
        kind = self.project.warehouse_of(spec).kind
        place = (spec.destination, kind)
        if place not in self._mixpanels:
            self._mixpanels[place] = MixpanelProject(self.project.destination_of(spec), kind)
        return self._mixpanels[place]

    def close(self) -> None:
        """Give everything back; what is asked for later is opened anew."""
        self._refused.clear()
        while self._mixpanels:
            self._mixpanels.popitem()[1].close()
        while self._warehouses:
            self._warehouses.popitem()[1].close()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run(
    project: Project,
    sync: str,
    options: RunOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    connections: Connections | None = None,
) -> RunResult:
    """Run one sync by name and return its numbers.

    Without `connections` everything is opened for this run and closed after it. Raises ConfigError for an unknown
    name, SourceError when the table lacks a column that the sync names, and what `engine.run.run_sync` raises.
    """
    from mixpanel_wh.engine.run import RunOptions, run_sync

    spec = project.sync(sync)
    with _opened(project, connections) as opened:
        warehouse = opened.warehouse(spec)
        verify_columns(spec, warehouse.tables.describe(spec.table))
        return run_sync(spec, warehouse, opened.mixpanel(spec), options or RunOptions(), on_progress)


def preview(project: Project, sync: str, rows: int = 5, connections: Connections | None = None) -> Preview:
    """What a run would send of the first rows, and which of them it would reject; nothing is sent or written."""
    from mixpanel_wh.engine.run import preview_sync

    spec = project.sync(sync)
    with _opened(project, connections) as opened:
        warehouse = opened.warehouse(spec)
        verify_columns(spec, warehouse.tables.describe(spec.table))
        return preview_sync(spec, warehouse, opened.mixpanel(spec), rows)


def reset(project: Project, sync: str, connections: Connections | None = None) -> int:
    """Forget what a sync sent; returns its new epoch. Raises SyncBusy while a run of it is going on."""
    from mixpanel_wh.engine.reset import reset_sync

    spec = project.sync(sync)
    with _opened(project, connections) as opened:
        return reset_sync(spec, opened.warehouse(spec))


def plan(
    project: Project,
    sync: str,
    options: PlanOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    connections: Connections | None = None,
) -> Plan:
    """What a run would do now, in numbers; nothing is sent and no state moves. Raises as `run` does."""
    from mixpanel_wh.engine.plan import PlanOptions, plan_sync

    spec = project.sync(sync)
    with _opened(project, connections) as opened:
        warehouse = opened.warehouse(spec)
        verify_columns(spec, warehouse.tables.describe(spec.table))
        return plan_sync(spec, warehouse, opened.mixpanel(spec), options or PlanOptions(), on_progress)


def audit(
    project: Project,
    sync: str,
    options: AuditOptions,
    on_progress: Callable[[Progress], None] | None = None,
    connections: Connections | None = None,
) -> AuditResult:
    """Compare a sync's table with what Mixpanel holds of it; nothing is written at either end."""
    from mixpanel_wh.engine.audit import audit_sync

    spec = project.sync(sync)
    with _opened(project, connections, observe=True) as opened:
        warehouse = opened.warehouse(spec)
        verify_columns(spec, warehouse.tables.describe(spec.table))
        return audit_sync(spec, warehouse, opened.mixpanel(spec), options, on_progress)


def verify_columns(spec: SyncSpec, table: Table) -> None:
    """SourceError with every mistake of `catalogue.check_columns`, one a line."""
    from mixpanel_wh.config.catalogue import check_columns

    mistakes = check_columns(spec, table)
    if mistakes:
        raise SourceError("\n".join(mistakes))


@contextmanager
def _opened(project: Project, connections: Connections | None, observe: bool = False) -> Iterator[Connections]:
    if connections is not None:
        yield connections
        return
    with Connections(project, observe) as opened:
        yield opened
