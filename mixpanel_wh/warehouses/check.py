"""Whether a warehouse can serve its syncs: their tables are there, and the staging schema can be written."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError
from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses import WAREHOUSES

if TYPE_CHECKING:
    from mixpanel_wh.engine.ports import Warehouse

HOLDER = "check"
LEASE = timedelta(seconds=30)


def check_warehouse(warehouse: Warehouse, specs: Iterable[SyncSpec]) -> list[str]:
    """Every problem as a sentence with its fix; empty when all the syncs can run.

    It takes a lease and gives it back, as a run does, and so makes the staging schema where there is none.
    """
    syncs = list(specs)
    return [*missing_tables(warehouse, syncs), *unwritable_staging(warehouse, syncs)]


def missing_tables(warehouse: Warehouse, specs: Iterable[SyncSpec]) -> list[str]:
    """The syncs whose table is not there or cannot be read."""
    problems = []
    for spec in specs:
        try:
            missing = warehouse.tables.missing_privileges(spec.table)
            problems += [f"sync {spec.name}: {sentence}" for sentence in missing]
            if not missing:
                warehouse.tables.describe(spec.table)
        except SourceError as error:
            problems.append(f"sync {spec.name}: {error}: correct table, or create it")
    return problems


def setup_statements(kind: str, settings: dict[str, Any], specs: Iterable[SyncSpec]) -> list[str]:
    """The statements by which an administrator gives a user what the syncs need and no more; none where a warehouse has
    no users. Nothing is connected to."""
    module = import_module(WAREHOUSES[kind])
    write = getattr(module, "setup_sql", None)
    statements: list[str] = write(settings, [spec.table for spec in specs]) if write else []
    return statements


def unwritable_staging(warehouse: Warehouse, specs: Iterable[SyncSpec]) -> list[str]:
    """Why the staging schema cannot be written, if it cannot; mirror needs it for snapshots, all modes for state."""
    syncs = list(specs)
    if not syncs:
        return []
    lease = Lease("mixpanel-wh check", HOLDER, datetime.now(UTC) + LEASE)
    try:
        warehouse.state.acquire(lease)
        warehouse.state.release(lease.sync, lease.holder)
    except MixpanelWhError as error:
        return [f"{error} (needed for {_needed_for(syncs)})"]
    return []


def _needed_for(specs: list[SyncSpec]) -> str:
    mirrored = [spec.name for spec in specs if spec.mode is Mode.MIRROR]
    snapshots = f"the snapshots of mode mirror ({', '.join(mirrored)}) and " if mirrored else ""
    return f"{snapshots}the state of every sync"
