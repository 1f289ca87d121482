"""Values of Postgres arrive exactly, and those that Mixpanel has no place for are absent."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, event_spec, read, user_spec
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    with closing(PostgresGround(postgres)) as ground:
        yield ground


EXACT = {
    "numeric(38,10)": ("1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
    "numeric": ("0.1000", "0.1"),
    "numeric(60,30)": ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    "bigint": ("-9223372036854775808", -(2**63)),
    "real": ("0.1", 0.1),
    "double precision": ("0.1", 0.1),
    "timestamp": ("2024-03-01 12:00:00.123456", datetime(2024, 3, 1, 12, 0, 0, 123456)),
    "timestamp with time zone": ("2024-03-01 12:00:00.123456+05:30", datetime(2024, 3, 1, 6, 30, 0, 123456, UTC)),
    "jsonb": ('{"a": [1.10, null, "\\"\\\\\\n\\u00e9"]}', '{"a": [1.10, null, "\\"\\\\\\né"]}'),
    "json": ('{ "a" :1}', '{ "a" :1}'),
    "text": ("a\tb\nc\rd\\e\\N\b\f\v'\"", "a\tb\nc\rd\\e\\N\b\f\v'\""),
    "character varying": ("\\N", "\\N"),
    "bytea": ("\\x00ff5c0a", b"\x00\xff\\\n"),
    "integer[]": ("{{1,2},{3,NULL}}", "[[1,2],[3,null]]"),
    "interval": ("1 mon 2 days 03:04:05.6", "1 mon 2 days 03:04:05.6"),
}  # fmt: skip


@pytest.mark.parametrize("type", EXACT)
def test_values_arrive_exactly(ground: PostgresGround, warehouse: Warehouse, type: str) -> None:
    written, expected = EXACT[type]
    columns = {"id": "integer", "v": type}
    table = ground.make("exact", columns, [(0, None), (1, written), (2, None), (3, written)])
    assert [row["v"] for row in read(warehouse, user_spec(table))] == [None, expected, None, expected]


def test_texts_of_every_length_of_backslashes_arrive_exactly(ground: PostgresGround, warehouse: Warehouse) -> None:
    texts = ["\\" * n + end for n in range(9) for end in ("", "n", "\n", "N", "\\n")] + ["", " ", "\x7f", "名前🙂"]
    columns = {"id": "integer", "a": "text", "b": "text"}
    table = ground.make("texts", columns, [(n, text, text[::-1]) for n, text in enumerate(texts)])
    found = {int(row[batches.KEY]): (row["a"], row["b"]) for row in read(warehouse, user_spec(table))}
    assert found == {n: (text, text[::-1]) for n, text in enumerate(texts)}


@pytest.mark.parametrize(
    ("type", "values"),
    [
        ("numeric", ["NaN", "Infinity", "-Infinity"]),
        ("numeric(10,2)", ["NaN"]),
        ("timestamp", ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "10000-01-01"]),
        ("timestamp with time zone", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "20000-01-01 00:00:00+00"]),
        ("date", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"]),
    ],
)
def test_values_that_mixpanel_has_no_place_for_are_absent(
    ground: PostgresGround, warehouse: Warehouse, type: str, values: list[str]
) -> None:
    table = ground.make("odd", {"id": "integer", "v": type}, list(enumerate(values)))
    assert {row["v"] for row in read(warehouse, user_spec(table))} == {None}
    sync = Mirroring(warehouse, user_spec(table))
    assert len(sync.run()) == len(values)
    assert sync.run() == []


def test_moments_without_end_are_no_moments(ground: PostgresGround, warehouse: Warehouse) -> None:
    values = ["infinity", "-infinity", "2024-03-01 12:00:00"]
    for type in ("timestamp", "timestamp with time zone"):
        table = ground.make("odd", {"id": "integer", "at": type}, list(enumerate(values)))
        for zone in ("UTC", "America/New_York"):
            found = [row[batches.TIME] for row in read(warehouse, event_spec(table, timezone=zone))]
            assert found[:2] == [None, None]
            assert found[2] is not None


@pytest.mark.parametrize("text", ["2024-02-30", "2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "2024-03-01 25:00",
                                  "0000-01-01", "2024-03-01T12:00:00+99:00", "2024-03-01 12:60:00", "now", "infinity"])  # fmt: skip
def test_texts_that_are_almost_moments_are_none(ground: PostgresGround, warehouse: Warehouse, text: str) -> None:
    table = ground.make(
        "odd", {"id": "integer", "at": "text"}, [(1, text), (2, "2024-02-29"), (3, "2000-02-29T23:59Z")]
    )
    found = [row[batches.TIME] for row in read(warehouse, event_spec(table))]
    assert found == [None, 1_709_164_800_000, 951_868_740_000]


def test_an_endless_insert_time_does_not_end_the_sync(ground: PostgresGround, warehouse: Warehouse) -> None:
    columns = {"word": "text", "at": "timestamp", "written": "timestamp"}
    rows = [("a", "2024-03-01", "2024-03-01"), ("never", "2024-03-01", "infinity")]
    spec = append_spec(ground.make("log", columns, rows))
    window = warehouse.tables.window(spec, None)
    assert (window.upto, window.rows, window.unread) == ("2024-03-01 00:00:00", 1, 1)
    assert [row["word"] for row in read(warehouse, spec, window)] == ["a"]
