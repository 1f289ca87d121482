"""Redshift passes the contract, through a cursor and through S3; and what is special to it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import MixpanelWhError, SourceError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Properties, TableName
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.asking import Mirroring, ops, read, tally, user_spec
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.contract_changes import ChangesContract
from mixpanel_wh_tests.warehouses.contract_sessions import EndedSessionsContract
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround


class TestRedshiftBriefly(ChangesContract):
    """The part of the contract that rests most on the warehouse's own SQL."""

    @pytest.fixture
    def ground(self, redshift: RunningRedshift) -> Iterator[Ground]:
        with closing(RedshiftGround(redshift)) as ground:
            yield ground


@pytest.mark.long
class TestRedshift(WarehouseContract):
    """Answers through a cursor."""

    @pytest.fixture
    def ground(self, redshift: RunningRedshift) -> Iterator[Ground]:
        with closing(RedshiftGround(redshift)) as ground:
            yield ground


@pytest.mark.long
class TestRedshiftUnloading(WarehouseContract):
    """Every answer through S3."""

    @pytest.fixture
    def ground(self, redshift: RunningRedshift) -> Iterator[Ground]:
        with closing(RedshiftGround(redshift, unload=True)) as ground:
            yield ground


@pytest.fixture(params=["cursor", pytest.param("unload", marks=pytest.mark.long)])
def ground(redshift: RunningRedshift, request: pytest.FixtureRequest) -> Iterator[RedshiftGround]:
    with closing(RedshiftGround(redshift, unload=request.param == "unload")) as ground:
        yield ground


class TestRedshiftSessions(EndedSessionsContract):
    """Sessions of one server."""


EXACT = {
    "numeric(38,10)": ("1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
    "numeric(38,0)": ("-99999999999999999999999999999999999999", Decimal("-99999999999999999999999999999999999999")),
    "bigint": ("-9223372036854775808", -(2**63)),
    "smallint": ("-32768", -32768),
    "real": ("0.1", 0.1),
    "double precision": ("0.1", 0.1),
    "boolean": ("false", False),
    "date": ("0001-01-01", date(1, 1, 1)),
    "time": ("12:00:00.5", "12:00:00.5"),
    "timestamp": ("2024-03-01 12:00:00.123456", datetime(2024, 3, 1, 12, 0, 0, 123456)),
    "timestamptz": ("2024-03-01 12:00:00.123456+05:30", datetime(2024, 3, 1, 6, 30, 0, 123456, UTC)),
    "super": ('{"a": [1.10, null, "\\"\\\\\\n\\u00e9"]}', {"a": [1.1, None, '"\\\né']}),
    "varchar(max)": ("a\tb\nc\rd\\e\\N\b\f\v'\"", "a\tb\nc\rd\\e\\N\b\f\v'\""),
    "character varying(9)": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("type", EXACT)
def test_values_arrive_exactly(ground: RedshiftGround, warehouse: Warehouse, type: str) -> None:
    written, expected = EXACT[type]
    table = ground.make("exact", {"id": "integer", "v": type}, [(0, None), (1, written), (2, None), (3, written)])
    found = {row[batches.KEY]: row["v"] for row in read(warehouse, user_spec(table))}
    if type == "super":
        found = {key: value and json.loads(value) for key, value in found.items()}
    assert found == {"0": None, "1": expected, "2": None, "3": expected}


def test_years_that_mixpanel_has_no_place_for_are_absent(ground: RedshiftGround, warehouse: Warehouse) -> None:
    for type, zone in (("date", ""), ("timestamp", " 00:00:00"), ("timestamptz", " 00:00:00+00")):
        table = ground.make("odd", {"id": "integer", "v": type}, [(1, f"10000-01-01{zone}"), (2, f"0044-03-15{zone} BC")])
        assert {row["v"] for row in read(warehouse, user_spec(table))} == {None}
        sync = Mirroring(warehouse, user_spec(table)).under(name=f"people {type}")
        assert len(sync.run()) == 2
        assert sync.run() == []


@pytest.mark.parametrize("type", ["geometry", "geography", "varbyte(100)", "hllsketch"])
def test_columns_that_cannot_be_sent_are_refused_by_name_and_may_be_denied(
    ground: RedshiftGround, warehouse: Warehouse, type: str
) -> None:
    table = ground.make("shapes", {"id": "integer", "word": "varchar(9)", "shape": type})
    ground.run(f"INSERT INTO shapes VALUES (1, 'a', CAST('12' AS {type}))")
    sentence = rf"column shape is of type {type.partition('(')[0].upper()}.*deny: \[shape\].*view that casts it"
    with pytest.raises(SourceError, match=sentence):
        read(warehouse, user_spec(table))
    with pytest.raises(SourceError, match=sentence):
        Mirroring(warehouse, user_spec(table)).stage()
    spec = user_spec(table, properties=Properties(deny=("shape",)))
    assert [row["word"] for row in read(warehouse, spec)] == ["a"]
    assert ops(Mirroring(warehouse, spec).run()) == {"1": "insert"}
    assert warehouse.tables.change_token(table)


@pytest.mark.parametrize("column", ["_mp_row_hash", "_mp_change_type"])
def test_reserved_columns_are_refused_by_the_engine(
    ground: RedshiftGround, warehouse: Warehouse, column: str
) -> None:
    table = ground.make("people", {"id": "varchar(9)", column: "varchar(9)"}, [("a", "b")])
    sandboxed = user_spec(table)
    with pytest.raises(MixpanelWhError, match=column):
        run_sync(sandboxed, warehouse, Nowhere())  # type: ignore[arg-type]


class Nowhere:
    """A Mixpanel that nothing is sent to: the run stops before."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def late_binding(ground: RedshiftGround) -> TableName:
    """A view that is bound when it is read."""
    ground.fill("base", 30)
    ground.run("CREATE VIEW late AS SELECT id, word FROM base WITH NO SCHEMA BINDING")
    return ground.name("late")


def external(ground: RedshiftGround) -> TableName:
    """A table that stands in S3, with types by their names there."""
    ground.run(f'CREATE EXTERNAL TABLE "{ground.schema}"."base" (id bigint, word varchar(20), at timestamp, n double '
               "precision) STORED AS PARQUET LOCATION 's3://lake/base'")  # fmt: skip
    ground.run("INSERT INTO base SELECT n, 'w' || n, TIMESTAMP '2024-03-01', n / 4.0 FROM generate_series(0, 29) AS n")
    return ground.name("base")


@pytest.mark.parametrize("made", [late_binding, external], ids=lambda made: made.__name__)
def test_late_binding_views_and_external_tables_are_read_mirrored_and_tell_that_they_changed(
    ground: RedshiftGround, warehouse: Warehouse, made: Callable[[RedshiftGround], TableName]
) -> None:
    table = made(ground)
    described = warehouse.tables.describe(table)
    assert described.is_view == (made is late_binding)
    assert len(read(warehouse, user_spec(table))) == 30
    assert (described.rows, described.size) == (None, None)
    sync = Mirroring(warehouse, user_spec(table))
    assert tally(sync.run()) == {"insert": 30}
    token = warehouse.tables.change_token(table)
    assert warehouse.tables.change_token(table) == token
    ground.run("UPDATE base SET word = 'new' WHERE id = 7")
    assert warehouse.tables.change_token(table) != token
    assert ops(sync.run()) == {"7": "update"}


def test_texts_of_every_length_are_compared_whole(ground: RedshiftGround, warehouse: Warehouse) -> None:
    columns = {"id": "integer"} | {f"c{n}": "varchar(65535)" for n in range(3)}
    long = "x" * 65_534
    sync = Mirroring(warehouse, user_spec(ground.make("long", columns, [(1, long + "a", long + "b", long + "c")])))
    assert ops(sync.run()) == {"1": "insert"}
    ground.change("long", "c1", long + "B", "varchar(65535)")
    assert ops(sync.run()) == {"1": "update"}
    assert sync.run() == []


def test_a_letter_that_moves_from_one_column_to_the_next_is_a_change(
    ground: RedshiftGround, warehouse: Warehouse
) -> None:
    columns = {"id": "integer", "a": "varchar(9)", "b": "varchar(9)"}
    sync = Mirroring(warehouse, user_spec(ground.make("moved", columns, [(1, "ab", "c"), (2, None, "x"), (3, "x", None)])))
    sync.run()
    ground.run("UPDATE moved SET a = 'a', b = 'bc' WHERE id = 1")
    ground.run("UPDATE moved SET a = b, b = a WHERE id > 1")
    assert ops(sync.run()) == {"1": "update", "2": "update", "3": "update"}


@pytest.mark.long
def test_a_table_of_very_many_columns_is_mirrored_and_an_empty_column_more_changes_no_row(
    ground: RedshiftGround, warehouse: Warehouse
) -> None:
    columns = {"id": "integer"} | {f"c{n}": "varchar(200)" for n in range(400)}
    sync = Mirroring(warehouse, user_spec(ground.make("wide", columns, [(1, *("y" * 200 for _ in range(400)))])))
    assert ops(sync.run()) == {"1": "insert"}
    ground.add_column("wide", "b0", "varchar(9)")
    assert sync.run() == []
    ground.change("wide", "c399", None, "varchar(200)")
    assert ops(sync.run()) == {"1": "update"}


def test_the_change_token_of_a_table_costs_no_scan_where_its_view_may_be_read(
    ground: RedshiftGround, warehouse: Warehouse, redshift: RunningRedshift
) -> None:
    table = ground.fill("many", 10)
    before = len(redshift.asked)
    token = warehouse.tables.change_token(table)
    assert not [sql for sql in redshift.asked[before:] if '"many"' in sql]
    for edit in ("UPDATE many SET word = 'x' WHERE id = 1", "DELETE FROM many WHERE id = 2"):
        ground.run(edit)
        moved, token = token, warehouse.tables.change_token(table)
        assert moved != token


def test_a_table_is_described_with_its_extent(ground: RedshiftGround, warehouse: Warehouse) -> None:
    described = warehouse.tables.describe(ground.fill("many", 60_000))
    assert (described.rows, described.layout) == (60_000, "DISTSTYLE AUTO(EVEN)")
    assert described.size
    assert described.size >= 1 << 20
