"""Every statement that a warehouse on Redshift runs is in Redshift's grammar and calls functions that Redshift documents.

Postgres runs them here, and takes more than Redshift does: so what only Postgres has is looked for by name.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.stand_ins.redshift_sql import code_of, refuse
from mixpanel_wh_tests.warehouses.contract_statements import StatementsContract, everything
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround

pytestmark = pytest.mark.long  # a grammar takes its time over hashes of very many columns
FUNCTIONS = {
    # What the shared SQL calls.
    "count", "max", "sum", "row_number", "coalesce", "cast",
    # What only this dialect writes; each has a page of its own in Redshift's Database Developer Guide.
    "abs", "convert_timezone", "dateadd", "datediff", "farmfingerprint64", "floor", "fnv_hash", "has_schema_privilege",
    "has_table_privilege", "json_serialize", "md5", "mod", "octet_length", "replace", "rtrim", "strpos", "strtol",
    "substring",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "then", "when", "else", "values",
    "select", "by", "between", "unload", "varchar", "numeric", "character", "varying", "decimal",
}  # fmt: skip
LONGEST_NAME = 127


@pytest.fixture(scope="module")
def statements(redshift: RunningRedshift) -> list[str]:
    """What runs of every kind over every type asked the server, through a cursor and through S3."""
    before = len(redshift.asked)
    for unload in (False, True):
        with closing(RedshiftGround(redshift, unload=unload)) as ground, closing(ground.open()) as warehouse:
            everything(ground, warehouse)
            ground.run("CREATE VIEW late AS SELECT * FROM typed WITH NO SCHEMA BINDING")
            warehouse.tables.change_token(ground.name("late"))
    return [*dict.fromkeys(queries(redshift.asked[before:]))]


def queries(asked: list[str]) -> Iterator[str]:
    """The statements, and the queries inside of DECLARE and UNLOAD."""
    for sql in asked:
        yield sql
        if sql.startswith("DECLARE"):
            yield sql.partition(" FOR ")[2]
        if found := re.match(r"UNLOAD \('((?:[^'\\]|''|\\.)*)'\)", sql, re.S):
            yield re.sub(r"''|\\(.)", lambda one: one[1] or "'", found[1], flags=re.S)


@pytest.fixture
def deep() -> Iterator[None]:
    """Room for the parser, which calls itself for each chained hash."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("deep")
class TestRedshiftStatements(StatementsContract):
    """The statements themselves, and the queries inside of them."""

    grammar = "redshift"
    functions = FUNCTIONS
    uncalled = frozenset({"has_schema_privilege"})
    words = WORDS
    unparsed = ("BEGIN", "COMMIT", "ROLLBACK", "LOCK", "FETCH", "SET", "DECLARE", "UNLOAD")
    values = ("'1.501", "'tab", "'12:00:00.000001")

    def called(self, statement: str) -> Iterator[str]:
        """The query inside of an UNLOAD is a statement of its own here."""
        return iter(()) if statement.startswith("UNLOAD") else super().called(statement)

    def test_nothing_that_only_postgres_has_stands_in_a_statement(self, statements: list[str]) -> None:
        for statement in statements:
            refuse(statement)
            code = code_of(statement)
            assert "::" not in code, statement
            assert not re.search(r"\bAS (VARCHAR|TEXT|CHARACTER VARYING)\)", code, re.I), "such a text has 256 bytes"
            assert not re.search(r"CONCAT\s*\(", code, re.I), "NULL if one of them is"

    def test_only_statements_that_take_parameters_are_given_any(self, statements: list[str]) -> None:
        for statement in statements:
            if re.search(r"\$\d", code_of(statement)):
                assert statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")), statement

    def test_names_of_tables_fit(self, statements: list[str]) -> None:
        for statement in statements:
            for name in re.findall(r'"((?:[^"]|"")+)"', statement):
                assert len(name.encode()) <= LONGEST_NAME
