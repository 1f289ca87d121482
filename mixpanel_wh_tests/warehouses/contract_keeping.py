"""The contract's part on state: checkpoints, pending runs, leases, rejections, results, transactions around them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from mixpanel_wh.engine.pipeline import REJECTED
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.state import Checkpoint, Lease, Pending, SyncState
from mixpanel_wh_tests.warehouses.asking import Asked
from mixpanel_wh_tests.warehouses.ground import Ground

PENDING = Pending(
    "run", "2024-03-01T12:00:00+00:00", epoch=2, after="a", upto="b'\"名", staged=True, rows=9, inserted=4, updated=3,
    deleted=2, acknowledged=5, accepted=4, rejected=1, fingerprint="f", properties=("x", "y z"), stopped=True, partial=True,
)  # fmt: skip
CHECKPOINT = Checkpoint(
    epoch=3, cursor="2024-03-01 12:00:00.123456", properties=("x", "naïve"), fingerprint="f", done=True, run_id="run",
    committed_at="2024-03-01T12:00:00+00:00", rows=7,
)  # fmt: skip
NAMES = ("plain", "it's", 'a "b"', "名前", "select")


def lease(holder: str, seconds: float = 60, sync: str = "plain") -> Lease:
    """A lease that expires so many seconds from now."""
    return Lease(sync, holder, datetime.now(UTC) + timedelta(seconds=seconds))


def refused(*keys: str | None) -> pa.RecordBatch:
    """Rejections of rows with those keys."""
    columns = [
        pa.array(keys, pa.string()),
        *(pa.array([text] * len(keys)) for text in ("name", "it's no good", "rules")),
    ]
    return pa.record_batch(columns, schema=REJECTED)


class KeepingContract(Asked):
    """How a warehouse remembers."""

    @pytest.fixture(autouse=True)
    def staged(self, warehouse: Warehouse) -> None:
        """The staging schema stands, as it does once a lease was taken."""
        warehouse.state.acquire(lease("setup", sync="setup"))

    @pytest.mark.parametrize("sync", NAMES)
    def test_a_pending_run_and_a_checkpoint_come_back_as_they_were(
        self, ground: Ground, warehouse: Warehouse, sync: str
    ) -> None:
        assert warehouse.state.load(sync) == SyncState()
        warehouse.state.save_pending(sync, PENDING)
        assert warehouse.state.load(sync) == SyncState(Checkpoint(), PENDING)
        warehouse.state.save_pending(sync, PENDING.answered(9, 7, 2))
        warehouse.state.commit(sync, CHECKPOINT)
        assert warehouse.state.load(sync) == SyncState(CHECKPOINT, None)
        warehouse.state.save_pending(sync, PENDING)
        warehouse.state.clear_pending(sync)
        reopened = ground.open()
        try:
            assert reopened.state.load(sync) == SyncState(CHECKPOINT, None)
        finally:
            reopened.close()

    def test_syncs_do_not_share_their_state(self, warehouse: Warehouse) -> None:
        for epoch, sync in enumerate(NAMES):
            warehouse.state.commit(sync, Checkpoint(epoch=epoch))
        assert [warehouse.state.load(sync).checkpoint.epoch for sync in NAMES] == list(range(len(NAMES)))

    def test_a_held_lease_keeps_others_out_until_it_is_given_back(self, ground: Ground, warehouse: Warehouse) -> None:
        mine = lease("mine")
        assert warehouse.state.acquire(mine) is None
        assert warehouse.state.acquire(mine) is None, "its holder may renew it"
        other = ground.open()
        try:
            assert other.state.acquire(lease("other")) == mine
            assert other.state.acquire(lease("other", sync="another")) is None
            other.state.release("plain", "other")
            assert other.state.acquire(lease("other")) == mine, "only its holder may give it back"
            warehouse.state.release("plain", "mine")
            assert other.state.acquire(lease("other")) is None
        finally:
            other.close()

    def test_an_expired_lease_may_be_taken(self, warehouse: Warehouse) -> None:
        warehouse.state.acquire(lease("dead", seconds=-1))
        assert warehouse.state.acquire(lease("mine")) is None
        held = warehouse.state.acquire(lease("other"))
        assert held is not None
        assert held.holder == "mine"

    def test_rejections_are_kept_by_run_with_their_reasons(self, warehouse: Warehouse) -> None:
        warehouse.state.reject("plain", "one", refused("a", None))
        warehouse.state.reject("plain", "two", refused("b"))
        warehouse.state.reject("other", "three", refused("c"))
        assert {row["row_key"] for row in warehouse.state.rejections("plain")} == {"a", "b", None}
        (row,) = warehouse.state.rejections("plain", "two")
        assert (row["row_key"], row["column"], row["reason"], row["origin"]) == ("b", "name", "it's no good", "rules")
        assert len(warehouse.state.rejections("plain", limit=2)) == 2

    def test_the_newest_result_of_a_sync_is_found(self, warehouse: Warehouse) -> None:
        assert warehouse.state.last_result("plain") is None
        warehouse.state.record({"sync": "plain", "run_id": "new", "rows_read": 2}, "2024-03-02T00:00:00+00:00")
        warehouse.state.record({"sync": "plain", "run_id": "old", "rows_read": 1}, "2024-03-01T00:00:00+00:00")
        warehouse.state.record({"sync": "other", "run_id": "else", "rows_read": 3}, "2024-03-03T00:00:00+00:00")
        found = warehouse.state.last_result("plain")
        assert found is not None
        assert (found["run_id"], found["rows_read"], found["started_at"]) == ("new", 2, "2024-03-02T00:00:00+00:00")

    def test_a_transaction_is_kept_whole_or_not_at_all(self, warehouse: Warehouse) -> None:
        warehouse.state.commit("plain", CHECKPOINT)
        with suppress(InterruptedError), warehouse.transaction():
            warehouse.state.save_pending("plain", PENDING)
            warehouse.state.reject("plain", "run", refused("a"))
            with warehouse.transaction():
                warehouse.state.commit("plain", Checkpoint())
            raise InterruptedError
        assert warehouse.state.load("plain") == SyncState(CHECKPOINT, None)
        assert warehouse.state.rejections("plain") == []
        with warehouse.transaction():
            warehouse.state.save_pending("plain", PENDING)
        assert warehouse.state.load("plain") == SyncState(CHECKPOINT, PENDING)

    def test_others_see_a_transaction_only_once_it_is_committed(self, ground: Ground, warehouse: Warehouse) -> None:
        other = ground.open()
        try:
            with warehouse.transaction():
                warehouse.state.commit("plain", CHECKPOINT)
                assert other.state.load("plain") == SyncState()
            assert other.state.load("plain") == SyncState(CHECKPOINT)
        finally:
            other.close()
