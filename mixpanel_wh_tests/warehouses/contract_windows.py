"""The contract's part on Append: windows of insert times, late and boundary-equal rows, and the ledger of sent ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Part, Warehouse, Window
from mixpanel_wh.engine.spec import Properties, SyncSpec
from mixpanel_wh_tests.warehouses.asking import Asked, append_spec, event_spec, read
from mixpanel_wh_tests.warehouses.ground import Ground

MOMENTS = ("2024-03-01 10:00:00", "2024-03-01 11:00:00.123456", "2024-03-01 12:00:00", "2024-03-01 13:00:00")
EARLIER, FIRST, SECOND, THIRD = MOMENTS


class WindowsContract(Asked):
    """How a warehouse finds the rows that Append has not sent."""

    def written(
        self, ground: Ground, rows: list[tuple[str, object]], type: str | None = None, **more: object
    ) -> SyncSpec:
        """An Append sync over a table of (word, insert time) rows."""
        return append_spec(ground.make("log", self.log_columns(ground, type), [self.line(*row) for row in rows]),
                           **{"lookback": timedelta(0), **more})  # fmt: skip

    def log_columns(self, ground: Ground, type: str | None = None) -> dict[str, str]:
        kinds = ground.kinds
        return {"word": kinds.text, "at": kinds.timestamp, "written": type or kinds.timestamp}

    def line(self, word: str, written: object) -> tuple[object, ...]:
        return (word, "2024-01-01 00:00:00", written)

    def write(self, ground: Ground, *rows: tuple[str, object], type: str | None = None) -> None:
        """More rows."""
        ground.add("log", self.log_columns(ground, type), [self.line(*row) for row in rows])

    def sent(self, warehouse: Warehouse, spec: SyncSpec, after: str | None) -> tuple[list[str], str | None]:
        """One Append run: the words it sent, and where the cursor stands then."""
        window = warehouse.tables.window(spec, after)
        with warehouse.transaction():
            warehouse.ledger.start(spec)
        words = []
        for batch in warehouse.tables.read(spec, window) if window.rows else ():
            words += batch.column("word").to_pylist()
            near = batch.filter(batch.column(batches.NEAR))
            if near.num_rows:
                warehouse.ledger.remember(spec, near)
        assert len(words) == window.rows
        with warehouse.transaction():
            if window.upto is not None:
                warehouse.ledger.settle(spec, window)
        return sorted(words), window.upto

    def test_the_first_window_holds_every_row_up_to_the_newest(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND), ("c", None)])
        window = warehouse.tables.window(spec, None)
        assert (window.after, window.rows, window.unread) == (None, 2, 1)
        assert {row["word"] for row in read(warehouse, spec, window)} == {"a", "b"}

    def test_an_empty_table_has_a_window_without_an_end(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [])
        assert warehouse.tables.window(spec, None) == Window(None, None, 0)
        unread = self.written(ground, [("a", None)])
        assert warehouse.tables.window(unread, None) == Window(None, None, 0, unread=1)

    def test_a_table_that_was_emptied_keeps_the_cursor(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST)])
        _, cursor = self.sent(warehouse, spec, None)
        ground.remove("log")
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    def test_rows_that_arrive_after_the_window_was_fixed_wait_for_the_next(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = self.written(ground, [("a", FIRST)])
        window = warehouse.tables.window(spec, None)
        self.write(ground, ("b", SECOND))
        assert [row["word"] for row in read(warehouse, spec, window)] == ["a"]

    @pytest.mark.parametrize("row_key", [(), ("word",)])
    def test_each_row_is_sent_once(self, ground: Ground, warehouse: Warehouse, row_key: tuple[str, ...]) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], row_key=row_key)
        words, cursor = self.sent(warehouse, spec, None)
        assert words == ["a", "b"]
        assert self.sent(warehouse, spec, cursor) == ([], cursor)
        self.write(ground, ("c", THIRD))
        words, cursor = self.sent(warehouse, spec, cursor)
        assert words == ["c"]
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    @pytest.mark.parametrize("row_key", [(), ("word",)])
    def test_a_row_that_shares_the_newest_insert_time_but_comes_later_is_found(
        self, ground: Ground, warehouse: Warehouse, row_key: tuple[str, ...]
    ) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], row_key=row_key)
        _, cursor = self.sent(warehouse, spec, None)
        self.write(ground, ("c", SECOND))
        assert self.sent(warehouse, spec, cursor) == (["c"], cursor)
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    def test_equal_rows_at_the_boundary_are_each_sent_once(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", SECOND), ("a", SECOND)])
        words, cursor = self.sent(warehouse, spec, None)
        assert words == ["a", "a"]
        self.write(ground, ("a", SECOND))
        assert self.sent(warehouse, spec, cursor) == (["a"], cursor)
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    @pytest.mark.parametrize("row_key", [(), ("word",)])
    def test_late_rows_within_the_lookback_are_found_and_sent_once(
        self, ground: Ground, warehouse: Warehouse, row_key: tuple[str, ...]
    ) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], row_key=row_key, lookback=timedelta(hours=2))
        _, cursor = self.sent(warehouse, spec, None)
        self.write(ground, ("late", FIRST), ("later", EARLIER))
        assert self.sent(warehouse, spec, cursor) == (["late", "later"], cursor)
        self.write(ground, ("c", THIRD), ("latest", FIRST))
        words, cursor = self.sent(warehouse, spec, cursor)
        assert words == ["c", "latest"]
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    def test_rows_later_than_the_lookback_are_not_read(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", SECOND)], lookback=timedelta(minutes=30))
        _, cursor = self.sent(warehouse, spec, None)
        self.write(ground, ("late", "2024-03-01 11:30:00"), ("lost", "2024-03-01 11:29:59.999"))
        assert self.sent(warehouse, spec, cursor) == (["late"], cursor)

    def test_a_shorter_lookback_sends_nothing_again(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], row_key=("word",), lookback=timedelta(hours=2))
        _, cursor = self.sent(warehouse, spec, None)
        shorter = append_spec(spec.table, row_key=("word",), lookback=timedelta(0))
        assert self.sent(warehouse, shorter, cursor) == ([], cursor)

    def test_start_at_leaves_out_what_was_written_before(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], start_at=datetime(2024, 3, 1, 12, tzinfo=UTC))
        assert self.sent(warehouse, spec, None)[0] == ["b"]

    def test_what_was_written_before_start_at_is_not_taken_for_late(self, ground: Ground, warehouse: Warehouse) -> None:
        start = datetime(2024, 3, 1, 12, tzinfo=UTC)
        spec = self.written(ground, [("a", FIRST), ("b", SECOND)], start_at=start, lookback=timedelta(hours=2))
        words, cursor = self.sent(warehouse, spec, None)
        assert words == ["b"]
        self.write(ground, ("c", THIRD), ("late", SECOND))
        assert self.sent(warehouse, spec, cursor)[0] == ["c", "late"]

    def test_a_broken_run_is_forgotten_by_the_ledger(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST)], row_key=("word",))
        window = warehouse.tables.window(spec, None)
        warehouse.ledger.start(spec)
        for batch in warehouse.tables.read(spec, window):
            warehouse.ledger.remember(spec, batch)
        assert self.sent(warehouse, spec, None)[0] == ["a"]

    def test_boundary_equal_rows_of_a_broken_run_are_sent_by_the_next(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = self.written(ground, [("a", FIRST)], row_key=("word",))
        _, cursor = self.sent(warehouse, spec, None)
        self.write(ground, ("b", FIRST))
        window = warehouse.tables.window(spec, cursor)
        warehouse.ledger.start(spec)
        for batch in warehouse.tables.read(spec, window):
            warehouse.ledger.remember(spec, batch)
        assert self.sent(warehouse, spec, cursor) == (["b"], cursor)
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    def test_rows_that_differ_in_nothing_but_an_insert_time_that_is_not_sent_are_different_events(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        spec = self.written(ground, [("a", FIRST), ("a", SECOND)], properties=Properties(deny=("written",)))
        first, second = (row[batches.KEY] for row in read(warehouse, spec, warehouse.tables.window(spec, None)))
        assert first.split(":")[0] != second.split(":")[0]

    def test_a_discarded_ledger_is_gone(self, ground: Ground, warehouse: Warehouse) -> None:
        spec = self.written(ground, [("a", FIRST)], row_key=("word",))
        _, cursor = self.sent(warehouse, spec, None)
        warehouse.ledger.discard(spec)
        warehouse.ledger.start(spec)
        assert self.sent(warehouse, spec, cursor) == (["a"], cursor)

    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("timestamp", MOMENTS),
            ("timestamp_tz", tuple(f"{moment}+02" for moment in MOMENTS)),
            ("date", ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")),
            ("integer", (1_709_290_000, 1_709_290_001, 1_709_290_002, 1_709_290_003)),
            ("double", (1.5, 2.25, 1e9 + 1 / 3, 2e9)),
            ("text", ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")),
        ],
    )
    @pytest.mark.parametrize("days", [0, 400])
    def test_the_cursor_keeps_its_exact_value_for_every_type(
        self, ground: Ground, warehouse: Warehouse, kind: str, values: tuple[object, ...], days: int
    ) -> None:
        type = getattr(ground.kinds, kind)
        spec = self.written(ground, [("a", values[0]), ("b", values[1])], type, lookback=timedelta(days=days))
        words, cursor = self.sent(warehouse, spec, None)
        assert words == ["a", "b"]
        assert self.sent(warehouse, spec, cursor) == ([], cursor)
        self.write(ground, ("c", values[2]), type=type)
        words, cursor = self.sent(warehouse, spec, cursor)
        assert words == ["c"]
        self.write(ground, ("d", values[2]), ("e", values[3]), type=type)
        words, cursor = self.sent(warehouse, spec, cursor)
        assert words == ["d", "e"]
        assert self.sent(warehouse, spec, cursor) == ([], cursor)

    def test_the_oldest_and_the_newest_moment_of_a_column_are_told_in_milliseconds(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        empty = append_spec(self.visits(ground, []))
        assert warehouse.tables.span(empty, "at") is None
        moments = ("2024-03-01 12:00:00", None, "2024-03-01 11:00:00")
        spec = event_spec(self.visits(ground, [(n, moment, "a", "b") for n, moment in enumerate(moments)]))
        hour = 3_600_000
        newest = 1_709_294_400_000
        assert warehouse.tables.span(spec, "at") == (newest - hour, newest)
        in_berlin = replace(spec, timezone="Europe/Berlin")
        assert warehouse.tables.span(in_berlin, "at") == (newest - 2 * hour, newest - hour)

    def test_the_values_of_a_column_are_counted_the_most_frequent_first(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        noon, later = "2024-03-01 12:00:00", "2024-03-02 12:00:00"
        seen = ((noon, "ann"), (noon, "ben"), (later, "ben"), (later, None))
        spec = event_spec(self.visits(ground, [(n, at, who, "b") for n, (at, who) in enumerate(seen)]))
        assert warehouse.tables.values(spec, "who", None, 10) == (2, {"ben": 2, "ann": 1})
        assert warehouse.tables.values(spec, "who", None, 1) == (2, {"ben": 2})
        assert warehouse.tables.values(spec, "who", Part("at", since=1_709_337_600_000), 10) == (1, {"ben": 1})
        assert warehouse.tables.values(spec, "who", Part("at", before=0), 10) == (0, {})

    def test_a_part_within_a_window_holds_nothing_newer_than_the_window(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        start = datetime(2024, 3, 1, 11, tzinfo=UTC)
        spec = self.written(ground, [("a", EARLIER), ("b", FIRST), ("c", SECOND), ("d", None)], start_at=start)
        upto = warehouse.tables.window(self.written(ground, [("a", EARLIER), ("b", FIRST)]), None).upto
        self.write(ground, ("c", SECOND), ("d", None))
        part = Part(within=Window(None, upto, 0))
        assert [row["word"] for row in read(warehouse, spec, part)] == ["b"]
        assert read(warehouse, spec, replace(part, column="at", before=0)) == []
