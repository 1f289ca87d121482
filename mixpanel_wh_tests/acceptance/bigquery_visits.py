"""The table that acceptance tests sync from BigQuery in every legal way: the same columns as elsewhere, and more types,
with a partition for each hour."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from mixpanel_wh_tests.acceptance.visits import Way, ways
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround

COLUMNS = {
    "id": "STRING", "at": "DATETIME", "who": "STRING", "label": "STRING", "amount": "INT64", "ratio": "FLOAT64",
    "price": "NUMERIC", "active": "BOOL", "born": "DATE", "seen": "TIMESTAMP", "tags": "ARRAY<STRING>",
    "place": "STRUCT<city STRING, lat FLOAT64>", "raw": "BYTES", "written": "DATETIME", "total": "BIGNUMERIC(38, 9)",
    "paper": "JSON", "spot": "GEOGRAPHY", "clock": "TIME", "deep": "ARRAY<STRUCT<k STRING, v INT64>>",
}  # fmt: skip
VALUES = {
    "id": "CONCAT('v', CAST(n AS STRING))",
    "at": "DATETIME_ADD(DATETIME '2024-03-01 00:00:00', INTERVAL n * 977 SECOND)",
    "who": "CASE WHEN MOD(n, 5) <> 0 THEN CONCAT('user ', CAST(MOD(n, 7) AS STRING)) END",
    "label": "CASE WHEN MOD(n, 3) = 0 THEN CONCAT('naïve \"', CAST(n AS STRING), '\"\\n\\\\\\t🙂') END",
    "amount": "CASE WHEN MOD(n, 4) = 0 THEN 9007199254740992 + n ELSE n END",
    "ratio": "CASE WHEN MOD(n, 6) = 0 THEN CAST('NaN' AS FLOAT64) ELSE n / 3 END",
    "price": "CAST(n AS NUMERIC) / 4",
    "active": "CASE MOD(n, 3) WHEN 0 THEN TRUE WHEN 1 THEN FALSE END",
    "born": "DATE_ADD(DATE '1999-12-31', INTERVAL n DAY)",
    "seen": "TIMESTAMP_ADD(TIMESTAMP '2024-03-01 10:00:00.25+00', INTERVAL n HOUR)",
    "tags": "CASE WHEN MOD(n, 2) = 0 THEN ['a', CONCAT('b\"', CAST(n AS STRING))] END",
    "place": "STRUCT(CONCAT('c', CAST(n AS STRING)) AS city, n / 8 AS lat)",
    "raw": "CASE WHEN MOD(n, 4) = 1 THEN b'\\x00\\xff' END",
    "written": "DATETIME_ADD(DATETIME '2024-03-01 00:00:00', INTERVAL DIV(n, 4) MINUTE)",
    "total": "CAST(n AS BIGNUMERIC) + BIGNUMERIC '0.125'",
    "paper": "CASE WHEN MOD(n, 3) = 1 THEN TO_JSON([n, n + 1]) END",
    "spot": "CASE WHEN MOD(n, 3) = 2 THEN ST_GEOGPOINT(MOD(n, 90), 2) END",
    "clock": "TIME_ADD(TIME '12:00:00', INTERVAL n SECOND)",
    "deep": "[STRUCT('x' AS k, n AS v)]",
}  # fmt: skip


def make(ground: BigQueryGround, rows: int) -> None:
    """The table, with so many rows of every type."""
    listed = ", ".join(f"{name} {type}" for name, type in COLUMNS.items())
    ground.run(f"CREATE TABLE visits ({listed}) PARTITION BY DATETIME_TRUNC(at, HOUR)")
    more(ground, 0, rows)


def more(ground: BigQueryGround, first: int, last: int) -> None:
    """Rows of the same kind, in the columns that are there."""
    there = [name for name in columns(ground) if name in VALUES]
    values = ", ".join(VALUES[name] for name in there)
    ground.run(
        f"INSERT INTO visits ({', '.join(there)}) SELECT {values} FROM UNNEST(GENERATE_ARRAY({first}, {last} - 1)) AS n"
    )


def columns(ground: BigQueryGround) -> list[str]:
    """The columns of the table as it is."""
    return [field.name for field in ground.client.get_table(f"{ground.dataset}.visits").schema]


def table_rows(ground: BigQueryGround) -> list[dict[str, Any]]:
    """Every row of the table; decimals with as many digits as their column has."""
    names = columns(ground)
    shown = ", ".join("ST_ASTEXT(spot) AS spot" if name == "spot" else name for name in names)
    rows = ground.rows(f"SELECT {shown} FROM visits")
    return [dict(zip(names, (whole(value) for value in row), strict=True)) for row in rows]


def whole(value: Any) -> Any:
    """A value as the other rows of these tests have it."""
    return value.quantize(Decimal("1.000000000")) if isinstance(value, Decimal) else value


def bigquery_ways(ground: BigQueryGround) -> list[Way]:
    """Every legal way to sync the table."""
    return [replace(way, spec=replace(way.spec, table=ground.name("visits"))) for way in ways()]


LABELS = [way.label for way in ways()]


def labelled(ground: BigQueryGround, label: str) -> Way:
    """One of the ways."""
    return next(way for way in bigquery_ways(ground) if way.label == label)
