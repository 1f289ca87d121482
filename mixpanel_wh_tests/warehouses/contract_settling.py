"""The contract's part on what happens after staging: answers, rejections, guards, crashes, and full resyncs."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.state import SyncState
from mixpanel_wh_tests.warehouses.asking import (
    Asked,
    Mirroring,
    event_spec,
    ops,
    tally,
    user_spec,
)
from mixpanel_wh_tests.warehouses.ground import Ground

DAY = "2024-03-01 12:00:00"


class SettlingContract(Asked):
    """How a snapshot follows what was delivered."""

    def crowd(self, ground: Ground, warehouse: Warehouse, rows: int = 30, **more: Any) -> Mirroring:
        """A sync of many people, none of them sent yet."""
        return Mirroring(warehouse, user_spec(ground.fill("many", rows), **more))

    def test_reading_goes_on_after_what_was_acknowledged_in_the_same_order(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        sync.stage()
        whole = sync.changes()
        assert sync.changes() == whole
        for taken in (0, 1, 29, 30):
            sync.pending = replace(sync.pending, acknowledged=taken)
            assert sync.changes() == whole[taken:]

    def test_staged_changes_outlive_the_session_and_do_not_follow_the_table(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        sync.stage()
        whole = sync.changes()
        ground.change("many", "word", "other", ground.kinds.text)
        ground.remove("many", "id < 10")
        reopened = ground.open()
        try:
            pending = reopened.state.load(sync.spec.name).pending
            assert pending == sync.pending
            assert Mirroring(reopened, sync.spec, sync.pending).changes() == whole
        finally:
            reopened.close()
        sync.acknowledge(30)
        sync.commit()
        assert tally(sync.run()) == {"update": 20, "delete": 10}

    def test_staging_again_throws_away_what_a_broken_run_staged(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        sync.stage()
        ground.remove("many", "id < 10")
        assert tally(sync.run()) == {"insert": 20}

    def test_changes_that_are_staged_and_thrown_away_are_found_again_as_they_were(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        self.looked_at_twice(sync, {"insert": 30})
        ground.remove("many", "id < 10")
        ground.change("many", "word", "new", ground.kinds.text, "id >= 20")
        self.looked_at_twice(sync, {"delete": 10, "update": 10})
        self.looked_at_twice(sync, {})
        ground.remove("many", "id = 15")
        narrowed = sync.under(on_duplicate_key="reject")
        self.looked_at_twice(narrowed, {"delete": 1})
        assert narrowed.run() == []

    def looked_at_twice(self, sync: Mirroring, wanted: dict[str, int]) -> None:
        """Changes that are looked at and thrown away, twice, and then found by a run."""
        looks, counts = [], []
        for _ in range(2):
            looks.append(sorted(map(str, sync.look())))
            counts.append((sync.pending.inserted, sync.pending.updated, sync.pending.deleted))
        found = sync.run()
        assert tally(found) == wanted
        assert looks == [sorted(map(str, found))] * 2
        assert counts == [(sync.pending.inserted, sync.pending.updated, sync.pending.deleted)] * 2

    def test_what_a_rolled_back_transaction_staged_never_was(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        with suppress(InterruptedError), warehouse.transaction():
            pending = warehouse.snapshots.stage(sync.spec, sync.pending)
            warehouse.state.save_pending(sync.spec.name, pending)
            raise InterruptedError
        assert warehouse.state.load(sync.spec.name) == SyncState()
        assert tally(sync.run()) == {"insert": 30}

    def test_settling_before_any_answer_brings_every_change_again(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        sync.stage()
        sync.commit(settle=True)
        assert warehouse.state.load(sync.spec.name).pending is None
        assert tally(sync.run()) == {"insert": 30}
        ground.remove("many", "id < 10")
        ground.change("many", "word", "new", ground.kinds.text, "id >= 20")
        expected = {"delete": 10, "update": 10}
        assert tally(self.given_up(sync, 0)) == expected
        assert tally(sync.run()) == expected
        assert sync.run() == []

    def given_up(self, sync: Mirroring, answered: int, rejected: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """A run that a guard stopped after so many answers; the changes that it had staged."""
        sync.stage()
        found = sync.changes()
        sync.acknowledge(answered, rejected)
        sync.commit(settle=True)
        return found

    def test_settling_keeps_what_was_answered_and_brings_the_rest_again(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        staged = [row[batches.KEY] for row in self.given_up(sync, 12)]
        assert sorted(ops(sync.run())) == sorted(staged[12:])
        assert sync.run() == []
        ground.change("many", "word", "new", ground.kinds.text, "id < 5")
        ground.remove("many", "id >= 25")
        staged = [row[batches.KEY] for row in self.given_up(sync, 7)]
        assert sorted(ops(sync.run())) == sorted(staged[7:])
        assert sync.run() == []

    def test_settling_brings_rejected_rows_again(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        first, *_ = [row[batches.KEY] for row in self.given_up(sync, 30, rejected=("3", "4"))]
        assert first is not None
        assert ops(sync.run()) == {"3": "insert", "4": "insert"}

    def test_settling_after_the_table_changed_loses_nothing(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        sync.stage()
        staged = [row[batches.KEY] for row in sync.changes()]
        ground.change("many", "word", "new", ground.kinds.text)
        sync.acknowledge(10)
        sync.commit(settle=True)
        expected = dict.fromkeys(staged[:10], "update") | dict.fromkeys(staged[10:], "insert")
        assert ops(sync.run()) == expected

    def test_settling_before_the_table_goes_back_to_what_it_was_brings_it_back(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        sync.run()
        ground.change("many", "word", "new", ground.kinds.text, "id = 3")
        assert ops(self.given_up(sync, 1)) == {"3": "update"}
        ground.change("many", "word", "w3", ground.kinds.text, "id = 3")
        assert ops(sync.run()) == {"3": "update"}

    def test_a_rejected_row_comes_again_only_once_it_changes(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(
            warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x"), (2, DAY, "b", "y")]), user_id="who")
        )
        sync.run(rejected=["1"])
        assert sync.run() == []
        ground.change("visits", "page", "z", ground.kinds.text, "id = 1")
        (row,) = sync.run()
        assert row[batches.KEY] == "1"
        assert row[batches.OLD_KEY] is row[batches.OLD_USER] is row[batches.OLD_TIME] is None, "it was never delivered"

    def test_a_rejected_row_that_goes_away_was_never_delivered(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x")]), user_id="who"))
        sync.run(rejected=["1"])
        ground.remove("visits")
        (row,) = sync.run()
        assert (row[batches.OP], row[batches.OLD_KEY], row[batches.OLD_USER]) == ("delete", None, None)
        assert sync.run() == []

    def test_a_rejected_update_leaves_the_identity_that_was_delivered(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x")]), user_id="who"))
        sync.run()
        ground.change("visits", "who", "b", ground.kinds.text)
        sync.run(rejected=["1"])
        assert sync.run() == []
        ground.change("visits", "who", "c", ground.kinds.text)
        (row,) = sync.run()
        assert (row[batches.OLD_USER], row[batches.USER]) == ("a", "c")

    @pytest.mark.parametrize("rows", [200, 1], ids=["among others", "the last row"])
    def test_a_rejected_delete_comes_again(self, ground: Ground, warehouse: Warehouse, rows: int) -> None:
        sync = self.crowd(ground, warehouse, rows)
        sync.run()
        ground.remove("many", "id = 0")
        assert ops(sync.run(rejected=["0"])) == {"0": "delete"}
        assert ops(sync.run()) == {"0": "delete"}
        assert sync.run() == []

    def test_rejections_of_other_runs_and_syncs_do_not_count(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.crowd(ground, warehouse)
        other = sync.under(name="other")
        other.run(rejected=["3"])
        sync.run(rejected=["5"])
        ground.change("many", "word", "new", ground.kinds.text)
        for one, never in ((other, "3"), (sync, "5")):
            undelivered = {row[batches.KEY] for row in one.run() if row[batches.OLD_KEY] is None}
            assert undelivered == {never}

    def test_forgetting_finds_every_row_changed_and_still_knows_what_was_delivered(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        warehouse.snapshots.forget(sync.spec)
        sync.run()
        ground.remove("many", "id = 7")
        warehouse.snapshots.forget(sync.spec)
        found = sync.run()
        assert tally(found) == {"update": 29, "delete": 1}
        assert {row[batches.OLD_KEY] for row in found} == {str(n) for n in range(30)}
        assert sync.run() == []

    def test_discarding_the_changes_keeps_the_snapshot_and_discarding_it_too_starts_anew(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.crowd(ground, warehouse)
        sync.run()
        sync.stage()
        warehouse.snapshots.discard(sync.spec)
        assert sync.run() == []
        warehouse.snapshots.discard(sync.spec, snapshot=True)
        assert tally(sync.run()) == {"insert": 30}

    def test_many_changes_are_read_in_order_over_several_batches(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, user_spec(ground.fill("many", 70_000)))
        sync.stage()
        whole = [row[batches.KEY] for row in sync.changes()]
        sync.pending = replace(sync.pending, acknowledged=33_333)
        assert [row[batches.KEY] for row in sync.changes()] == whole[33_333:]
        assert len(set(whole)) == 70_000
