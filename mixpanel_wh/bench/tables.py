"""The bench's source tables: 13 columns of mixed types, about 300 bytes of JSON an event, made by DuckDB."""

from pathlib import Path

import duckdb

EVENTS = """
CREATE OR REPLACE TABLE events AS SELECT
    md5(CAST(i AS VARCHAR)) AS event_id,
    'user_' || (hash(i) % 500000) AS user_id,
    ['Page Viewed', 'Song Played', 'Checkout Completed', 'Search'][1 + CAST(hash(i + 1) % 4 AS INTEGER)] AS event_name,
    TIMESTAMP '2025-01-01' + to_microseconds(CAST(i * 1000003 % 30000000000000 AS BIGINT)) AS created_at,
    TIMESTAMP '2025-01-01' + to_microseconds(CAST(i AS BIGINT)) AS inserted_at,
    ['ios', 'android', 'web'][1 + CAST(hash(i + 2) % 3 AS INTEGER)] AS platform,
    CASE WHEN hash(i + 3) % 10 >= 2 THEN 'campaign ' || (hash(i + 4) % 200) END AS campaign,
    CAST((hash(i + 5) % 1000000) / 100 AS DECIMAL(12, 2)) AS amount,
    CAST(hash(i + 6) % 1000 AS BIGINT) AS quantity,
    (hash(i + 7) % 2) = 0 AS is_member,
    (hash(i + 8) % 100000) / 7.0 AS score,
    '/products/' || (hash(i + 9) % 10000) AS page,
    DATE '2025-01-01' + CAST(hash(i + 11) % 365 AS INTEGER) AS signup_date
FROM range({rows}) AS r(i)
"""
BAD = "CREATE OR REPLACE TABLE bad_events AS SELECT * REPLACE (CASE WHEN hash(event_id) % 100 = 0 THEN NULL ELSE created_at END AS created_at) FROM events"  # noqa: E501
TOUCHED = "UPDATE events SET quantity = quantity + 1 WHERE hash(event_id, 7) % {every} = 0"


def make_tables(path: Path, rows: int) -> None:
    """A DuckDB file with `events` (`rows` rows) and `bad_events` (the same, 1 % of them without a time)."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(EVENTS.format(rows=rows))
        connection.execute(BAD)


def touch(path: Path, every: int) -> None:
    """Change one row in `every`, scattered over the whole table."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(TOUCHED.format(every=every))
