"""The floor: what reading, `to_json`, gzip and sending cost with nothing else done.

No validation, no insert ids, no type rules, no retries, no state. The threads and the sizes are the engine's own, so
that the ratio says what the rest of the engine costs.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import requests
from isal import igzip

from mixpanel_wh.engine.batches import Batch, Encoded, pack
from mixpanel_wh.warehouses.duckdb.session import ROWS_PER_RECORD_BATCH

RECORDS, LEVEL, UNDERWAY, MEMORY = 2_000, 1, 8, '96MiB'
_local = threading.local()


def _encode(batch: pa.RecordBatch) -> Encoded:
    """`to_json` of every column, NULLs kept."""
    if not hasattr(_local, "connection"):
        _local.connection = duckdb.connect()
        _local.connection.execute("SET threads = 1")
    relation = _local.connection.from_arrow(pa.Table.from_batches([batch]))
    lines = relation.query("batch", "SELECT to_json(batch) || chr(10) AS line FROM batch").to_arrow_table()
    return Encoded(lines.column("line").combine_chunks().cast(pa.string()))


def _send(batch: Batch, url: str) -> None:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    body = igzip.compress(batch.payload, LEVEL)
    _local.session.post(f"{url}/import", data=body, headers={"Content-Encoding": "gzip"}).raise_for_status()


def _quiet(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute("SET enable_progress_bar = false")  # the engine has it off too
    return connection


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with _quiet(path) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        yield from connection.sql("FROM events").to_arrow_reader(ROWS_PER_RECORD_BATCH)


def run_floor(path: Path, url: str) -> int:
    """Send the whole `events` table; returns its rows."""
    rows = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as encoders, ThreadPoolExecutor(4) as senders:

        def one(batch: pa.RecordBatch) -> list[Future[None]]:
            return [senders.submit(_send, part, url) for part in pack(_encode(batch), RECORDS, 10_000_000)]

        underway: deque[Future[list[Future[None]]]] = deque()
        for batch in _batches(path):
            rows += batch.num_rows
            underway.append(encoders.submit(one, batch))
            if len(underway) > UNDERWAY:
                _finish(underway.popleft())
        while underway:
            _finish(underway.popleft())
    return rows


def _finish(encoding: Future[list[Future[None]]]) -> None:
    for sending in encoding.result():
        sending.result()


def run_hash_scan(path: Path) -> int:
    """One `bit_xor(hash(all columns))` over the table, the yardstick of Mirror; returns its rows."""
    with _quiet(path) as connection:
        names = ", ".join(f'"{row[0]}"' for row in connection.sql("DESCRIBE events").fetchall())
        found = connection.sql(f"SELECT count(*), bit_xor(hash({names})) FROM events").fetchall()
    return int(found[0][0])
