"""Every statement that a warehouse on Databricks runs is in Databricks' grammar and calls known functions only."""

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
from mixpanel_wh.engine.spec import Properties
from mixpanel_wh.warehouses.check import check_warehouse
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.asking import (
    Mirroring,
    append_spec,
    appended,
    event_spec,
    lookup_spec,
    read,
    user_spec,
)
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround

# What the shared SQL calls.
SHARED = {"count", "max", "row_number", "coalesce", "cast"}
# What only this dialect writes, in its own files; each is in Databricks' list of built-in functions.
OWN = {
    "abs", "floor", "md5", "unhex", "hex", "conv", "substring", "concat_ws", "octet_length", "bit_xor", "sum", "xxhash64",
    "to_json", "map", "from_json", "explode", "unix_micros", "unix_millis", "to_utc_timestamp", "try_cast", "current_user",
    "monotonically_increasing_id", "table_changes",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "then", "when", "else", "using",
    "select", "by", "values", "decimal", "insert", "tblproperties", "rlike", "all",
}  # fmt: skip
UNPARSED = ("DESCRIBE", "SHOW", "SET TIME ZONE")  # no expressions in them


@pytest.fixture(scope="module")
def statements(databricks: RunningDatabricks) -> Iterator[list[str]]:
    """What runs of every kind over every type sent to the server."""
    before = len(databricks.statements())
    with closing(DatabricksGround(databricks)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
        yield [*dict.fromkeys(databricks.statements()[before:])]


def everything(ground: DatabricksGround, warehouse: Warehouse) -> None:
    """Every verb of the warehouse at least once."""
    columns = {"id": "INT", "at": "STRING", "day": "DATE", "n": "DOUBLE", "moment": "TIMESTAMP", "written": "TIMESTAMP_NTZ"}
    columns |= {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
    table, moment = ground.make("typed", columns), "TIMESTAMP '2024-03-01 00:00:00+00:00'"
    values = ", ".join(typed.one for typed in ground.every_type)
    ground.run(f"INSERT INTO typed SELECT id, '2024-03-01', DATE '2024-03-01', id, {moment}, "
               f"TIMESTAMP_NTZ '2024-03-01 00:00:00', {values} FROM range(1, 60)")  # fmt: skip
    specs = [
        event_spec(table),
        event_spec(table, row_key=(), timezone="Asia/Tokyo"),
        event_spec(table, time_column="day"),
        event_spec(table, time_column="n", row_key=("id", "day")),
        event_spec(table, time_column="moment"),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]
    for number, spec in enumerate(specs):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")
        sync.run()
        ground.run(f"DELETE FROM typed WHERE id = {number}")
        ground.run(f"UPDATE typed SET n = -1 WHERE id = {number + 30}")
        sync.run(rejected=[str(number)])
    Mirroring(warehouse, replace(specs[0], name="part")).stage(Part("at", 0, 10**12))
    for number, column in enumerate(("written", "n")):
        spec = append_spec(table, insert_time=column, lookback=timedelta(days=1))
        appended(warehouse, replace(spec, start_at=datetime(2020, 1, 1, tzinfo=UTC)) if not number else spec)
    warehouse.snapshots.forget(replace(specs[0], name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    warehouse.tables.verify_keys(event_spec(table))
    warehouse.tables.change_token(table)
    check_warehouse(warehouse, [specs[0], user_spec(ground.name("absent"))])
    ground.run("CREATE VIEW seen AS SELECT * FROM typed")
    Mirroring(warehouse, user_spec(ground.name("seen"))).run()
    warehouse.tables.change_token(ground.name("seen"))
    ground.run("INSERT INTO typed SELECT * FROM typed")
    with pytest.raises(DuplicateKeys):
        warehouse.tables.verify_keys(event_spec(table))
    read(warehouse, event_spec(table, on_duplicate_key="reject"))


def test_every_statement_is_in_the_grammar_of_databricks(statements: list[str]) -> None:
    assert len(statements) > 60
    for statement in statements:
        if not statement.startswith(UNPARSED):
            assert not isinstance(sqlglot.parse_one(statement, read="databricks"), exp.Command), statement


def test_every_statement_calls_known_functions_only(statements: list[str]) -> None:
    called = {name for statement in statements for name in functions(statement)}
    assert called - SHARED - OWN - WORDS == set()
    assert called | {"current_user"} >= OWN | SHARED, "a name that nothing calls belongs on no list"


def functions(statement: str) -> Iterator[str]:
    """The words that stand before a bracket without quotes; names of tables and columns of ours are quoted."""
    tokens = sqlglot.tokenize(statement, read="databricks")
    for word, bracket in pairwise(tokens):
        plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[:1].isalpha()
        if plain and bracket.token_type.name == "L_PAREN":
            yield word.text.lower()


def test_no_value_of_a_row_or_a_sync_stands_in_a_statement(statements: list[str]) -> None:
    for secret in ("Seen", "1577836800000", "2024-03-01"):
        assert [one for one in statements if secret in one] == []
