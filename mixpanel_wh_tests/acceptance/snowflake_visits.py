"""The table that acceptance tests sync from Snowflake in every legal way: the same columns as elsewhere, and more types.

Its rows are made in the words of DuckDB, of which what stands in for Snowflake is made; edits are in Snowflake's own.
"""

import json
from dataclasses import dataclass
from typing import Any

from mixpanel_wh_tests.acceptance.server_visits import LOSE, RENEW, TAKE_AWAY, ServerVisits
from mixpanel_wh_tests.acceptance.visits import MAKE
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

COLUMNS = {
    "id": "VARCHAR", "at": "TIMESTAMP_NTZ", "who": "VARCHAR", "label": "VARCHAR", "amount": "NUMBER(38,0)", "ratio": "FLOAT",
    "price": "NUMBER(12,2)", "active": "BOOLEAN", "born": "DATE", "seen": "TIMESTAMP_TZ", "tags": "ARRAY",
    "place": "OBJECT", "raw": "BINARY", "written": "TIMESTAMP_NTZ", "total": "NUMBER(37,9)", "paper": "VARIANT",
    "small": "NUMBER(5,0)",
}  # fmt: skip
MORE = {
    "total": "CAST(n AS DECIMAL(37,9)) + 0.125",
    "paper": "CASE WHEN n % 3 = 1 THEN to_json([n, NULL]) END",
    "small": "CAST(n AS DECIMAL(5,0))",
}
JSON = ("tags", "place", "paper")


ANY = "\"id\" IN (SELECT \"id\" FROM {visits} ORDER BY MD5(\"id\" || '{seed}') LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE {visits} SET \"label\" = 'label {seed}' WHERE " + ANY,
    "clear": 'UPDATE {visits} SET "label" = NULL, "tags" = NULL, "place" = NULL, "total" = NULL WHERE ' + ANY,
    "move": 'UPDATE {visits} SET "at" = DATEADD(HOUR, {seed} + 1, "at") WHERE ' + ANY,
    "hand over": "UPDATE {visits} SET \"who\" = 'user {seed}' WHERE " + ANY,
    "lose": 'UPDATE {visits} SET "who" = NULL WHERE ' + ANY,
    "delete": "DELETE FROM {visits} WHERE " + ANY,
    "back and forth": 'UPDATE {visits} SET "amount" = "amount" WHERE ' + ANY,
    "add a column": 'ALTER TABLE {visits} ADD COLUMN IF NOT EXISTS "added" VARCHAR',
    "fill the column": "UPDATE {visits} SET \"added\" = 'value {seed}' WHERE " + ANY,
    "drop a column": 'ALTER TABLE {visits} DROP COLUMN IF EXISTS "ratio"',
    "rebuild": "CREATE OR REPLACE TABLE {visits} AS SELECT * FROM {visits} ORDER BY MD5(\"id\" || '{seed}')",
    "double": "INSERT INTO {visits} SELECT * FROM {visits} WHERE " + ANY,
}
LATER = {
    RENEW: "UPDATE {visits} SET \"label\" = 'new', \"amount\" = -1 WHERE \"id\" IN ('v1', 'v8')",
    LOSE: "UPDATE {visits} SET \"label\" = NULL, \"who\" = 'somebody' WHERE \"id\" = 'v9'",
    TAKE_AWAY: "DELETE FROM {visits} WHERE \"id\" IN ('v2', 'v50')",
}


@dataclass(frozen=True)
class SnowflakeVisits(ServerVisits):
    """The table, whose columns have names in small letters."""

    def make(self, ground: Ground, rows: int) -> None:
        """The table, with so many rows of every type."""
        ground.make("visits", COLUMNS)
        self.more(ground, 0, rows)

    def more(self, ground: Ground, first: int, last: int) -> None:
        """Rows of the same kind, in the columns that are there."""
        assert isinstance(ground, SnowflakeGround)
        plain = MAKE.partition("SELECT")[2].partition("FROM range")[0]
        extra = ", ".join(f"{sql} AS {name}" for name, sql in MORE.items())
        there = [name for name in self.columns(ground) if name in COLUMNS]
        shown = ", ".join(f'to_json("{name}")' if name in ("tags", "place") else f'"{name}"' for name in there)
        listed = ", ".join(f'"{name}"' for name in there)
        ground.session._duck_conn.execute(
            f"INSERT INTO {ground.source('visits')} ({listed}) SELECT {shown} FROM "
            f"(SELECT {plain}, {extra} FROM range({first}, {last}) AS r(n)) AS made"
        )
        ground.server.engine.altered(ground.source("visits"))

    def keep_shape(self, ground: Ground) -> None:
        """Rows are made in whatever columns are there."""

    @property
    def made(self) -> list[str]:
        """The columns of the table as it was made."""
        return list(COLUMNS)

    def columns(self, ground: Ground) -> list[str]:
        """The columns of the table as it is."""
        assert isinstance(ground, SnowflakeGround)
        return [row[0] for row in ground.session._duck_conn.execute(f"DESCRIBE {ground.source('visits')}").fetchall()]

    def table_rows(self, ground: Ground) -> list[dict[str, Any]]:
        """Every row of the table; JSON as what it says."""
        assert isinstance(ground, SnowflakeGround)
        names = self.columns(ground)
        rows = ground.session._duck_conn.execute(f"SELECT * FROM {ground.source('visits')}").fetchall()
        return [{name: _plain(name, value) for name, value in zip(names, row, strict=True)} for row in rows]


def _plain(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON and isinstance(value, str) else value


VISITS = SnowflakeVisits("snowflake", edits=EDITS, later=LATER)
