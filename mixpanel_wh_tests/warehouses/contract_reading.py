"""The contract's part on source tables: descriptions, reading as Arrow, row keys, key checks, change tokens."""

from dataclasses import replace
from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import DuplicateKeys, SourceError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Mode, Properties
from mixpanel_wh_tests.warehouses.asking import (
    Asked,
    append_spec,
    dictionaries,
    event_spec,
    lookup_spec,
    read,
    user_spec,
)
from mixpanel_wh_tests.warehouses.ground import Ground

DAY = "2024-03-01 12:00:00"


class ReadingContract(Asked):
    """How a warehouse describes and reads tables."""

    def test_a_table_is_described_by_its_columns_in_order(self, ground: Ground, warehouse: Warehouse) -> None:
        table = warehouse.tables.describe(self.visits(ground, []))
        assert [column.name for column in table.columns] == ["id", "at", "who", "page"]
        assert all(column.type for column in table.columns)
        assert not table.is_view

    def test_a_view_is_described_as_one_and_read_like_a_table(self, ground: Ground, warehouse: Warehouse) -> None:
        self.people(ground, [("a", "Ann", 1)])
        ground.run(f"CREATE VIEW {ground.source('seniors')} AS SELECT * FROM {ground.source('people')}")
        assert warehouse.tables.describe(ground.name("seniors")).is_view
        assert [row["name"] for row in read(warehouse, user_spec(ground.name("seniors")))] == ["Ann"]

    def test_a_missing_table_is_named_and_the_nearest_one_suggested(self, ground: Ground, warehouse: Warehouse) -> None:
        self.people(ground, [])
        with pytest.raises(SourceError, match=r"no table .*peopel.*people"):
            warehouse.tables.describe(ground.name("peopel"))

    def test_control_columns_come_before_the_columns_that_are_sent(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.visits(ground, [(1, DAY, "ann", "home")])
        (batch,) = warehouse.tables.read(event_spec(table, user_id="who"))
        names = batch.schema.names
        control = [name for name in names if name.startswith(batches.CONTROL_PREFIX)]
        assert names[: len(control)] == control
        assert {batches.KEY, batches.EVENT, batches.TIME, batches.USER, batches.DEVICE} <= set(control)
        assert names[len(control) :] == ["id", "page"]

    def test_an_event_has_its_name_moment_and_people(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.visits(ground, [(1, DAY, "ann", "home")])
        (static,) = read(warehouse, event_spec(table, user_id="who"))
        assert static[batches.KEY] == "1"
        assert static[batches.EVENT] == "Seen"
        assert static[batches.TIME] == 1_709_294_400_000
        assert static[batches.USER] == "ann"
        assert static[batches.DEVICE] is None
        (named,) = read(warehouse, event_spec(table, event_name=None, event_column="page", device_id="who"))
        assert (named[batches.EVENT], named[batches.USER], named[batches.DEVICE]) == ("home", None, "ann")

    def test_profiles_and_lookup_rows_have_their_id(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.people(ground, [("a", "Ann", 1)])
        for spec in (user_spec(table), lookup_spec(table)):
            (row,) = read(warehouse, spec)
            assert (row[batches.KEY], row[batches.USER], row["name"], row["age"]) == ("a", "a", "Ann", 1)

    def test_columns_that_are_denied_or_not_allowed_do_not_leave_the_warehouse(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        table = self.people(ground, [("a", "Ann", 1)])
        (row,) = read(warehouse, user_spec(table, properties=Properties(deny=("age",))))
        assert "age" not in row
        assert "name" in row
        (row,) = read(warehouse, user_spec(table, properties=Properties(allow=("age",))))
        assert "name" not in row
        assert "age" in row

    def test_every_column_type_is_read_and_null_stays_null(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"id": ground.kinds.integer} | {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
        table = ground.make("typed", columns)
        lines = ([typed.one for typed in ground.every_type], [typed.other for typed in ground.every_type],
                 ["NULL" for _ in ground.every_type])  # fmt: skip
        for n, line in enumerate(lines):
            ground.run(f"INSERT INTO {ground.source('typed')} VALUES ({n}, {', '.join(line)})")
        rows = {int(row[batches.KEY]): row for row in read(warehouse, user_spec(table))}
        assert sorted(rows) == [0, 1, 2]
        for n, typed in enumerate(ground.every_type):
            assert rows[0][f"c{n}"] is not None, typed.type
            assert rows[0][f"c{n}"] != rows[1][f"c{n}"], typed.type
            assert rows[2][f"c{n}"] is None, typed.type

    def test_nasty_names_of_columns_are_read(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"id": ground.kinds.integer} | dict.fromkeys(ground.nasty_names, ground.kinds.text)
        table = ground.make("nasty", columns, [(1, *ground.nasty_names)])
        assert [column.name for column in warehouse.tables.describe(table).columns] == list(columns)
        (row,) = read(warehouse, user_spec(table))
        assert {name: row[name] for name in ground.nasty_names} == {name: name for name in ground.nasty_names}

    def test_nasty_names_serve_in_every_role(self, ground: Ground, warehouse: Warehouse) -> None:
        for nasty in ground.nasty_names:
            columns = {nasty: ground.kinds.text, "other": ground.kinds.text}
            table = ground.make(nasty, columns, [("v", "w"), ("x", "y")])
            spec = event_spec(table, row_key=(nasty, "other"), user_id=nasty, event_name=nasty, time_column=None,
                              group_keys={"other": nasty})  # fmt: skip
            rows = read(warehouse, replace(spec, name=nasty))
            assert sorted(row[batches.USER] for row in rows) == ["v", "x"], nasty
            assert {row[batches.EVENT] for row in rows} == {nasty}
            assert warehouse.tables.count(spec) == 2
            warehouse.tables.verify_keys(spec)

    def test_an_empty_table_has_no_rows(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = user_spec(self.people(ground, []))
        assert read(warehouse, spec) == []
        assert warehouse.tables.count(spec) == 0
        warehouse.tables.verify_keys(spec)
        assert warehouse.tables.fingerprint(spec) == warehouse.tables.fingerprint(spec)
        assert warehouse.tables.change_token(spec.table) == warehouse.tables.change_token(spec.table)

    def test_a_null_in_the_row_key_gives_no_key(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.visits(ground, [(None, DAY, "ann", "home"), (2, DAY, None, "home")])
        single = read(warehouse, event_spec(table))
        assert sorted(row[batches.KEY] or "" for row in single) == ["", "2"]
        pair = read(warehouse, event_spec(table, row_key=("id", "who")))
        assert [row[batches.KEY] for row in pair] == [None, None]

    def test_the_parts_of_a_row_key_cannot_run_into_each_other(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"left": ground.kinds.text, "right": ground.kinds.text, "at": ground.kinds.timestamp}
        pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("a;1:b", "c"), ("a", "1:b;c"), ("a;", "b;c")]
        table = ground.make("pairs", columns, [(*pair, DAY) for pair in pairs])
        keys = [row[batches.KEY] for row in read(warehouse, event_spec(table, row_key=("left", "right")))]
        assert len(set(keys)) == len(pairs)

    def test_rows_without_a_row_key_are_told_apart_even_when_they_are_equal(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        table = self.visits(ground, [(1, DAY, "ann", "home")] * 3 + [(1, DAY, "ann", "exit"), (1, DAY, None, None)])
        spec = event_spec(table, row_key=())
        keys = [row[batches.KEY] for row in read(warehouse, spec)]
        assert len(set(keys)) == 5
        assert sorted(keys) == sorted(row[batches.KEY] for row in read(warehouse, spec))
        hashes = [key.split(":")[0] for key in keys]
        assert sorted(hashes.count(one) for one in set(hashes)) == [1, 1, 3]
        assert all(len(one) == 32 for one in hashes)

    def test_keys_made_of_content_do_not_depend_on_the_order_of_rows_or_columns(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows: list[tuple[object, ...]] = [(1, DAY, "ann", "home"), (2, DAY, "bob", "exit"), (2, DAY, "bob", "exit")]
        spec = event_spec(self.visits(ground, rows), row_key=())
        before = sorted(row[batches.KEY] for row in read(warehouse, spec))
        turned = dict(reversed(self.visits_columns(ground).items()))
        ground.make("visits", turned, [tuple(reversed(row)) for row in reversed(rows)])
        assert sorted(row[batches.KEY] for row in read(warehouse, spec)) == before

    def test_keys_made_of_content_do_not_change_when_an_empty_column_is_added(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = event_spec(self.visits(ground, [(1, DAY, "ann", "home"), (2, DAY, None, None)]), row_key=())
        before = sorted(row[batches.KEY] for row in read(warehouse, spec))
        ground.add_column("visits", "later", ground.kinds.double)
        assert sorted(row[batches.KEY] for row in read(warehouse, spec)) == before

    def test_content_cannot_be_forged_by_values_that_look_like_it(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"a": ground.kinds.text, "b": ground.kinds.text, "at": ground.kinds.timestamp}
        values = [("x", None), (None, "x"), ("", None), (None, ""), (None, None), ("", ""), ("x;p:b=1:x", None),
                  ("x", "x"), ("1:x;", None), ("null", None), ("NULL", None)]  # fmt: skip
        table = ground.make("forged", columns, [(*pair, DAY) for pair in values])
        keys = [row[batches.KEY] for row in read(warehouse, event_spec(table, row_key=()))]
        assert len({key.split(":")[0] for key in keys}) == len(values)

    def test_a_sample_is_the_first_rows(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.people(ground, [(str(n), "x", n) for n in range(9)])
        assert len(dictionaries(warehouse.tables.read(user_spec(table), sample=4))) == 4
        assert len(dictionaries(warehouse.tables.read(event_spec(table, row_key=(), time_column=None), sample=4))) == 4

    def test_many_rows_stream_in_several_batches_of_one_schema(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = user_spec(ground.fill("many", 70_000))
        seen, schemas, largest = set(), set(), 0
        for batch in warehouse.tables.read(spec):
            schemas.add(str(batch.schema))
            largest = max(largest, batch.num_rows)
            seen |= set(batch.column(batches.KEY).to_pylist())
        assert len(seen) == 70_000
        assert len(schemas) == 1
        assert largest < 70_000

    def test_a_table_that_changes_while_it_is_read_gives_the_rows_of_one_moment(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = user_spec(ground.fill("many", 70_000))
        stream = iter(warehouse.tables.read(spec))
        rows = next(stream).to_pylist()
        integer, text = ground.kinds.integer, ground.kinds.text
        ground.add("many", {"id": integer, "word": text}, [(70_000, "late")])
        ground.change("many", "word", "changed", text, "id >= 60000")
        ground.remove("many", "id < 10")
        rows += dictionaries(stream)
        assert len({row[batches.KEY] for row in rows}) == len(rows) == 70_000
        assert "changed" not in {row["word"] for row in rows}
        assert len(read(warehouse, spec)) == 69_991

    def test_a_reader_that_stops_early_leaves_the_warehouse_usable(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = user_spec(ground.fill("many", 70_000))
        stream: Any = warehouse.tables.read(spec)
        next(stream)
        stream.close()
        assert warehouse.tables.count(spec) == 70_000

    def test_a_repeated_row_key_is_refused_with_a_count_and_examples(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        table = self.visits(ground, [(7, DAY, "ann", "a"), (7, DAY, "ann", "b"), (8, DAY, "ann", "c")])
        with pytest.raises(DuplicateKeys, match=r"row_key \(id\).* 1 key is not, for example 7.*on_duplicate_key"):
            warehouse.tables.verify_keys(event_spec(table))
        ground.remove("visits", "page = 'a'")
        warehouse.tables.verify_keys(event_spec(table))

    def test_a_repeated_key_of_profiles_that_are_only_set_is_allowed(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        table = self.people(ground, [("a", "Ann", 1), ("a", "Ann", 2)])
        warehouse.tables.verify_keys(replace(user_spec(table), mode=Mode.FULL))
        with pytest.raises(DuplicateKeys):
            warehouse.tables.verify_keys(replace(lookup_spec(table), mode=Mode.FULL))

    def test_repeated_keys_are_marked_where_the_sync_rejects_them(self, ground: Ground, warehouse: Warehouse) -> None:
        rows = [(7, DAY, "ann", "a"), (7, DAY, "ann", "b"), (8, DAY, "ann", "c"), (None, DAY, "x", "d"),
                (None, DAY, "y", "e")]  # fmt: skip
        spec = event_spec(self.visits(ground, list(rows)), on_duplicate_key="reject")
        warehouse.tables.verify_keys(spec)
        marked = {row["page"]: row[batches.FAULT] for row in read(warehouse, spec)}
        assert marked["c"] is marked["d"] is marked["e"] is None
        assert "not unique" in marked["a"]
        assert "not unique" in marked["b"]

    def test_the_statement_behind_a_read_is_shown_and_runs_as_it_is_shown(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = user_spec(self.people(ground, [("a", "it's, (1)", 1)]))
        shown = warehouse.tables.explain(spec)
        assert "\nFROM " in shown
        statement = "\n".join(line for line in shown.splitlines() if not line.startswith("-- "))
        assert " ".join(statement.split()).startswith("SELECT ")

    def test_a_fingerprint_is_of_the_content_alone(self, ground: Ground, warehouse: Warehouse) -> None:
        rows: list[tuple[object, ...]] = [("a", "Ann", 1), ("b", "Bob", None)]
        spec = lookup_spec(self.people(ground, rows))
        before = warehouse.tables.fingerprint(spec)
        self.people(ground, list(reversed(rows)))
        assert warehouse.tables.fingerprint(spec) == before
        ground.add_column("people", "later", ground.kinds.text)
        assert warehouse.tables.fingerprint(spec) == before
        ground.change("people", "age", 2, ground.kinds.integer, "id = 'b'")
        assert warehouse.tables.fingerprint(spec) != before
        self.people(ground, rows[:1])
        assert warehouse.tables.fingerprint(spec) != before

    def test_a_change_token_moves_with_every_change(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.people(ground, [("a", "Ann", 1), ("b", "Bob", 2)])
        tokens = [warehouse.tables.change_token(table)]
        assert warehouse.tables.change_token(table) == tokens[0]
        ground.add("people", self.people_columns(ground), [("c", "Cid", 3)])
        tokens.append(warehouse.tables.change_token(table))
        ground.add("people", self.people_columns(ground), [("c", "Cid", 3), ("c", "Cid", 3)])
        tokens.append(warehouse.tables.change_token(table))
        ground.change("people", "age", 9, ground.kinds.integer, "id = 'a'")
        tokens.append(warehouse.tables.change_token(table))
        ground.remove("people", "id = 'b'")
        tokens.append(warehouse.tables.change_token(table))
        ground.add_column("people", "later", ground.kinds.text)
        tokens.append(warehouse.tables.change_token(table))
        assert len(set(tokens)) == len(tokens)

    def test_a_mode_append_without_insert_time_is_refused(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = append_spec(self.visits(ground, []), insert_time=None)
        with pytest.raises(SourceError, match="insert_time"):
            warehouse.tables.window(spec, None)
