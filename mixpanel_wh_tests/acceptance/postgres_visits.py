"""The table that acceptance tests sync from Postgres in every legal way: the same columns as elsewhere, and more types."""

from dataclasses import replace
from typing import Any

from mixpanel_wh_tests.acceptance.visits import Way, ways
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

TYPES = """
CREATE TYPE spot AS (city text, lat double precision);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN cents AS numeric(12,2);
CREATE TABLE visits (
    id text, at timestamp, who text, label text, amount bigint, ratio double precision, price cents, active boolean,
    born date, seen timestamp with time zone, tags text[], place spot, raw bytea, written timestamp,
    total numeric, feeling mood, paper json, code uuid, grid integer[]
)
"""
ROWS = """
INSERT INTO visits SELECT
    'v' || n, TIMESTAMP '2024-03-01' + n * INTERVAL '977 seconds', CASE WHEN n % 5 <> 0 THEN 'user ' || (n % 7) END,
    CASE WHEN n % 3 = 0 THEN E'naïve "' || n || E'"\\n\\\\\\t🙂' END,
    CASE WHEN n % 4 = 0 THEN 9007199254740992 + n ELSE n END,
    CASE WHEN n % 6 = 0 THEN 'NaN' ELSE n / 3.0::double precision END, n / 4.0,
    CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, DATE '1999-12-31' + n,
    TIMESTAMPTZ '2024-03-01 12:00:00.25+02' + n * INTERVAL '1 hour',
    CASE WHEN n % 2 = 0 THEN ARRAY['a', NULL, 'b"' || n] END, ROW('c' || n, n / 8.0 + 0.0625)::spot,
    CASE WHEN n % 4 = 1 THEN '\\x00FF'::bytea END, TIMESTAMP '2024-03-01' + n / 4 * INTERVAL '1 minute',
    CASE WHEN n % 7 = 0 THEN 'NaN' ELSE n + 0.125 END, (ARRAY['sad', 'ok', 'happy'])[n % 3 + 1]::mood,
    CASE WHEN n % 3 = 1 THEN to_json(ARRAY[n, NULL]) END, md5('' || n)::uuid, ARRAY[[n, 1], [2, NULL]]
FROM generate_series(FIRST, LAST - 1) AS n
"""
SHOWN = {"place": "row_to_json(place)", "ratio": "NULLIF(ratio, 'NaN')", "total": "NULLIF(total, 'NaN')"}


def make(ground: PostgresGround, rows: int) -> None:
    """The table, with so many rows of every type."""
    for statement in TYPES.split(";"):
        ground.run(statement)
    more(ground, 0, rows)


def more(ground: PostgresGround, first: int, last: int) -> None:
    """Rows of the same kind, in the columns that are there."""
    there = columns(ground)
    made = ROWS.replace("FIRST", str(first)).replace("LAST", str(last))
    if there == columns(ground, full=True):
        ground.run(made)
        return
    ground.run("CREATE TEMPORARY TABLE made (LIKE shape)")
    ground.run(made.replace("INTO visits", "INTO made"))
    kept = ", ".join(name for name in there if name in columns(ground, full=True))
    ground.run(f"INSERT INTO visits ({kept}) SELECT {kept} FROM made")
    ground.run("DROP TABLE made")


def columns(ground: PostgresGround, full: bool = False) -> list[str]:
    """The columns of the table as it is, or as it was made."""
    if full:
        inside = TYPES.split("CREATE TABLE visits (")[1].rpartition(")")[0].replace("(12,2)", "")
        return [part.split()[0] for part in inside.split(",")]
    return [row[0] for row in ground.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'visits'::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum"
    )]  # fmt: skip


def table_rows(ground: PostgresGround) -> list[dict[str, Any]]:
    """Every row of the table; what has no place in Mixpanel is None."""
    names = columns(ground)
    shown = ", ".join(SHOWN.get(name, name) for name in names)
    rows = ground.rows(f"SELECT {shown} FROM visits")
    return [dict(zip(names, (text(value) for value in row), strict=True)) for row in rows]


def text(value: Any) -> Any:
    """A value as the other rows of these tests have it: bytes as bytes."""
    return bytes(value) if isinstance(value, memoryview) else value


def postgres_ways(ground: PostgresGround) -> list[Way]:
    """Every legal way to sync the table."""
    return [replace(way, spec=replace(way.spec, table=ground.name("visits"))) for way in ways()]


LABELS = [way.label for way in ways()]


def labelled(ground: PostgresGround, label: str) -> Way:
    """One of the ways."""
    return next(way for way in postgres_ways(ground) if way.label == label)
