"""Every expression that Databricks' dialect writes, on real Spark: what is known of Spark's traps holds there."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.databricks.dialect import DatabricksDialect
from mixpanel_wh.warehouses.databricks.loading import insertion, written
from mixpanel_wh.warehouses.databricks.session import MARKER
from mixpanel_wh.warehouses.dialect import Kind
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.stand_ins.spark import RunningSpark, running_spark
from mixpanel_wh_tests.warehouses.asking import event_spec
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround
from mixpanel_wh_tests.warehouses.test_databricks_statements import everything

pytestmark = [pytest.mark.long, pytest.mark.spark]
DIALECT = DatabricksDialect()
TYPES = {
    "boolean": ("true", "false"), "tinyint": ("1", "2"), "bigint": ("9223372036854775807", "9223372036854775806"),
    "float": ("1.5", "1.25"), "double": ("0.1", "0.30000000000000004"), "decimal(38,10)": ("1.5", "1.50000001"),
    "string": ("'a'", "'b'"), "date": ("DATE '2024-03-01'", "DATE '0001-01-01'"),
    "timestamp": ("TIMESTAMP '2024-03-01 12:00:00.000001Z'", "TIMESTAMP '2024-03-01 12:00:00.000002Z'"),
    "timestamp_ntz": ("TIMESTAMP_NTZ '2024-03-01 12:00:00.000001'", "TIMESTAMP_NTZ '2024-03-01 12:00:00.000002'"),
    "binary": ("X'00FF'", "X'00FE'"), "variant": ("parse_json('{\"a\": 1}')", "parse_json('{\"a\": null}')"),
    "array<int>": ("array(1, CAST(NULL AS INT))", "array(CAST(NULL AS INT), 1)"),
    "map<string,int>": ("map('k', 1)", "map('k', CAST(NULL AS INT))"),
    "struct<a: int, b: timestamp>": (
        "named_struct('a', 1, 'b', TIMESTAMP '2024-03-01 12:00:00.000001Z')",
        "named_struct('a', CAST(NULL AS INT), 'b', TIMESTAMP '2024-03-01 12:00:00.000001Z')",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def spark() -> Iterator[RunningSpark]:
    with running_spark() as running:
        yield running


def over(type: str, *values: str) -> str:
    """A FROM item with a column `c` of the type, a row a value."""
    rows = " UNION ALL ".join(f"SELECT {n} AS n, CAST({value} AS {type}) AS c" for n, value in enumerate(values))
    return f"({rows}) AS t"


def kind(type: str) -> Kind:
    return DIALECT.kind(Column("c", type))


def test_spark_s_own_hash_skips_nulls_and_the_dialect_s_does_not(spark: RunningSpark) -> None:
    assert spark.value("xxhash64('a', NULL, 'b') = xxhash64('a', 'b', NULL)") is True
    first, second = (DIALECT.fast_hash(list(columns)) for columns in (("'a'", "CAST(NULL AS STRING)", "'b'"), ("'a'", "'b'", "CAST(NULL AS STRING)")))
    assert spark.value(f"{first} = {second}") is False


def test_spark_s_own_json_cuts_moments_and_drops_nulls_and_the_dialect_s_does_not(spark: RunningSpark) -> None:
    value = "named_struct('at', TIMESTAMP '2024-03-01 12:00:00.123456Z', 'none', CAST(NULL AS STRING))"
    plain = json.loads(spark.value(f"to_json({value})"))
    assert plain == {"at": "2024-03-01T12:00:00.123Z"}
    kept = json.loads(spark.value(DIALECT.text(value, Kind.NESTED)))
    assert kept == {"at": "2024-03-01T12:00:00.123456Z", "none": None}


@pytest.mark.parametrize("type", TYPES)
def test_every_type_has_a_text_a_part_of_the_content_and_a_hash_that_tell_its_values_apart(
    spark: RunningSpark, type: str
) -> None:
    one, other = TYPES[type]
    texts = spark.rows(f"SELECT {DIALECT.text('c', kind(type))} FROM {over(type, one, other, 'NULL')} ORDER BY n")
    assert texts[0] != texts[1]
    assert texts[2] == [None]
    parts = spark.rows(f"SELECT {DIALECT.tagged('p:c=', 'c', kind(type))} FROM {over(type, one, other, 'NULL')} ORDER BY n")
    assert parts[0] != parts[1]
    assert str(parts[0][0]).startswith("p:c=")
    assert parts[2] == [None]
    hashable = DIALECT.hashable(Column("c", type))
    hashes = spark.rows(f"SELECT {DIALECT.fast_hash([hashable])} FROM {over(type, one, other, 'NULL')}")
    assert len({value for [value] in hashes}) == 3


def test_the_content_of_a_row_is_length_delimited(spark: RunningSpark) -> None:
    def content(first: str, second: str) -> Any:
        return spark.value(DIALECT.joined([DIALECT.tagged("a=", first, Kind.TEXT), DIALECT.tagged("b=", second, Kind.TEXT)]))

    assert content("'a'", "'bc'") == "a=1:a;b=2:bc;"
    assert content("'é'", "''") == "a=2:é;b=0:;"
    assert content("CAST(NULL AS STRING)", "'x'") == "b=1:x;"


@pytest.mark.parametrize("text", ["it's", 'a "b"', "back\\slash", "tab\t", "new\nline", "'' ", "\\'", "é🙂"])
def test_a_literal_is_the_text(spark: RunningSpark, text: str) -> None:
    assert spark.value(DIALECT.literal(text)) == text


@pytest.mark.parametrize(
    ("sql", "type", "zone", "expected"),
    [
        ("TIMESTAMP '2024-03-01 12:00:00.5Z'", "timestamp", "UTC", 1_709_294_400_500),
        ("TIMESTAMP '2024-03-01 12:00:00.5Z'", "timestamp", "Asia/Tokyo", 1_709_294_400_500),
        ("TIMESTAMP_NTZ '2024-03-01 12:00:00'", "timestamp_ntz", "Asia/Tokyo", 1_709_262_000_000),
        ("DATE '2024-03-01'", "date", "UTC", 1_709_251_200_000),
        ("1709294400", "bigint", "UTC", 1_709_294_400_000),
        ("1709294400500", "bigint", "UTC", 1_709_294_400_500),
        ("1709294400.5", "double", "UTC", 1_709_294_400_500),
        ("CAST('NaN' AS DOUBLE)", "double", "UTC", None),
        ("'2024-03-01T12:00:00+01:00'", "string", "Asia/Tokyo", 1_709_290_800_000),
        ("'2024-03-01 12:00'", "string", "Asia/Tokyo", 1_709_262_000_000),
        ("'2024-02-30 12:00'", "string", "UTC", None),
        ("'12:00'", "string", "UTC", None),
        ("'no moment'", "string", "UTC", None),
    ],
)
def test_moments_are_milliseconds_and_what_is_none_is_no_error(
    spark: RunningSpark, sql: str, type: str, zone: str, expected: int | None
) -> None:
    assert spark.value(DIALECT.epoch_ms(f"CAST({sql} AS {type})", kind(type)), timezone=zone) == expected


@pytest.mark.parametrize(
    ("sql", "type", "expected"),
    [
        ("TIMESTAMP_NTZ '2024-03-01 12:00:00'", "timestamp_ntz", "TIMESTAMP_NTZ '2024-03-01 11:59:58.5'"),
        ("TIMESTAMP '2024-03-01 12:00:00Z'", "timestamp", "TIMESTAMP '2024-03-01 11:59:58.5Z'"),
        ("CAST(1709294400 AS BIGINT)", "bigint", "CAST(1709294398 AS BIGINT)"),
        ("CAST(1709294400000 AS BIGINT)", "bigint", "CAST(1709294398500 AS BIGINT)"),
    ],
)
def test_an_earlier_moment_is_as_much_earlier_as_it_says(
    spark: RunningSpark, sql: str, type: str, expected: str
) -> None:
    assert spark.value(f"{DIALECT.earlier(sql, kind(type), 1.5)} = {expected}") is True


def test_hashes_are_md5_and_totals_do_not_depend_on_order(spark: RunningSpark) -> None:
    assert spark.value(DIALECT.hash_text("'abc'")) == hashlib.md5(b"abc").hexdigest()
    assert spark.value(DIALECT.hash_value("'abc'")) == hashlib.md5(b"abc").hexdigest()
    forth, back, other = (
        spark.value(f"{DIALECT.hash_total('c')} FROM {over('string', *values)}")
        for values in (("'a'", "'b'", "'c'"), ("'c'", "'b'", "'a'"), ("'a'", "'b'", "'d'"))
    )
    assert forth == back != other


def test_equal_rows_do_not_cancel_out_where_they_may_repeat(spark: RunningSpark) -> None:
    hashed = DIALECT.fast_hash(["c"])
    totals = [
        spark.value(f"{DIALECT.fast_total(hashed, repeats=True)} FROM {over('string', *values)}")
        for values in (["'a'", "'a'"], ["'b'", "'b'"], ["'a'"])
    ]
    assert len(set(totals)) == 3


def test_buckets_are_numbers_in_their_range(spark: RunningSpark) -> None:
    found = spark.rows(f"SELECT {DIALECT.bucket(['id'], 16)} FROM range(1000)")
    assert {bucket for [bucket] in found} == set(range(16))


def test_rows_that_are_brought_as_one_parameter_are_the_rows(spark: RunningSpark) -> None:
    moment = datetime(2024, 3, 1, 12, 0, 0, 1, UTC)
    batch = pa.record_batch({
        "text": pa.array(["it's \"so\"\n\\🙂\u2028", None, ""]), "whole": pa.array([2**63 - 1, None, 0]),
        "real": pa.array([0.1, None, -1e300]), "yes": pa.array([True, None, False]),
        "day": pa.array([moment.date(), None, moment.date()]), "at": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
        "exact": pa.array([Decimal("1.50"), None, Decimal("0.01")]),
    })  # fmt: skip
    selected = insertion("t", batch.schema).partition(") SELECT ")[2]
    first, second, third = spark.rows(f"SELECT {selected}", rows=written(batch))
    assert first == ["it's \"so\"\n\\🙂\u2028", 2**63 - 1, 0.1, True, "2024-03-01", "2024-03-01 12:00:00.000001", "1.50"]
    assert second == [None] * 7
    assert third[:4] == ["", 0, -1e300, False]


@pytest.mark.parametrize("collation", ["UTF8_LCASE", "UNICODE_CI"])
def test_texts_that_a_collation_takes_for_one_are_told_apart(spark: RunningSpark, collation: str) -> None:
    """Mixpanel knows no collations; and a change of case must be seen."""
    type, rows = f"string collate {collation}", f"(SELECT 0 AS n, 'a' COLLATE {collation} AS c UNION ALL SELECT 1, 'A' COLLATE {collation}) AS t"
    assert kind(type) is Kind.TEXT
    assert spark.value(f"count(DISTINCT c) FROM {rows}") == 1
    for value in (DIALECT.fast_hash(["c"]), f"md5({DIALECT.joined([DIALECT.tagged('p=', 'c', kind(type))])})"):
        assert len({hashed for [hashed] in spark.rows(f"SELECT {value} FROM {rows}")}) == 2, value


@pytest.mark.parametrize(
    "sql",
    ["map(1, 'a')", "map(named_struct('x', 1), 2)", "array(X'00FF')", "named_struct('i', INTERVAL '1' DAY)",
     "named_struct('v', parse_json('1'))", "array(CAST('NaN' AS DOUBLE))", "array(CAST(1 AS DECIMAL(38,10)))"],
)  # fmt: skip
def test_what_stands_inside_of_others_has_a_text(spark: RunningSpark, sql: str) -> None:
    json.loads(spark.value(DIALECT.text(sql, Kind.NESTED)))


def test_every_statement_is_in_spark_s_own_grammar(spark: RunningSpark, databricks: RunningDatabricks) -> None:
    """Names in three parts lead nowhere here, and what Delta adds is not known: but that is found out once a statement
    was understood."""
    before = len(databricks.statements())
    with closing(DatabricksGround(databricks)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
    statements = [*dict.fromkeys(databricks.statements()[before:])]
    told = [refusal(spark, one) for one in statements if not one.startswith(("DESCRIBE HISTORY", "DESCRIBE DETAIL"))]
    assert len(told) > 60
    assert [one for one in told if "PARSE_SYNTAX_ERROR" in one] == []
    assert "PARSE_SYNTAX_ERROR" in refusal(spark, "SELECT 1 FROM WHERE )")


def refusal(spark: RunningSpark, statement: str) -> str:
    """What Spark says of a statement; empty where it runs."""
    try:
        spark.rows(statement, **dict.fromkeys(MARKER.findall(statement), "1"))
    except AssertionError as error:
        return f"{error} {statement}"
    return ""


def test_the_whole_content_of_a_table_of_every_type_is_an_expression_of_spark_s(spark: RunningSpark) -> None:
    columns = {"id": "bigint", "at": "timestamp", **{f"c{n}": type for n, type in enumerate(TYPES)}}
    table = Table(TableName(("main", "typed")), tuple(Column(name, type) for name, type in columns.items()))
    projection = Projection(event_spec(table.name, timezone="Asia/Tokyo"), table, DIALECT)
    values = ["CAST(1 AS BIGINT) AS id", "TIMESTAMP '2024-03-01 12:00:00Z' AS at"]
    values += [f"CAST({one} AS {type}) AS c{n}" for n, (type, (one, _)) in enumerate(TYPES.items())]
    selected = f"SELECT {projection.key} AS k, md5({projection.content}) AS h, {DIALECT.fast_hash(projection.raw_columns)} AS f"
    [[key, hashed, fast]] = spark.rows(f"{selected} FROM (SELECT {', '.join(values)}) AS t", **projection.parameters)
    assert (key, len(hashed), isinstance(fast, int)) == ("1", 32, True)
