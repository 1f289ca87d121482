"""Everything that can be found out about a project before a run: tables, columns, staging schema, credentials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixpanel_wh.config.catalogue import check_columns
from mixpanel_wh.config.wiring import Connections
from mixpanel_wh.engine.errors import MixpanelWhError, SourceError

if TYPE_CHECKING:
    from mixpanel_wh.config.project import Project
    from mixpanel_wh.engine.ports import Warehouse
    from mixpanel_wh.engine.spec import SyncSpec


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what is wrong with it; no problems means that it is well. `advice` is what would let runs
    read less, or faster."""

    subject: str
    problems: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def findings(project: Project) -> Iterator[Finding]:
    """One finding a warehouse, a sync and a destination, in the order in which they are looked at."""
    with Connections(project) as connections:
        for name in project.warehouses:
            specs = [spec for spec in project.syncs if spec.warehouse == name]
            if specs:
                yield from _warehouse(name, specs, connections)
        for name in project.destinations:
            specs = [spec for spec in project.syncs if spec.destination == name]
            if specs:
                yield Finding(f"destination {name}", tuple(_destination(specs[0], connections)))


def _warehouse(name: str, specs: list[SyncSpec], connections: Connections) -> Iterator[Finding]:
    from mixpanel_wh.warehouses.check import unwritable_staging

    try:
        warehouse = connections.warehouse(specs[0])
        staging = unwritable_staging(warehouse, specs)
    except MixpanelWhError as error:
        yield Finding(f"warehouse {name}", (str(error),))
        return
    yield Finding(f"warehouse {name}", tuple(staging))
    for spec in specs:
        yield sync_finding(spec, warehouse)


def sync_finding(spec: SyncSpec, warehouse: Warehouse) -> Finding:
    """What is wrong with a sync's table, and what would let its runs read less where nothing is."""
    subject, problems = f"sync {spec.name}", tuple(_table(spec, warehouse))
    if problems:
        return Finding(subject, problems)
    try:
        return Finding(subject, advice=tuple(warehouse.tables.advice(spec)))
    except MixpanelWhError as error:  # what a run would ask as well, and be refused
        return Finding(subject, (str(error),))


def _table(spec: SyncSpec, warehouse: Warehouse) -> list[str]:
    from mixpanel_wh.warehouses.check import missing_tables

    missing = missing_tables(warehouse, [spec])
    try:
        return missing or check_columns(spec, warehouse.tables.describe(spec.table))
    except SourceError as error:
        return [str(error)]


def _destination(spec: SyncSpec, connections: Connections) -> list[str]:
    try:
        return connections.mixpanel(spec).check()
    except MixpanelWhError as error:
        return [str(error)]
