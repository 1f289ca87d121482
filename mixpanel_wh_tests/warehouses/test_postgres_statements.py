"""Every statement that a warehouse on Postgres runs is in Postgres' grammar and calls known functions only."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlglot
from sqlglot import exp

from mixpanel_wh.engine.errors import DuplicateKeys
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Properties, SyncSpec
from mixpanel_wh.warehouses.check import check_warehouse
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, event_spec, lookup_spec, read, user_spec
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

# What the shared SQL calls; every warehouse like this one has these, and Redshift has them too.
SHARED = {"count", "max", "min", "sum", "row_number", "coalesce", "nullif", "cast"}
# What only this dialect writes, in its own files.
OWN = {
    "abs", "floor", "round", "left", "md5", "concat", "current_setting", "set_config", "octet_length", "encode",
    "trim_scale", "isfinite", "date_part", "bit_xor", "hash_record_extended", "to_json", "pg_advisory_xact_lock",
    "to_regclass", "format_type", "pg_table_is_visible", "has_schema_privilege", "has_table_privilege",
    "has_column_privilege", "unnest", "string_to_array", "pg_stat_get_tuples_inserted", "pg_stat_get_tuples_updated",
    "pg_stat_get_tuples_deleted", "pg_stat_get_db_stat_reset_time", "pg_postmaster_start_time", "current_database",
    "pg_get_partition_constraintdef", "pg_relation_size", "pg_get_partkeydef",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "left", "then", "when", "else", "all",
    "any", "row", "bit", "values", "lateral", "using", "copy", "stdin", "select", "by", "between", "k",
}  # fmt: skip
UNPARSED = ("BEGIN", "COMMIT", "ROLLBACK", "ANALYZE")  # no expressions in them


@pytest.fixture(scope="module")
def statements(postgres: RunningPostgres) -> Iterator[list[str]]:
    """What runs of every kind over every type sent to the server."""
    before = len(postgres.statements())
    with closing(PostgresGround(postgres)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
        yield [*dict.fromkeys(postgres.statements()[before:])]


def everything(ground: PostgresGround, warehouse: Warehouse) -> None:
    """Every verb of the warehouse at least once."""
    columns = {"id": "integer", "at": "text", "day": "date", "n": "double precision", "written": "timestamp"}
    columns |= {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
    table = ground.make("typed", columns)
    values = ", ".join(typed.one for typed in ground.every_type)
    ground.run(f"INSERT INTO typed SELECT n, '2024-03-01', '2024-03-01', n, '2024-03-01', {values} "
               "FROM generate_series(1, 99) AS n")  # fmt: skip
    specs = [
        event_spec(table),
        event_spec(table, row_key=(), timezone="Asia/Tokyo"),
        event_spec(table, time_column="day"),
        event_spec(table, time_column="n", row_key=("id", "day")),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]
    for number, spec in enumerate(specs):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")
        sync.run()
        ground.run(f"DELETE FROM typed WHERE id = {number}")
        ground.run(f"UPDATE typed SET n = -1 WHERE id = {number + 50}")
        sync.run(rejected=[str(number)])
    Mirroring(warehouse, replace(specs[0], name="part")).stage(Part("at", 0, 10**12))
    divided(ground, warehouse)
    appended(warehouse, append_spec(table, lookback=timedelta(days=1), start_at=datetime(2020, 1, 1, tzinfo=UTC)))
    warehouse.snapshots.forget(replace(specs[0], name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    warehouse.tables.verify_keys(event_spec(table))
    warehouse.tables.change_token(table)
    check_warehouse(warehouse, [specs[0], user_spec(ground.name("absent"))])
    ground.run("INSERT INTO typed SELECT * FROM typed")
    with pytest.raises(DuplicateKeys):
        warehouse.tables.verify_keys(event_spec(table))
    with pytest.raises(DuplicateKeys):
        Mirroring(warehouse, specs[0]).stage()
    read(warehouse, event_spec(table, on_duplicate_key="reject"))


def divided(ground: PostgresGround, warehouse: Warehouse) -> None:
    """Two runs over a table with partitions, one of which the second run leaves out; a delete is rejected."""
    ground.run("CREATE TABLE years (id integer, word text) PARTITION BY RANGE (id)")
    for n in range(4):
        ground.run(f"CREATE TABLE years_{n} PARTITION OF years FOR VALUES FROM ({n * 10}) TO ({n * 10 + 10})")
    ground.run("INSERT INTO years SELECT n, 'w' FROM generate_series(0, 39) AS n")
    sync = Mirroring(warehouse, user_spec(ground.name("years"))).under(name="years")
    sync.run()
    ground.run("DELETE FROM years WHERE id = 7")
    sync.run(rejected=["7"])


def appended(warehouse: Warehouse, spec: SyncSpec) -> None:
    """Two Append runs."""
    cursor = None
    for _ in range(2):
        window = warehouse.tables.window(spec, cursor)
        warehouse.ledger.start(spec)
        for batch in warehouse.tables.read(spec, window):
            warehouse.ledger.remember(spec, batch)
        warehouse.ledger.settle(spec, window)
        cursor = window.upto
    warehouse.ledger.discard(spec)


def parsed(statement: str) -> list[object]:
    """A statement's trees; of a COPY, its query's."""
    text = statement.strip()
    if text.startswith("COPY ("):
        text = text.removeprefix("COPY (").removesuffix(") TO STDOUT")
    elif text.startswith(("COPY", *UNPARSED)):
        return []
    return [tree for tree in sqlglot.parse(text, read="postgres") if tree]


def test_every_statement_is_in_the_grammar_of_postgres(statements: list[str]) -> None:
    assert len(statements) > 60
    for statement in statements:
        trees = parsed(statement)
        assert not any(isinstance(tree, exp.Command) for tree in trees), statement


def test_every_statement_calls_known_functions_only(statements: list[str]) -> None:
    called = {name for statement in statements for name in functions(statement)}
    assert called - SHARED - OWN - WORDS == set()
    assert called | {"min", "left"} >= OWN | SHARED, "a name that nothing calls belongs on no list"


def functions(statement: str) -> Iterator[str]:
    """The words that stand before a bracket without quotes; names of tables and columns of ours are quoted."""
    tokens = sqlglot.tokenize(statement, read="postgres")
    for word, bracket in pairwise(tokens):
        plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[0].isalpha()
        if plain and bracket.token_type.name == "L_PAREN":
            yield word.text.lower()


def test_no_value_of_a_row_or_a_sync_stands_in_a_statement(statements: list[str]) -> None:
    for secret in ("Seen", "1577836800000", "2024-03-01"):
        assert [one for one in statements if secret in one and not one.startswith("SELECT set_config")] == []
