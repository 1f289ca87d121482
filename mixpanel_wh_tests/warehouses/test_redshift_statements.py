"""Every statement that a warehouse on Redshift runs is in Redshift's grammar and calls functions that Redshift documents.

Postgres runs them here, and takes more than Redshift does: so what only Postgres has is looked for by name.
"""

import re
import sys
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
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.stand_ins.redshift_sql import code_of, refuse
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, event_spec, lookup_spec, read, user_spec
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround

# What the shared SQL calls.
SHARED = {"count", "max", "sum", "row_number", "coalesce", "cast"}
# What only this dialect writes; each has a page of its own in Redshift's Database Developer Guide.
OWN = {
    "abs", "convert_timezone", "dateadd", "datediff", "farmfingerprint64", "floor", "fnv_hash", "has_schema_privilege",
    "has_table_privilege", "json_serialize", "md5", "mod", "octet_length", "replace", "rtrim", "strpos", "strtol",
    "substring",
}  # fmt: skip
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "then", "when", "else", "values",
    "select", "by", "between", "unload", "varchar", "numeric", "character", "varying", "decimal",
}  # fmt: skip
pytestmark = pytest.mark.long  # a grammar takes its time over hashes of very many columns
UNPARSED = ("BEGIN", "COMMIT", "ROLLBACK", "LOCK", "FETCH", "SET", "DECLARE", "UNLOAD")
LONGEST_NAME = 127


@pytest.fixture(scope="module")
def statements(redshift: RunningRedshift) -> list[str]:
    """What runs of every kind over every type asked the server, through a cursor and through S3."""
    before = len(redshift.asked)
    for unload in (False, True):
        with closing(RedshiftGround(redshift, unload=unload)) as ground, closing(ground.open()) as warehouse:
            everything(ground, warehouse)
    return [*dict.fromkeys(queries(redshift.asked[before:]))]


def queries(asked: list[str]) -> Iterator[str]:
    """The statements, and the queries inside of DECLARE and UNLOAD."""
    for sql in asked:
        yield sql
        if sql.startswith("DECLARE"):
            yield sql.partition(" FOR ")[2]
        if found := re.match(r"UNLOAD \('((?:[^'\\]|''|\\.)*)'\)", sql, re.S):
            yield re.sub(r"''|\\(.)", lambda one: one[1] or "'", found[1], flags=re.S)


def everything(ground: RedshiftGround, warehouse: Warehouse) -> None:
    """Every verb of the warehouse at least once."""
    columns = {"id": "integer", "at": "varchar(99)", "day": "date", "n": "double precision", "written": "timestamp"}
    columns |= {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
    table = ground.make("typed", columns)
    values = ", ".join(typed.one for typed in ground.every_type)
    ground.run(f"INSERT INTO typed SELECT n, '2024-03-01', CAST('2024-03-01' AS date), n, CAST('2024-03-01' AS timestamp), "
               f"{values} FROM generate_series(1, 40) AS n")  # fmt: skip
    specs = [
        event_spec(table),
        event_spec(table, row_key=(), timezone="Asia/Tokyo", event_name="it's a \\ Seen"),
        event_spec(table, time_column="day"),
        event_spec(table, time_column="n", row_key=("id", "day")),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]
    for number, spec in enumerate(specs):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")
        sync.run()
        ground.run(f"DELETE FROM typed WHERE id = {number}")
        ground.run(f"UPDATE typed SET n = -1 WHERE id = {number + 20}")
        sync.run(rejected=[str(number)])
    Mirroring(warehouse, replace(specs[0], name="part")).stage(Part("at", 0, 10**12))
    appended(warehouse, append_spec(table, lookback=timedelta(days=1, microseconds=5),
                                    start_at=datetime(2020, 1, 1, tzinfo=UTC)))  # fmt: skip
    warehouse.snapshots.forget(replace(specs[0], name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    warehouse.tables.verify_keys(event_spec(table))
    warehouse.tables.change_token(table)
    ground.run("CREATE VIEW shown AS SELECT * FROM typed WITH NO SCHEMA BINDING")
    warehouse.tables.change_token(ground.name("shown"))
    check_warehouse(warehouse, [specs[0], user_spec(ground.name("absent"))])
    ground.run("INSERT INTO typed SELECT * FROM typed")
    with pytest.raises(DuplicateKeys):
        warehouse.tables.verify_keys(event_spec(table))
    with pytest.raises(DuplicateKeys):
        Mirroring(warehouse, specs[0]).stage()
    read(warehouse, event_spec(table, on_duplicate_key="reject"))


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


@pytest.fixture
def deep() -> Iterator[None]:
    """Room for the parser, which calls itself for each chained hash."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("deep")
def test_every_statement_is_in_the_grammar_of_redshift(statements: list[str]) -> None:
    assert len(statements) > 60
    for statement in statements:
        if not statement.startswith(UNPARSED):
            trees = sqlglot.parse(statement, read="redshift")
            assert not any(isinstance(tree, exp.Command) for tree in trees), statement


def test_every_statement_calls_known_functions_only(statements: list[str]) -> None:
    called = {name for statement in statements for name in functions(statement)}
    assert called - SHARED - OWN - WORDS == set()
    assert called | {"has_schema_privilege"} >= OWN | SHARED, "a name that nothing calls belongs on no list"


def functions(statement: str) -> Iterator[str]:
    """The words that stand before a bracket without quotes; names of tables and columns of ours are quoted."""
    if statement.startswith("UNLOAD"):
        return
    tokens = sqlglot.tokenize(statement, read="redshift")
    for word, bracket in pairwise(tokens):
        plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[0].isalpha()
        if plain and bracket.token_type.name == "L_PAREN":
            yield word.text.lower()


def test_nothing_that_only_postgres_has_stands_in_a_statement(statements: list[str]) -> None:
    for statement in statements:
        refuse(statement)
        code = code_of(statement)
        assert "::" not in code, statement
        assert not re.search(r"\bAS (VARCHAR|TEXT|CHARACTER VARYING)\)", code, re.I), "such a text has 256 bytes"
        assert not re.search(r"CONCAT\s*\(", code, re.I), "NULL if one of them is"


def test_only_statements_that_take_parameters_are_given_any(redshift: RunningRedshift, statements: list[str]) -> None:
    for statement in statements:
        if re.search(r"\$\d", code_of(statement)):
            assert statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")), statement


def test_no_value_of_a_row_stands_in_a_statement(statements: list[str]) -> None:
    for secret in ("1.501", "tab", "12:00:00.000001"):
        assert [one for one in statements if f"'{secret}" in one] == []


def test_names_of_tables_fit(statements: list[str]) -> None:
    for statement in statements:
        for name in re.findall(r'"((?:[^"]|"")+)"', statement):
            assert len(name.encode()) <= LONGEST_NAME
