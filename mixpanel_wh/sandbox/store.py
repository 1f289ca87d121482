"""The DuckDB database behind a sandbox: one writer at a time, appends gathered and flushed, reads that see everything.

Appended batches wait in memory until 50,000 rows are gathered, something is read, the periodic flush runs or the
store closes. Whatever was acknowledged is therefore visible to every later read and survives a clean stop.
"""

import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa

from mixpanel_wh.sandbox.errors import SandboxError

_FLUSH_ROWS = 50_000
_LOG_BYTES = "1GB"  # before the log is folded into the file: folding often, while rows arrive, costs more than writing

_TABLES = {
    "events": "seq BIGINT, event VARCHAR, distinct_id VARCHAR, time_ms BIGINT, insert_id VARCHAR, deleted BOOLEAN, "
    "whole BOOLEAN, properties VARCHAR",
    "profiles": "group_key VARCHAR, id VARCHAR, properties VARCHAR, PRIMARY KEY (group_key, id)",
    "lookup_tables": "id VARCHAR PRIMARY KEY, csv BLOB, row_count BIGINT, replaced_ms BIGINT",
    "requests": "number BIGINT, at_ms BIGINT, method VARCHAR, path VARCHAR, status INTEGER, note VARCHAR, "
    "wire_bytes BIGINT, plain_bytes BIGINT, records BIGINT, rejected BIGINT, took_ms DOUBLE",
    "rejections": "request BIGINT, at_ms BIGINT, path VARCHAR, place BIGINT, id VARCHAR, field VARCHAR, "
    "message VARCHAR, record VARCHAR",
}


class Store:
    """Owns the database connection. Every method may be called from any thread."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self.version = time.time_ns()
        self._waiting: dict[str, list[pa.RecordBatch]] = defaultdict(list)
        self._waiting_rows = 0
        self._database = _connected(path)
        self._create_tables()

    def append(self, table: str, batch: pa.RecordBatch) -> None:
        """Takes in rows; they are visible to every read that starts after this returns."""
        with self.lock:
            self._waiting[table].append(batch)
            self._waiting_rows += batch.num_rows
            self.version += 1
            if self._waiting_rows >= _FLUSH_ROWS:
                self.flush()

    def flush(self) -> None:
        """Writes what waits in memory to the database, all of it or none."""
        with self.lock:
            if not self._waiting:
                return
            with self._transaction() as database:
                for table, batches in self._waiting.items():
                    insert(database, table, pa.Table.from_batches(batches))
            self._waiting.clear()
            self._waiting_rows = 0

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction that no other writer interrupts; undone when the block raises."""
        with self.lock:
            self.flush()
            with self._transaction() as database:
                yield database
            self.version += 1

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over everything acknowledged."""
        with self._reading() as database:
            return database.execute(sql, parameters).fetchall()

    def batches(self, sql: str, parameters: Sequence[Any] = (), size: int = 5_000) -> Iterator[pa.RecordBatch]:
        """The same as a stream of Arrow record batches, so that memory stays flat."""
        with self._reading() as database:
            yield from database.sql(sql, params=list(parameters)).to_arrow_reader(size)

    def empty(self) -> None:
        """Forgets everything."""
        with self.lock:
            self._waiting.clear()
            self._waiting_rows = 0
            with self._transaction() as database:
                for table in _TABLES:
                    database.execute(f"DROP TABLE {table}")
                self._create_tables()
            self.version += 1

    def close(self) -> None:
        """Writes what waits and closes the database file."""
        with self.lock:
            self.flush()
            self._database.close()

    def _create_tables(self) -> None:
        for table, columns in _TABLES.items():
            self._database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.lock:
            self.flush()
            cursor = self._database.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._database.begin()
        try:
            yield self._database
        except BaseException:
            self._database.rollback()
            raise
        self._database.commit()


def schema_of(types: dict[str, pa.DataType]) -> pa.Schema:
    """An Arrow schema of columns in the order given."""
    return pa.schema(types)


def insert(database: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, verb: str = "INSERT") -> None:
    """Inserts an Arrow table whose columns are named as the table's; `INSERT OR REPLACE` replaces by primary key."""
    database.register("arriving", rows)
    try:
        database.execute(f"{verb} INTO {table} BY NAME SELECT * FROM arriving")
    finally:
        database.unregister("arriving")


def _connected(path: Path | None) -> duckdb.DuckDBPyConnection:
    try:
        database = duckdb.connect(":memory:" if path is None else str(path))
        database.execute("SET enable_progress_bar = false")
    except duckdb.Error as error:
        raise SandboxError(_why_not(path, str(error))) from None
    database.execute("SET wal_autocheckpoint = ?", [_LOG_BYTES])
    if path is None:
        database.execute("SET temp_directory = ?", [f"{tempfile.gettempdir()}/mixpanel-wh-sandbox-{uuid4().hex}"])
    return database


def _why_not(path: Path | None, error: str) -> str:
    if "lock" in error:
        return f"the data file {path} is in use by another process: stop that process or choose another file"
    if "not a valid DuckDB" in error:
        return f"the data file {path} is not a DuckDB database: choose another file"
    return f"the data file {path} cannot be opened: {error.splitlines()[0]}"
