"""The contract's part on tables that the warehouse itself divides: what did not move is not read, and is not lost."""

import random
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import DuplicateKeys
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Properties, TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh_tests.warehouses.asking import Asked, Mirroring, event_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.contract_changes import ms
from mixpanel_wh_tests.warehouses.ground import Ground

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


class DividedGround(Ground):
    """Ground on which tables can be divided by day."""

    @abstractmethod
    def divide(self, name: str, days: list[str]) -> TableName:
        """An empty table of `id` (an integer), `day` (a date) and `word` (a text), with a partition for each day."""

    def put(self, name: str, rows: list[tuple[int, str, str]]) -> None:
        """More rows: id, day, word."""
        columns = {"id": self.kinds.integer, "day": self.kinds.date, "word": self.kinds.text}
        self.add(name, columns, rows)


class PartitionsContract(Asked):
    """Mirror over a divided table."""

    def ten_days(self, ground: DividedGround, warehouse: Warehouse, **more: Any) -> Mirroring:
        """A sync that has sent five rows of each of ten days; the row with id `10 * d + n` is of day `d`."""
        table = ground.divide("visits", DAYS)
        ground.put("visits", [(10 * d + n, day, f"w{n}") for d, day in enumerate(DAYS) for n in range(5)])
        sync = Mirroring(warehouse, user_spec(table, **more))
        assert tally(sync.run()) == {"insert": 50}
        assert sync.pending.note == ""
        return sync

    def test_only_partitions_that_moved_are_read(self, ground: DividedGround, warehouse: Warehouse) -> None:
        sync = self.ten_days(ground, warehouse)
        assert sync.run() == []
        assert sync.pending.note.startswith("10 of 10 partitions")
        ground.change("visits", "word", "new", ground.kinds.text, f"id = 31 AND day = DATE '{DAYS[3]}'")
        ground.remove("visits", f"id = 52 AND day = DATE '{DAYS[5]}'")
        ground.put("visits", [(79, DAYS[7], "more")])
        assert ops(sync.run()) == {"31": "update", "52": "delete", "79": "insert"}
        assert sync.pending.note.startswith("7 of 10 partitions")
        assert sync.pending.note.endswith("did not change and were not read")
        assert sync.run() == []

    def test_a_partition_may_come_and_go_and_be_emptied(self, ground: DividedGround, warehouse: Warehouse) -> None:
        sync = self.ten_days(ground, warehouse)
        ground.remove("visits", f"day = DATE '{DAYS[0]}'")
        assert tally(sync.run()) == {"delete": 5}
        ground.put("visits", [(3, DAYS[0], "again")])
        assert ops(sync.run()) == {"3": "insert"}

    def test_a_row_that_moves_to_another_partition_is_one_update(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse)
        ground.remove("visits", f"id = 22 AND day = DATE '{DAYS[2]}'")
        ground.put("visits", [(22, DAYS[8], "moved")])
        assert ops(sync.run()) == {"22": "update"}
        assert sync.run() == []
        ground.remove("visits", f"id = 22 AND day = DATE '{DAYS[8]}'")
        assert ops(sync.run()) == {"22": "delete"}

    def test_a_row_that_moves_though_nothing_of_it_that_is_sent_changed_is_not_lost(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse, properties=Properties(deny=("day",)))
        ground.remove("visits", f"id = 22 AND day = DATE '{DAYS[2]}'")
        ground.put("visits", [(22, DAYS[8], "w2")])
        assert sync.run() == []
        ground.change("visits", "word", "new", ground.kinds.text, f"id = 21 AND day = DATE '{DAYS[2]}'")
        assert ops(sync.run()) == {"21": "update"}
        ground.remove("visits", f"id = 22 AND day = DATE '{DAYS[8]}'")
        assert ops(sync.run()) == {"22": "delete"}
        assert sync.run() == []

    def test_a_look_that_is_thrown_away_leaves_the_next_run_the_same_partitions(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse, properties=Properties(deny=("day",)))
        ground.remove("visits", f"id IN (22, 23) AND day = DATE '{DAYS[2]}'")
        ground.put("visits", [(22, DAYS[8], "w2"), (23, DAYS[8], "moved")])
        for _ in range(2):
            assert ops(sync.look()) == {"23": "update"}
        told = sync.pending.note
        assert ops(sync.run()) == {"23": "update"}
        assert sync.pending.note == told
        assert sync.run() == []

    def test_a_key_that_stands_in_two_partitions_is_noticed_though_one_is_not_read(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse)
        ground.put("visits", [(22, DAYS[8], "twice")])
        with pytest.raises(DuplicateKeys, match="22"):
            sync.stage()
        rejecting = sync.under(on_duplicate_key="reject")
        rejecting.stage()
        assert {row[batches.KEY] for row in rejecting.changes() if row[batches.FAULT]} == {"22"}
        ground.remove("visits", f"id = 22 AND day = DATE '{DAYS[8]}'")
        assert sync.run() == []

    def test_equal_rows_of_two_partitions_stay_two_rows(self, ground: DividedGround, warehouse: Warehouse) -> None:
        table = ground.divide("equal", DAYS)
        ground.put("equal", [(1, day, "same") for day in DAYS[:3]])
        whole = Mirroring(warehouse, event_spec(table, row_key=(), time_column="day"))
        assert tally(whole.run()) == {"insert": 3}
        ground.put("equal", [(1, DAYS[1], "same"), (1, DAYS[4], "same")])
        assert tally(whole.run()) == {"insert": 2}
        assert "partitions" in whole.pending.note
        blind = whole.under(name="blind", time_column="id", properties=Properties(deny=("day",)))
        assert tally(blind.run()) == {"insert": 5}
        ground.put("equal", [(1, DAYS[9], "same")])
        assert tally(blind.run()) == {"insert": 1}
        assert blind.pending.note == ""

    def test_a_rejected_delete_comes_again_though_its_partition_did_not_move(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse)
        ground.remove("visits", f"id = 44 AND day = DATE '{DAYS[4]}'")
        assert ops(sync.run(rejected=["44"])) == {"44": "delete"}
        assert ops(sync.run()) == {"44": "delete"}
        assert sync.run() == []

    def test_what_a_part_of_the_rows_left_behind_is_found_later(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        table = ground.divide("visits", DAYS)
        ground.put("visits", [(d, day, "w") for d, day in enumerate(DAYS)])
        sync = Mirroring(warehouse, event_spec(table, time_column="day"))
        sync.run()
        ground.change("visits", "word", "new", ground.kinds.text, "id IN (2, 3)")
        sync.stage(Part("day", since=ms(f"{DAYS[2]} 00:00:00"), before=ms(f"{DAYS[3]} 00:00:00")))
        assert ops(sync.changes()) == {"2": "update"}
        sync.acknowledge(1)
        sync.commit()
        assert ops(sync.run()) == {"3": "update"}
        assert sync.run() == []

    def test_a_partition_that_changed_too_shortly_before_a_run_to_be_sure_of_and_then_goes_is_missed(
        self, ground: DividedGround, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sync = self.ten_days(ground, warehouse)
        catalogue = warehouse.tables.catalogue  # type: ignore[attr-defined]
        asked = catalogue.partitions
        sure = set(asked(sync.spec.table).tokens.values())

        def unsure(table: TableName) -> Partitions:
            found: Partitions = asked(table)
            return replace(found, tokens={n: token if token in sure else None for n, token in found.tokens.items()})

        ground.put("visits", [(49, DAYS[4], "new")])
        with monkeypatch.context() as patch:
            patch.setattr(catalogue, "partitions", unsure)
            assert ops(sync.run()) == {"49": "insert"}
        ground.remove("visits", f"day = DATE '{DAYS[4]}'")
        assert ops(sync.run()) == {str(key): "delete" for key in (40, 41, 42, 43, 44, 49)}
        assert sync.run() == []

    def test_a_partition_that_a_part_has_seen_and_that_goes_then_is_missed(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        table = ground.divide("visits", DAYS)
        ground.put("visits", [(d, day, "w") for d, day in enumerate(DAYS)])
        sync = Mirroring(warehouse, event_spec(table, time_column="day"))
        sync.run()
        ground.change("visits", "word", "new", ground.kinds.text, "id = 2")
        sync.stage(Part("day", since=ms(f"{DAYS[2]} 00:00:00"), before=ms(f"{DAYS[3]} 00:00:00")))
        sync.acknowledge(1)
        sync.commit()
        ground.remove("visits", "id = 2")
        assert ops(sync.run()) == {"2": "delete"}
        assert sync.run() == []

    def test_a_full_resync_and_a_changed_sync_read_every_partition(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        sync = self.ten_days(ground, warehouse)
        warehouse.snapshots.forget(sync.spec)
        assert tally(sync.run()) == {"update": 50}
        assert tally(sync.under(timezone="Europe/Berlin").run()) == {}
        assert sync.run() == []

    def test_after_any_edits_and_any_broken_runs_what_was_sent_is_what_the_table_holds(
        self, ground: DividedGround, warehouse: Warehouse
    ) -> None:
        dice, sync = random.Random(7), self.ten_days(ground, warehouse)
        held = {str(10 * d + n): f"w{n}" for d in range(10) for n in range(5)}
        for round in range(12):
            for _ in range(dice.randint(0, 4)):
                self.edited(ground, dice)
            sync.stage()
            if dice.random() < 0.3:
                continue  # a crash before anything was sent
            found = sync.changes()
            for row in found:
                if row[batches.OP] == "delete":
                    del held[row[batches.KEY]]
                else:
                    held[row[batches.KEY]] = row["word"]
            sync.acknowledge(len(found))
            sync.commit(settle=dice.random() < 0.2)
            assert held == {str(key): word for key, word in ground.rows("SELECT id, word FROM visits")}, round

    def edited(self, ground: DividedGround, dice: random.Random) -> None:
        """One edit of the rows of one day."""
        d = dice.randrange(10)
        day, word = f"day = DATE '{DAYS[d]}'", f"x{dice.randrange(1000)}"
        match dice.randrange(3):
            case 0:
                ground.change("visits", "word", word, ground.kinds.text, f"{day} AND id = {10 * d + dice.randrange(5)}")
            case 1:
                ground.remove("visits", f"{day} AND id = {10 * d + dice.randrange(5)}")
            case 2:
                known = {row[0] for row in ground.rows(f"SELECT id FROM visits WHERE {day}")}
                free = [10 * d + n for n in range(10) if 10 * d + n not in known]
                ground.put("visits", [(dice.choice(free), DAYS[d], word)])
