"""DuckDB sessions: one connection for statements, and a cursor of its own for each stream of rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_wh.engine.errors import SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_RECORD_BATCH = 32_768
SMALLEST_RECORD_BATCH = 64
RECORD_BATCH_BYTES = 16 * 1024 * 1024
SAMPLE_ROWS = 256
# Who has a file open, by what DuckDB says.
HOLDERS = {
    "could not set lock": "another process",
    "different configuration than existing": "a run of this process",
}
# What plain reading may keep cached, since its blocks are not read twice; each column needs some of its own.
LEAN_MIB, LEAN_MIB_A_COLUMN = 32, 2


@dataclass
class DuckDBSession:
    """`session.Session` on one DuckDB connection; streams run on cursors of their own."""

    connection: duckdb.DuckDBPyConnection
    depth: int = 0
    streams: int = 0
    usual_memory: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def _run(
        self, connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters | None
    ) -> duckdb.DuckDBPyConnection:
        for name, value in (parameters or {}).items():
            connection.execute(f"SET VARIABLE mp_{name} = ?", [value])
        return connection.execute(sql)

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        with self.lock:
            try:
                self._run(self.connection, sql, parameters)
            except duckdb.Error as error:
                raise _explained(error) from error

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock:
            try:
                return self._run(self.connection, sql, parameters).fetchall()
            except duckdb.Error as error:
                raise _explained(error) from error

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query on a cursor of its own and stream its answer."""
        cursor = self.connection.cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")
            for name, value in (parameters or {}).items():
                cursor.execute(f"SET VARIABLE mp_{name} = ?", [value])
            query = cursor.sql(sql)
            rows = self._rows_a_batch(query) if plain else ROWS_PER_RECORD_BATCH
            with self.lean(LEAN_MIB + LEAN_MIB_A_COLUMN * len(query.columns)) if plain else nullcontext():
                yield from query.to_arrow_reader(rows)
        except (duckdb.Error, OSError) as error:  # Arrow's reader passes an error in the middle on as an OSError
            raise _explained(error) from error
        finally:
            cursor.close()

    def _rows_a_batch(self, query: duckdb.DuckDBPyRelation) -> int:
        """So many rows as make a record batch of the usual size, going by the first ones."""
        first = query.limit(SAMPLE_ROWS).to_arrow_table()
        each = first.nbytes / max(1, first.num_rows)
        return int(min(ROWS_PER_RECORD_BATCH, max(SMALLEST_RECORD_BATCH, RECORD_BATCH_BYTES / max(1.0, each))))

    @contextmanager
    def lean(self, mebibytes: int) -> Iterator[None]:
        """Keep DuckDB's cache small, or it grows to the size of the table that is read."""
        with self.lock:
            if not self.streams:
                found = self.connection.execute("SELECT current_setting('memory_limit')").fetchall()
                self.usual_memory = str(found[0][0])
                self._limit_memory(f"{mebibytes}MiB")
            self.streams += 1
        try:
            yield
        finally:
            with self.lock:
                self.streams -= 1
                if not self.streams:
                    self._limit_memory(self.usual_memory)

    def _limit_memory(self, limit: str) -> None:
        """A limit below what is in use at this moment is refused by DuckDB; the usual one stays then."""
        with suppress(duckdb.OutOfMemoryException):
            self.connection.execute(f"SET memory_limit = '{limit}'")

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name."""
        import pyarrow as pa

        with self.lock:
            added = pa.Table.from_batches(list(rows))
            self.connection.register("_mp_added", added)
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _mp_added")
            self.connection.unregister("_mp_added")

    def over(self, _mp_brought: pa.RecordBatch | pa.Table, sql: str) -> pa.Table | None:
        """The small answer to a statement that reads these rows under the name `_mp_brought`, None where it has none.

        DuckDB finds the rows as the variable. A view that is registered on them would live until the transaction around
        ends, and all rows with it.
        """
        with self.lock:
            try:
                answer = self.connection.sql(sql)
                return None if answer is None else answer.to_arrow_table()
            except duckdb.Error as error:
                raise _explained(error) from error

    def finally_drop(self, table: str) -> None:
        """Drop a table as a part of the transaction around."""
        self.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together or not at all; nested use joins the outer one."""
        with self.lock:
            self.depth += 1
            try:
                if self.depth == 1:
                    self.execute("BEGIN")
                yield
                if self.depth == 1:
                    self.execute("COMMIT")
            except BaseException:
                if self.depth == 1:
                    with suppress(duckdb.Error):  # the first error is the one to tell
                        self.connection.rollback()
                raise
            finally:
                self.depth -= 1

    def alone(self) -> AbstractContextManager[None]:
        """A transaction: one process writes a file at a time."""
        return self.transaction()


def catalogue_of(session: DuckDBSession) -> str:
    """What DuckDB calls the file that a session opened. A schema without it is mistaken for a file of the same name."""
    return str(session.rows("SELECT current_database()")[0][0])


def _open(path: Path, read_only: bool, lock_timeout: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            holder = next((who for sign, who in HOLDERS.items() if sign in str(error).lower()), None)
            if holder is None:
                raise WarehouseUnavailable(f"cannot open {path}: {str(error).splitlines()[0]}") from error
            if time.monotonic() > deadline:
                raise WarehouseUnavailable(
                    f"{path} is locked by {holder} for more than {lock_timeout:g} s: close what has it open, "
                    "or wait and run again (DuckDB lets one process write a file at a time)"
                ) from error
        time.sleep(0.1)


def open_session(path: Path, read_only: bool, lock_timeout: float) -> DuckDBSession:
    """A session on a file, in UTC; a file that another process holds is waited for, `lock_timeout` seconds at most.

    Raises WarehouseUnavailable.
    """
    session = DuckDBSession(_open(path, read_only, lock_timeout))
    session.execute("SET TimeZone = 'UTC'")
    session.execute("SET enable_progress_bar = false")  # it would draw over what we print
    return session


def _explained(error: duckdb.Error | OSError) -> Exception:
    """A driver's error as one of ours, in one sentence."""
    first = str(error).strip().splitlines()[0]
    text = str(error)
    if "read-only" in text:
        return StagingError(
            f"the staging schema cannot be written, the DuckDB file is open read-only ({first}); "
            "set staging_path to a file that may be written, or take read_only away"
        )
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException | duckdb.ConversionException):
        return SourceError(f"DuckDB refused a statement on the source table: {first}")
    return WarehouseUnavailable(f"DuckDB: {first}")
