"""Every statement that a warehouse on Snowflake runs is in Snowflake's grammar, carries the query tag, and calls known
functions only: what stands in for Snowflake would take DuckDB's as well."""

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
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, event_spec, lookup_spec, read, user_spec
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

# Every function of Snowflake's that is called; each stands in its reference of functions.
FUNCTIONS = {
    "count", "max", "sum", "row_number", "coalesce", "cast", "abs", "floor", "hash", "hash_agg", "bitand", "md5",
    "md5_binary", "md5_number_upper64", "md5_number_lower64", "to_varchar", "to_binary", "to_json", "hex_encode", "length",
    "rtrim", "date_part", "dateadd", "convert_timezone", "regexp_like", "try_to_timestamp_tz", "try_to_timestamp_ntz",
    "system$stream_has_data",
}  # fmt: skip
TYPES = {"binary", "number", "timestamp_ntz", "timestamp_tz", "time", "varchar"}
WORDS = {"in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "then", "when", "else", "values",
         "select", "by", "between", "all"}  # fmt: skip
pytestmark = pytest.mark.long
UNPARSED = ("BEGIN", "COMMIT", "ROLLBACK", "SHOW STREAMS", "CREATE OR REPLACE STREAM", "DROP STREAM")


@pytest.fixture(scope="module")
def statements(snowflake: RunningSnowflake) -> Iterator[list[str]]:
    """What runs of every kind over every type sent."""
    before, everyone = len(snowflake.recorded), [one.tag for one in snowflake.recorded]
    with closing(SnowflakeGround(snowflake)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
        sent = snowflake.recorded[before:]
        assert {one.tag for one in sent} == {"mixpanel_wh"}, everyone[-1:]
        yield [*dict.fromkeys(one.sql for one in sent)]


def everything(ground: SnowflakeGround, warehouse: Warehouse) -> None:
    """Every verb of the warehouse at least once."""
    columns = {"id": "NUMBER(38,0)", "at": "VARCHAR", "day": "DATE", "n": "FLOAT", "written": "TIMESTAMP_NTZ"}
    columns |= {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
    table = ground.make("typed", columns)
    values = ", ".join(typed.one for typed in ground.every_type)
    for n in range(1, 9):
        ground.run(f"INSERT INTO {ground.source('typed')} SELECT {n}, '2024-03-01', '2024-03-01', {n}, "
                   f"'2024-03-01 00:00:00', {values}")  # fmt: skip
    specs = [
        event_spec(table),
        event_spec(table, row_key=(), timezone="Asia/Tokyo"),
        event_spec(table, time_column="n", row_key=("id", "day")),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]
    for number, spec in enumerate(specs):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")
        sync.run()
        ground.run(f"DELETE FROM {ground.source('typed')} WHERE \"id\" = {number}")
        ground.run(f"UPDATE {ground.source('typed')} SET \"n\" = -1 WHERE \"id\" = {number + 4}")
        sync.run(rejected=[str(number)] if spec.key_columns == ("id",) else ())
    Mirroring(warehouse, replace(specs[0], name="part")).stage(Part("at", 0, 10**12))
    appended(warehouse, append_spec(table, lookback=timedelta(days=1), start_at=datetime(2020, 1, 1, tzinfo=UTC)))
    warehouse.snapshots.forget(replace(specs[0], name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    warehouse.tables.verify_keys(event_spec(table))
    warehouse.tables.change_token(table)
    ground.run(f"CREATE VIEW {ground.source('seen')} AS SELECT * FROM {ground.source('typed')}")
    warehouse.tables.change_token(ground.name("seen"))
    check_warehouse(warehouse, [specs[0], user_spec(ground.name("absent"))])
    ground.run(f"INSERT INTO {ground.source('typed')} SELECT * FROM {ground.source('typed')}")
    with pytest.raises(DuplicateKeys):
        Mirroring(warehouse, specs[0]).stage()
    read(warehouse, event_spec(table, on_duplicate_key="reject"))
    Mirroring(warehouse, replace(specs[0], on_duplicate_key="reject", name="again")).run()


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


def test_every_statement_is_in_the_grammar_of_snowflake(statements: list[str]) -> None:
    assert len(statements) > 60
    for statement in statements:
        if not statement.startswith(UNPARSED):
            trees = sqlglot.parse(statement, read="snowflake")
            assert not any(isinstance(tree, exp.Command) for tree in trees), statement


def test_every_statement_calls_known_functions_only(statements: list[str]) -> None:
    called = {name for statement in statements for name in functions(statement)} - WORDS
    assert called - FUNCTIONS - TYPES == set()
    assert called >= FUNCTIONS, "a name that nothing calls belongs on no list"


def functions(statement: str) -> Iterator[str]:
    """The words that stand before a bracket without quotes; names of tables and columns of ours are quoted."""
    tokens = sqlglot.tokenize(statement, read="snowflake")
    for word, bracket in pairwise(tokens):
        plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[0].isalpha()
        if plain and bracket.token_type.name == "L_PAREN":
            yield word.text.lower()


def test_every_name_in_a_statement_is_quoted(statements: list[str]) -> None:
    for statement in statements:
        for token in sqlglot.tokenize(statement, read="snowflake"):
            assert token.token_type.name != "VAR" or token.text == token.text.upper() or token.text in FUNCTIONS, statement


def test_row_numbers_have_an_order_and_what_defines_something_binds_nothing(statements: list[str]) -> None:
    for statement in statements:
        assert "ROW_NUMBER() OVER ()" not in statement
        assert statement.count("ROW_NUMBER()") == statement.count("ORDER BY 1)")
        if statement.startswith(("CREATE", "DROP", "ALTER")):
            tokens = [token.token_type.name for token in sqlglot.tokenize(statement, read="snowflake")]
            assert "PLACEHOLDER" not in tokens
