"""Databricks SQL as DuckDB's: sqlglot's translation, and what it gets wrong or does not know, put right by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

# Functions of Spark that stay calls by name: each does in DuckDB what Spark's documents say of it.
MACROS = (
    "CREATE MACRO spark_to_utc(moment, zone) AS (moment AT TIME ZONE 'UTC') AT TIME ZONE zone",
    "CREATE MACRO conv(digits, from_base, to_base) AS "
    "CAST(CAST(CAST(('0x' || digits) AS UBIGINT) AS HUGEINT) - CASE WHEN CAST(('0x' || digits) AS UBIGINT) > "
    "9223372036854775807 THEN 18446744073709551616 ELSE 0 END AS VARCHAR)",
    "CREATE MACRO spark_rows(document) AS from_json(document, '[[\"VARCHAR\"]]')",
    "CREATE MACRO spark_json(whole) AS CAST(to_json(whole) AS VARCHAR)",
    "CREATE MACRO monotonically_increasing_id() AS (row_number() OVER () - 1) * 8",
    "CREATE MACRO spark_hash(texts) AS CAST(hash(array_to_string(list_filter(texts, lambda t: t IS NOT NULL), "
    "chr(31))) >> 1 AS BIGINT)",
)  # fmt: skip


class Refused(Exception):
    """A statement that Databricks would refuse; the text is its error message."""


def parsed(sql: str) -> exp.Expression:
    """The statement as a tree; Refused where it is none."""
    try:
        found = sqlglot.parse_one(sql, read="databricks")
    except sqlglot.ParseError as error:
        raise Refused(f"[PARSE_SYNTAX_ERROR] Syntax error: {error.errors[0]['description']}. SQLSTATE: 42601") from None
    assert isinstance(found, exp.Expression)
    return found


def filled(tree: exp.Expression, parameters: Mapping[str, Any]) -> exp.Expression:
    """The tree with literals in place of parameter markers."""

    def fill(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Placeholder):
            return node
        if node.name not in parameters:
            raise Refused(f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {node.name}. SQLSTATE: 42P02")
        value = parameters[node.name]
        if value is None:
            return exp.Null()
        text = isinstance(value, str)
        return exp.Literal.string(value) if text else exp.Literal.number(str(value))

    found = tree.transform(fill)
    assert isinstance(found, exp.Expression)
    return found


def _call(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _as_text(node: exp.Expression) -> exp.Expression:
    return exp.cast(node, "text", dialect="duckdb")


def _hash(node: exp.Expression) -> exp.Expression:
    """Spark's hash skips NULLs, as a join of the texts that are there does."""
    texts = exp.Array(expressions=[_as_text(one.copy()) for one in node.expressions])
    return _call("spark_hash", texts)


def _explode(node: exp.Expression) -> exp.Expression:
    inner = node.this
    if isinstance(inner, exp.FromJson):
        assert inner.expression.name == "array<array<string>>", "only lists of lists of texts are taken apart"
        return exp.Explode(this=_call("spark_rows", inner.this))
    return node


ANONYMOUS: dict[str, Callable[[exp.Expression], exp.Expression]] = {
    "xxhash64": _hash,
    "octet_length": lambda node: _call("strlen", *node.expressions),
    "to_json": lambda node: _call("spark_json", node.expressions[0]),
}


def _spoken(node: exp.Expression) -> exp.Expression:
    """One node, put right."""
    if isinstance(node, exp.Anonymous):
        change = ANONYMOUS.get(node.name.lower())
        return change(node) if change else node
    if isinstance(node, exp.FromTimeZone):
        return _call("spark_to_utc", node.this, node.args["zone"])
    if isinstance(node, exp.JSONFormat):
        return _call("spark_json", node.this)
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.VARIANT:
        return exp.DataType.build("json", dialect="duckdb")
    if isinstance(node, exp.Explode):
        return _explode(node)
    if isinstance(node, exp.ParseJSON):
        return exp.cast(node.this, "json", dialect="duckdb")
    return node


def spoken(tree: exp.Expression) -> str:
    """The tree as DuckDB's SQL."""
    changed = tree.copy()
    for node in reversed(list(changed.bfs())):  # what stands inside first
        assert isinstance(node, exp.Expression)
        put = _spoken(node)
        if put is node:
            continue
        if node.parent is None:
            changed = put
        else:
            node.replace(put)
    text: str = changed.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)
    return text


def refusal(error: duckdb.Error) -> Refused:
    """DuckDB's error as Databricks would word it."""
    first = str(error).strip().splitlines()[0]
    if isinstance(error, duckdb.CatalogException) and "Table" in first and "does not exist" in first:
        return Refused(f"[TABLE_OR_VIEW_NOT_FOUND] {first}. SQLSTATE: 42P01")
    if isinstance(error, duckdb.BinderException):
        return Refused(f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] {first} SQLSTATE: 42703")
    if isinstance(error, duckdb.ConversionException):
        return Refused(f"[CAST_INVALID_INPUT] {first} SQLSTATE: 22018")
    return Refused(f"[INTERNAL_ERROR] {first} SQLSTATE: XX000")
