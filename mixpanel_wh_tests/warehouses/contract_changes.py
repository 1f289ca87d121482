"""The contract's part on Mirror: which inserts, updates and deletes a warehouse finds since the last committed run."""

from datetime import UTC, datetime

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import DuplicateKeys, SourceError
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh_tests.warehouses.asking import Asked, Mirroring, event_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.ground import Ground

DAY, NEXT_DAY = "2024-03-01 12:00:00", "2024-03-02 12:00:00"
OLD = (batches.OLD_KEY, batches.OLD_EVENT, batches.OLD_TIME, batches.OLD_USER, batches.OLD_DEVICE)


def ms(text: str) -> int:
    """Milliseconds since the epoch of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class ChangesContract(Asked):
    """What Mirror finds."""

    def test_the_first_run_inserts_every_row_with_all_that_is_sent(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.visits(ground, [(1, DAY, "ann", "home"), (2, NEXT_DAY, None, None)])
        found = {row[batches.KEY]: row for row in Mirroring(warehouse, event_spec(table, user_id="who")).run()}
        assert ops(list(found.values())) == {"1": "insert", "2": "insert"}
        first = found["1"]
        assert (first[batches.EVENT], first[batches.TIME], first[batches.USER]) == ("Seen", ms(DAY), "ann")
        assert (first["id"], first["page"], found["2"]["page"]) == (1, "home", None)
        assert {first[name] for name in OLD} == {None}

    def test_a_table_that_did_not_change_has_no_changes(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, user_spec(self.people(ground, [("a", "Ann", 1), ("b", None, None)])))
        assert len(sync.run()) == 2
        assert sync.run() == []
        assert sync.run() == []

    def test_an_empty_table_has_no_changes_and_may_fill_and_empty_again(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = Mirroring(warehouse, user_spec(self.people(ground, [])))
        assert sync.run() == []
        ground.add("people", self.people_columns(ground), [("a", "Ann", 1)])
        assert ops(sync.run()) == {"a": "insert"}
        ground.remove("people")
        assert ops(sync.run()) == {"a": "delete"}
        assert sync.run() == []
        ground.add("people", self.people_columns(ground), [("a", "Ann", 1)])
        assert ops(sync.run()) == {"a": "insert"}

    def test_inserts_updates_and_deletes_are_found_and_nothing_else(self, ground: Ground, warehouse: Warehouse) -> None:
        rows: list[tuple[object, ...]] = [(str(n), "x", n) for n in range(200)]
        sync = Mirroring(warehouse, user_spec(self.people(ground, rows)))
        sync.run()
        ground.add("people", self.people_columns(ground), [("new", "y", 1)])
        ground.change("people", "age", None, ground.kinds.integer, "id = '17'")
        ground.remove("people", "id = '18'")
        found = sync.run()
        assert ops(found) == {"new": "insert", "17": "update", "18": "delete"}
        updated = next(row for row in found if row[batches.OP] == "update")
        assert (updated[batches.USER], updated["name"], updated["age"]) == ("17", "x", None)
        assert updated[batches.OLD_USER] == updated[batches.OLD_KEY] == "17"
        assert sync.run() == []

    def test_an_update_and_a_delete_carry_the_identity_of_what_was_delivered(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        table = self.visits(ground, [(1, DAY, "ann", "home"), (2, DAY, "bob", "exit")])
        sync = Mirroring(warehouse, event_spec(table, event_name=None, event_column="page", user_id="who"))
        sync.run()
        ground.change("visits", "who", "eve", ground.kinds.text, "id = 1")
        ground.change("visits", "at", NEXT_DAY, ground.kinds.timestamp, "id = 1")
        ground.remove("visits", "id = 2")
        found = {row[batches.KEY]: row for row in sync.run()}
        assert [found["1"][name] for name in OLD] == ["1", "home", ms(DAY), "ann", None]
        assert (found["1"][batches.USER], found["1"][batches.TIME]) == ("eve", ms(NEXT_DAY))
        assert [found["2"][name] for name in OLD] == ["2", "exit", ms(DAY), "bob", None]

    def test_the_identity_of_the_run_before_counts_not_the_first_one(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x")]), user_id="who"))
        sync.run()
        for name, before in (("b", "a"), ("c", "b"), ("d", "c")):
            ground.change("visits", "who", name, ground.kinds.text)
            (row,) = sync.run()
            assert (row[batches.USER], row[batches.OLD_USER]) == (name, before)

    def test_a_changed_row_key_is_a_delete_and_an_insert(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, user_spec(self.people(ground, [("a", "Ann", 1)])))
        sync.run()
        ground.change("people", "id", "b", ground.kinds.text)
        assert ops(sync.run()) == {"a": "delete", "b": "insert"}

    def test_row_keys_that_differ_in_case_spaces_or_accents_are_different_rows(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        keys = ["a", "A", "a ", " a", "á", "", "'", '"', "a:0", "NULL", "名前"]
        sync = Mirroring(warehouse, user_spec(self.people(ground, [(key, "x", 1) for key in keys])))
        assert ops(sync.run()) == dict.fromkeys(keys, "insert")
        ground.remove("people", "id = 'A' OR id = ''")
        assert ops(sync.run()) == {"A": "delete", "": "delete"}

    def test_a_change_there_and_back_between_two_runs_is_none(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, user_spec(self.people(ground, [("a", "Ann", 1)])))
        sync.run()
        ground.change("people", "age", 2, ground.kinds.integer)
        ground.change("people", "age", 1, ground.kinds.integer)
        assert sync.run() == []

    def test_null_and_empty_text_and_swapped_values_are_changes(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"id": ground.kinds.text, "one": ground.kinds.text, "two": ground.kinds.text}
        sync = Mirroring(warehouse, user_spec(ground.make("people", columns, [("a", None, None)])))
        sync.run()
        for pair in (
            ("", None),
            (None, ""),
            ("", ""),
            ("x", None),
            (None, "x"),
            ("ab", "c"),
            ("a", "bc"),
            (None, None),
        ):
            ground.change("people", "one", pair[0], ground.kinds.text)
            ground.change("people", "two", pair[1], ground.kinds.text)
            assert ops(sync.run()) == {"a": "update"}, pair

    def test_equal_rows_without_a_row_key_are_as_many_events(self, ground: Ground, warehouse: Warehouse) -> None:
        same: tuple[object, ...] = (1, DAY, "ann", "home")
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [same] * 3), row_key=()))
        assert tally(sync.run()) == {"insert": 3}
        assert sync.run() == []
        ground.add("visits", self.visits_columns(ground), [same] * 2)
        assert tally(sync.run()) == {"insert": 2}
        ground.remove("visits")
        ground.add("visits", self.visits_columns(ground), [same])
        assert tally(sync.run()) == {"delete": 4}
        assert sync.run() == []

    def test_equal_events_of_one_millisecond_stay_two_though_the_table_tells_them_apart(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows: list[tuple[object, ...]] = [
            (1, f"2024-03-01 12:{n:02}:00.00000{micro}", "ann", "home") for n in range(60) for micro in (1, 2)
        ]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, rows), row_key=(), user_id="who"))
        assert tally(sync.run()) == {"insert": 120}
        for n in range(3):
            late: tuple[object, ...] = (2, f"2024-04-0{n + 1} 12:00:00", "bob", "exit")
            ground.add("visits", self.visits_columns(ground), [late])
            assert tally(sync.run()) == {"insert": 1}
        ground.remove("visits", f"{ground.quote('id')} = 1")
        assert tally(sync.run()) == {"delete": 120}

    def test_without_a_row_key_a_changed_row_is_a_delete_and_an_insert(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows: list[tuple[object, ...]] = [(n, DAY, "ann", "home") for n in range(20)]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, rows), row_key=(), user_id="who"))
        sync.run()
        ground.change("visits", "who", "bob", ground.kinds.text, "id = 7")
        found = {row[batches.OP]: row for row in sync.run()}
        assert set(found) == {"insert", "delete"}
        assert (found["insert"][batches.USER], found["delete"][batches.OLD_USER]) == ("bob", "ann")

    def test_rows_that_only_trade_places_are_no_change(self, ground: Ground, warehouse: Warehouse) -> None:
        rows: list[tuple[object, ...]] = [(n % 5, DAY, "ann", None) for n in range(30)]
        for row_key in ((), ("id", "who")):
            kept = rows if not row_key else rows[:5]
            sync = Mirroring(warehouse, event_spec(self.visits(ground, kept), row_key=row_key))
            warehouse.snapshots.discard(sync.spec, snapshot=True)
            sync.run()
            self.visits(ground, list(reversed(kept)))
            assert sync.run() == []

    def test_a_table_that_is_dropped_and_made_again_with_the_same_rows_has_no_changes(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows: list[tuple[object, ...]] = [("a", "Ann", 1), ("b", None, None)]
        sync = Mirroring(warehouse, user_spec(self.people(ground, rows)))
        sync.run()
        self.people(ground, rows)
        assert sync.run() == []
        self.people(ground, [("a", "Ann", 2)])
        assert ops(sync.run()) == {"a": "update", "b": "delete"}

    def test_a_table_that_grows_and_shrinks_by_orders_of_magnitude_stays_in_step(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = Mirroring(warehouse, user_spec(ground.fill("many", 50)))
        assert tally(sync.run()) == {"insert": 50}
        ground.fill("many", 20_000)
        assert tally(sync.run()) == {"insert": 19_950}
        assert sync.run() == []
        ground.change("many", "word", "new", ground.kinds.text, "id IN (1, 15000)")
        assert ops(sync.run()) == {"1": "update", "15000": "update"}
        ground.remove("many", "id >= 30 OR id = 7")
        assert tally(sync.run()) == {"delete": 19_971}
        ground.change("many", "word", "new", ground.kinds.text, "id = 3")
        assert ops(sync.run()) == {"3": "update"}

    def test_every_column_type_shows_its_changes_and_only_them(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"id": ground.kinds.integer} | {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
        table, source = ground.make("typed", columns), ground.source("typed")
        for n in range(len(ground.every_type) + 1):
            ground.run(f"INSERT INTO {source} VALUES ({n}, {', '.join(typed.one for typed in ground.every_type)})")
        sync = Mirroring(warehouse, user_spec(table))
        sync.run()
        for n, typed in enumerate(ground.every_type):
            ground.run(f"UPDATE {source} SET c{n} = {typed.other} WHERE id = {n}")
        changed = dict.fromkeys(map(str, range(len(ground.every_type))), "update")
        assert ops(sync.run()) == changed
        assert sync.run() == []
        for n in range(len(ground.every_type)):
            ground.run(f"UPDATE {source} SET c{n} = NULL WHERE id = {n}")
        assert ops(sync.run()) == changed
        assert sync.run() == []

    def test_nasty_names_do_not_confuse_the_comparison(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"the key": ground.kinds.text} | dict.fromkeys(ground.nasty_names, ground.kinds.text)
        for name in ground.nasty_names[:5]:
            table = ground.make(name, columns, [("a", *ground.nasty_names), ("b", *ground.nasty_names)])
            sync = Mirroring(warehouse, user_spec(table, distinct_id="the key")).under(name=f"sync {name}")
            assert ops(sync.run()) == {"a": "insert", "b": "insert"}
            ground.change(name, ground.nasty_names[-1], "new", ground.kinds.text, f"{ground.quote('the key')} = 'b'")
            (row,) = sync.run()
            assert (row[batches.OP], row[ground.nasty_names[-1]]) == ("update", "new")
            assert sync.run() == []

    def test_syncs_of_one_table_keep_snapshots_of_their_own(self, ground: Ground, warehouse: Warehouse) -> None:
        one = Mirroring(warehouse, user_spec(self.people(ground, [("a", "Ann", 1)])))
        other = one.under(name="people2")
        one.run()
        assert ops(other.run()) == {"a": "insert"}
        ground.change("people", "age", 2, ground.kinds.integer)
        assert ops(one.run()) == ops(other.run()) == {"a": "update"}

    @pytest.mark.parametrize("rows", [[(1, DAY, "a", "x"), (1, DAY, "b", "y")], [(None, DAY, "a", "x")]])
    def test_a_row_key_that_is_null_or_repeated_stops_before_anything_is_staged(
        self, ground: Ground, warehouse: Warehouse, rows: list[tuple[object, ...]]
    ) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [*rows, (5, DAY, "c", "z")])))
        with pytest.raises(DuplicateKeys, match=r"row_key \(id\) must be unique and not NULL.*1 key is not"):
            sync.stage()
        ground.remove("visits", "id IS NULL OR id = 1")
        assert ops(sync.run()) == {"5": "insert"}
        ground.add("visits", self.visits_columns(ground), rows)
        with pytest.raises(DuplicateKeys):
            sync.stage()
        ground.remove("visits", "id IS NULL OR id = 1")
        assert sync.run() == []

    def test_rows_with_a_repeated_key_are_marked_and_the_rest_is_sent(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows = [(1, DAY, "a", "x"), (1, DAY, "b", "y"), (2, DAY, "c", "z"), (None, DAY, "d", "w")]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, list(rows)), on_duplicate_key="reject"))
        faults = {row["page"]: (row[batches.KEY], bool(row[batches.FAULT])) for row in sync.run(rejected=["1"])}
        assert faults == {"x": ("1", True), "y": ("1", True), "z": ("2", False), "w": (None, False)}
        ground.remove("visits", "page = 'y' OR page = 'w'")
        assert ops(sync.run()) == {"1": "insert"}
        assert sync.run() == []

    def test_a_delivered_row_whose_key_is_repeated_for_a_while_is_not_deleted(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x")]), on_duplicate_key="reject"))
        sync.run()
        ground.add("visits", self.visits_columns(ground), [(1, DAY, "b", "y")])
        assert [row[batches.OP] for row in sync.run(rejected=["1"]) if not row[batches.FAULT]] == []
        ground.remove("visits", "page = 'y'")
        assert sync.run() == []
        ground.remove("visits")
        assert ops(sync.run()) == {"1": "delete"}

    def test_a_row_that_goes_after_a_part_sent_it_is_deleted(self, ground: Ground, warehouse: Warehouse) -> None:
        rows: list[tuple[object, ...]] = [(n, "2024-03-01 00:00:00", "ann", "home") for n in range(12)]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, rows)))
        sync.run()
        ground.change("visits", "page", "exit", ground.kinds.text, f"{ground.quote('id')} = 3")
        sync.stage(Part("at", 0, 10**15))
        sync.acknowledge(len(sync.changes()))
        sync.commit()
        ground.remove("visits", f"{ground.quote('id')} = 3")
        assert ops(sync.run()) == {"3": "delete"}

    def test_a_part_finds_only_changes_to_events_inside_it(self, ground: Ground, warehouse: Warehouse) -> None:
        rows = [(n, day, "a", "x") for n, day in enumerate((DAY, DAY, NEXT_DAY, NEXT_DAY))]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, list(rows))))
        part = Part("at", ms("2024-03-01"), ms("2024-03-02"))
        sync.stage(part)
        assert ops(sync.changes()) == {"0": "insert", "1": "insert"}
        sync.acknowledge(2)
        sync.commit()
        assert ops(sync.run()) == {"2": "insert", "3": "insert"}
        ground.change("visits", "page", "y", ground.kinds.text)
        ground.remove("visits", "id = 1 OR id = 3")
        sync.stage(part)
        assert ops(sync.changes()) == {"0": "update", "1": "delete"}
        sync.acknowledge(2)
        sync.commit()
        assert ops(sync.run()) == {"2": "update", "3": "delete"}

    def test_a_part_cut_by_another_column_is_refused(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "a", "x")])))
        with pytest.raises(SourceError, match="time column"):
            sync.stage(Part("id", 0, 1))
