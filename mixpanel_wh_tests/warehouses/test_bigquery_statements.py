"""Every statement that a warehouse on BigQuery runs is in BigQuery's grammar and calls functions that BigQuery has."""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlglot
from sqlglot import exp

from mixpanel_wh.engine.errors import DuplicateKeys, SourceError
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Properties, TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse
from mixpanel_wh_tests.stand_ins.bigquery import RunningBigQuery
from mixpanel_wh_tests.stand_ins.bigquery_answers import Answer, answering_bigquery
from mixpanel_wh_tests.warehouses.asking import (
    Mirroring,
    append_spec,
    appended,
    event_spec,
    lookup_spec,
    read,
    user_spec,
)
from mixpanel_wh_tests.warehouses.bigquery_ground import EVERY_TYPE, BigQueryGround

# What the shared SQL calls.
SHARED = {"count", "max", "row_number", "coalesce", "cast"}
# What only this dialect writes. Each of them is in BigQuery's list of functions.
OWN = {
    "abs", "array_to_string", "bit_xor", "byte_length", "concat", "current_timestamp", "date_sub", "datetime_sub", "div",
    "extract", "farm_fingerprint", "floor", "format_date", "format_datetime", "format_timestamp", "from_hex",
    "json_query_array", "json_value", "md5", "min", "mod", "regexp_contains", "regexp_replace", "safe_cast", "st_astext",
    "substr", "sum", "timestamp", "timestamp_sub", "to_hex", "to_json", "to_json_string", "unix_micros", "unix_millis",
    "unnest",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "left", "then", "when", "else", "struct",
    "values", "using", "select", "by", "between", "except", "replace", "insert", "into", "table", "end",
}  # fmt: skip
UNPARSED = ("BEGIN TRANSACTION", "COMMIT TRANSACTION")
COLUMNS = {"id": "INT64", "at": "STRING", "day": "DATE", "n": "FLOAT64", "written": "DATETIME", "seen": "TIMESTAMP"}
WITH_ZONE = event_spec(TableName(("shop", "typed")), row_key=(), timezone="Asia/Tokyo")


def specs(table: TableName) -> list[object]:
    """Syncs that between them take every expression of the dialect."""
    return [
        event_spec(table),
        replace(WITH_ZONE, table=table),
        event_spec(table, time_column="day"),
        event_spec(table, time_column="seen", row_key=("id", "day")),
        event_spec(table, time_column="n", row_key=("id", "written")),
        event_spec(table, time_column="id"),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]


def everything(warehouse: Warehouse, table: TableName, absent: TableName) -> None:
    """Every verb of the warehouse at least once, whatever the answers."""
    for number, spec in enumerate(specs(table)):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")  # type: ignore[arg-type]
        for rejected in ([], [str(number)]):
            with suppress(DuplicateKeys):
                sync.run(rejected)
    Mirroring(warehouse, replace(event_spec(table), name="part")).stage(Part("at", 0, 10**12))
    for insert_time in ("written", "seen", "day", "n"):
        more = {"insert_time": insert_time, "lookback": timedelta(days=1), "start_at": datetime(2020, 1, 1, tzinfo=UTC)}
        appended(warehouse, append_spec(table, **more))
    warehouse.snapshots.forget(replace(event_spec(table), name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    with suppress(DuplicateKeys):
        warehouse.tables.verify_keys(event_spec(table))
    warehouse.tables.change_token(table)
    check_warehouse(warehouse, [event_spec(table), user_spec(absent)])
    warehouse.tables.span(event_spec(table), "seen")
    warehouse.tables.values(event_spec(table), "id", Part("seen", 0, 10**12), 5)
    read(warehouse, event_spec(table, on_duplicate_key="reject"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The statements for a server that answers them with next to nothing, with the staging schema there and in a
    file."""
    columns = COLUMNS | {
        f"c{n}": re.sub(r"\(.*\)", "", typed.type) for n, typed in enumerate(EVERY_TYPE) if "<" not in typed.type
    }
    with answering_bigquery() as server:
        server.table("shop.typed", columns, timePartitioning={"type": "DAY", "field": "day"})
        server.answers = [Answer(r"SELECT count\(\*\) OVER", {}), Answer(r"^SELECT count\(\*\), count\(DISTINCT", {"n": "INTEGER", "d": "INTEGER"}, [[1, 0]]),
                          Answer(r"^SELECT CAST\(max", {"top": "STRING", "n": "INTEGER"}, [["2024-03-01", 0]]),
                          Answer(r"^SELECT (count|CAST\(count)", {"n": "INTEGER"}, [[1]]), Answer("^SELECT 'farm", {"r": "STRING"}, [["x"]]),
                          Answer("^SELECT min", {"oldest": "INTEGER", "newest": "INTEGER"}, [[1, 2]])]  # fmt: skip
        for more in ({}, {"staging_path": str(tmp_path_factory.mktemp("staging") / "staging.duckdb")}):
            with closing(open_warehouse("bigquery", server.settings() | more)) as warehouse, suppress(SourceError):
                everything(warehouse, TableName(("shop", "typed")), TableName(("shop", "absent")))
        yield [*dict.fromkeys(server.statements)]


@pytest.fixture(scope="module")
def run(bigquery: RunningBigQuery) -> Iterator[list[str]]:
    """The statements of runs of every kind over every type, on the stand-in."""
    with closing(BigQueryGround(bigquery)) as ground, closing(ground.open()) as warehouse:
        columns = COLUMNS | {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
        listed = ", ".join(f"`{name}` {type}" for name, type in columns.items())
        ground.run(f"CREATE TABLE typed ({listed}) PARTITION BY day CLUSTER BY id")
        values = ", ".join(typed.one for typed in ground.every_type)
        ground.run(
            "INSERT INTO typed SELECT n, '2024-03-01', DATE '2024-03-01', CAST(n AS FLOAT64), DATETIME '2024-03-01 00:00:00', "
            f"TIMESTAMP '2024-03-01 00:00:00+00', {values} FROM UNNEST(GENERATE_ARRAY(1, 20)) AS n"
        )
        everything(warehouse, ground.name("typed"), ground.name("absent"))
        yield [*dict.fromkeys(job.query for job in ground.jobs())]


def parsed(statement: str) -> list[object]:
    """A statement's trees."""
    parts = [part for part in statement.rstrip(";").split(";\n") if part not in UNPARSED]
    return [tree for part in parts for tree in sqlglot.parse(part, read="bigquery") if tree]


def in_grammar(statements: list[str]) -> None:
    for statement in statements:
        assert not any(isinstance(tree, exp.Command) for tree in parsed(statement)), statement


def known(statements: list[str]) -> set[str]:
    called = {name for statement in statements for name in functions(statement)}
    assert called - SHARED - OWN - WORDS == set()
    return called


def functions(statement: str) -> Iterator[str]:
    """The words that stand before a bracket without quotes."""
    for word, bracket in pairwise(sqlglot.tokenize(statement, read="bigquery")):
        plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[:1].isalpha()
        if plain and bracket.token_type.name == "L_PAREN":
            yield word.text.lower()


def as_bigquery_demands(statements: list[str]) -> None:
    """What BigQuery refuses and a stand-in may take: transactions that make tables, changes without a condition, and
    values of syncs as a part of statements."""
    for statement in statements:
        inside = statement.partition("BEGIN TRANSACTION")[2]
        assert not re.search(r"\b(CREATE|DROP|ALTER)\b", inside), statement
        changes = [tree for tree in parsed(statement) if isinstance(tree, exp.Delete | exp.Update)]
        assert all(change.args.get("where") for change in changes), statement
        for secret in ("Seen", "1577836800000"):
            assert secret not in statement


def test_every_statement_for_a_server_that_only_answers_is_in_the_grammar_and_known(told: list[str]) -> None:
    assert len(told) > 60
    in_grammar(told)
    as_bigquery_demands(told)
    assert known(told) >= SHARED


@pytest.mark.long
def test_every_statement_that_was_run_is_in_the_grammar_and_known(run: list[str]) -> None:
    assert len(run) > 100
    in_grammar(run)
    as_bigquery_demands(run)
    unused = (OWN | SHARED) - known(run)
    assert unused - {"format_datetime", "format_timestamp", "div", "extract"} == set(), (
        "what nothing calls belongs on no list"
    )
