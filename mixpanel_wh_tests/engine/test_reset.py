"""A reset forgets what a sync sent, and what is sent afterwards is something new to Mixpanel."""

from dataclasses import replace
from uuid import uuid4

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, SyncBusy, WarehouseUnavailable
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.reset import reset_sync
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Checkpoint, SyncState
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.engine.tables import APPEND, EVERY, MIRROR, expected, make
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_after_a_reset_every_row_is_sent_under_the_next_epoch(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    run_sync(spec, warehouse, mixpanel)
    for epoch in (1, 2):
        assert reset_sync(spec, warehouse) == epoch
        assert warehouse.state.load(spec.name) == SyncState(Checkpoint(epoch=epoch))
        mixpanel.project.held.clear()
        again = run_sync(spec, warehouse, mixpanel)
        assert (again.rows_read, again.inserted, mixpanel.epochs[-1]) == (35, 35, epoch)
        assert {key: sent["word"] for key, sent in mixpanel.project.held.items()} == expected(ground)


@pytest.mark.parametrize("spec", [MIRROR, APPEND], ids=lambda spec: spec.name)
def test_a_run_that_broke_off_is_forgotten_too(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    mixpanel.project.fails_after = 1
    with pytest.raises(DestinationUnavailable):
        run_sync(spec, warehouse, mixpanel)
    assert warehouse.state.load(spec.name).pending
    reset_sync(spec, warehouse)
    mixpanel.project.fails_after = None
    again = run_sync(spec, warehouse, mixpanel)
    assert (again.resumed, again.rows_read) == (False, 35)


@pytest.mark.parametrize("done", range(6))
def test_after_a_reset_that_broke_off_no_row_is_taken_for_sent_that_the_snapshot_does_not_hold(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    make(ground)
    run_sync(MIRROR, warehouse, mixpanel)
    staging = warehouse.snapshots.staging  # type: ignore[attr-defined]
    drop, dropped = staging.session.finally_drop, list[str]()

    def breaks_off(table: str) -> None:
        if len(dropped) == done:
            raise WarehouseUnavailable("gone")
        dropped.append(table)
        drop(table)

    with monkeypatch.context() as patch:
        patch.setattr(staging.session, "finally_drop", breaks_off)
        with pytest.raises(WarehouseUnavailable):
            reset_sync(MIRROR, warehouse)
    run_sync(MIRROR, warehouse, mixpanel)
    assert staging.session.rows(f"SELECT count(*) FROM {staging.table('snapshot', MIRROR.name)}") == [(35,)]
    assert reset_sync(MIRROR, warehouse) == 1
    assert run_sync(MIRROR, warehouse, mixpanel).rows_read == 35


def test_other_syncs_keep_what_they_know(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    other = replace(MIRROR, name="other")
    for spec in (MIRROR, other):
        run_sync(spec, warehouse, mixpanel)
    reset_sync(MIRROR, warehouse)
    assert run_sync(other, warehouse, mixpanel).rows_read == 0


def test_a_sync_that_is_running_is_not_reset(ground: DuckDBGround, warehouse: Warehouse) -> None:
    with LeaseKeeper(MIRROR.name, uuid4().hex, warehouse.state), pytest.raises(SyncBusy, match="is being run"):
        reset_sync(MIRROR, warehouse)
    assert warehouse.state.load(MIRROR.name) == SyncState()
