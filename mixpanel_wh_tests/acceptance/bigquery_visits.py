"""The table that acceptance tests sync from BigQuery in every legal way: the same columns as elsewhere, and more types,
with a partition for each hour."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mixpanel_wh_tests.acceptance.server_visits import ServerVisits
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround
from mixpanel_wh_tests.warehouses.ground import Ground

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


ANY = "id IN (SELECT id FROM visits ORDER BY FARM_FINGERPRINT(CONCAT(id, '{seed}')) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, place = NULL, total = NULL WHERE " + ANY,
    "move": "UPDATE visits SET at = DATETIME_ADD(at, INTERVAL {seed} + 1 HOUR) WHERE " + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN IF NOT EXISTS added STRING",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN IF EXISTS ratio",
    "double": "INSERT INTO visits ({columns}) SELECT {columns} FROM visits WHERE " + ANY,
}


@dataclass(frozen=True)
class BigQueryVisits(ServerVisits):
    """The table, partitioned."""

    def make(self, ground: Ground, rows: int) -> None:
        """The table, with so many rows of every type."""
        listed = ", ".join(f"{name} {type}" for name, type in COLUMNS.items())
        ground.run(f"CREATE TABLE visits ({listed}) PARTITION BY DATETIME_TRUNC(at, HOUR)")
        self.more(ground, 0, rows)

    def more(self, ground: Ground, first: int, last: int) -> None:
        """Rows of the same kind, in the columns that are there."""
        there = [name for name in self.columns(ground) if name in VALUES]
        values, numbers = ", ".join(VALUES[name] for name in there), f"GENERATE_ARRAY({first}, {last} - 1)"
        ground.run(f"INSERT INTO visits ({', '.join(there)}) SELECT {values} FROM UNNEST({numbers}) AS n")

    def keep_shape(self, ground: Ground) -> None:
        """Rows are made in whatever columns are there."""

    @property
    def made(self) -> list[str]:
        """The columns of the table as it was made."""
        return list(COLUMNS)

    def columns(self, ground: Ground) -> list[str]:
        """The columns of the table as it is."""
        assert isinstance(ground, BigQueryGround)
        return [field.name for field in ground.client.get_table(f"{ground.dataset}.visits").schema]

    def table_rows(self, ground: Ground) -> list[dict[str, Any]]:
        """Every row of the table; decimals with as many digits as their column has."""
        names = self.columns(ground)
        shown = ", ".join("ST_ASTEXT(spot) AS spot" if name == "spot" else name for name in names)
        rows = ground.rows(f"SELECT {shown} FROM visits")
        return [dict(zip(names, (whole(value) for value in row), strict=True)) for row in rows]


def whole(value: Any) -> Any:
    """A value as the other rows of these tests have it."""
    return value.quantize(Decimal("1.000000000")) if isinstance(value, Decimal) else value


VISITS = BigQueryVisits("bigquery", edits=EDITS)
