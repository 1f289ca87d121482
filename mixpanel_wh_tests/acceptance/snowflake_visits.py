"""The table that acceptance tests sync from Snowflake in every legal way: the same columns as elsewhere, and more types.

Its rows are made in the words of DuckDB, of which what stands in for Snowflake is made; edits are in Snowflake's own.
"""

import json
from dataclasses import replace
from typing import Any

from mixpanel_wh_tests.acceptance.visits import MAKE, Way, ways
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


def make(ground: SnowflakeGround, rows: int) -> None:
    """The table, with so many rows of every type."""
    ground.make("visits", COLUMNS)
    more(ground, 0, rows)


def more(ground: SnowflakeGround, first: int, last: int) -> None:
    """Rows of the same kind, in the columns that are there."""
    plain = MAKE.partition("SELECT")[2].partition("FROM range")[0]
    extra = ", ".join(f"{sql} AS {name}" for name, sql in MORE.items())
    there = [name for name in columns(ground) if name in COLUMNS]
    shown = ", ".join(f'to_json("{name}")' if name in ("tags", "place") else f'"{name}"' for name in there)
    listed = ", ".join(f'"{name}"' for name in there)
    ground.session._duck_conn.execute(
        f"INSERT INTO {ground.source('visits')} ({listed}) SELECT {shown} FROM "
        f"(SELECT {plain}, {extra} FROM range({first}, {last}) AS r(n)) AS made"
    )
    ground.server.engine.altered(ground.source("visits"))


def columns(ground: SnowflakeGround) -> list[str]:
    """The columns of the table as it is."""
    return [row[0] for row in ground.session._duck_conn.execute(f"DESCRIBE {ground.source('visits')}").fetchall()]


def table_rows(ground: SnowflakeGround) -> list[dict[str, Any]]:
    """Every row of the table; JSON as what it says."""
    rows = ground.session._duck_conn.execute(f"SELECT * FROM {ground.source('visits')}").fetchall()
    return [{name: _plain(name, value) for name, value in zip(columns(ground), row, strict=True)} for row in rows]


def _plain(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON and isinstance(value, str) else value


LABELS = [way.label for way in ways()]


def labelled(ground: SnowflakeGround, label: str) -> Way:
    """One of the legal ways to sync the table."""
    way = next(way for way in ways() if way.label == label)
    return replace(way, spec=replace(way.spec, table=ground.name("visits")))
