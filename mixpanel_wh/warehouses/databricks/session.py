"""Databricks sessions: one for statements, and one of its own for each stream of rows.

Databricks commits every statement by itself. What a transaction of ours must hold together is therefore put off until
its end: rows of state are written then, in order, and tables are dropped last. Whatever ran before is made so that
running it again changes nothing.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from databricks.sql.client import Connection, Cursor
from databricks.sql.exc import Error
from urllib3.exceptions import HTTPError

from mixpanel_wh.engine.errors import WarehouseUnavailable
from mixpanel_wh.warehouses.databricks.trouble import Place, explained, lost_against_another, session_ended
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_ROWS, MOST_ROWS, RECORD_BATCH_BYTES = 2_048, 32_768, 16 * 1024 * 1024
ATTEMPTS = 12
MARKER = re.compile(r":([A-Za-z_]\w*)")
FAILURES = (Error, HTTPError, OSError)
# The connector writes every request and answer there in full, values of rows included.
logging.getLogger("databricks.sql.unsafe").disabled = True


@dataclass
class DatabricksSession:
    """`session.Session` over databricks-sql-connector. `opened` makes a connection whose session runs in UTC."""

    opened: Callable[[], Connection]
    place: Place
    connection: Connection = field(init=False)
    depth: int = 0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ended: bool = False

    def __post_init__(self) -> None:
        self.connection = self.opened()

    def close(self) -> None:
        """Give the session back."""
        with suppress(*FAILURES):
            self.connection.close()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        with self.lock, self._ran(sql, parameters):
            pass

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock, self._ran(sql, parameters) as cursor, self._explained():
            columns = [column.to_pylist() for column in cursor.fetchall_arrow().columns]
            return list(zip(*columns, strict=True))

    def named_rows(self, sql: str) -> list[dict[str, Any]]:
        """The same, with the columns' names."""
        with self.lock, self._ran(sql, None) as cursor, self._explained():
            found: list[dict[str, Any]] = cursor.fetchall_arrow().to_pylist()
            return found

    @contextmanager
    def _ran(self, sql: str, parameters: Parameters | None) -> Iterator[Cursor]:
        """A cursor with the statement's answer."""
        with self._explained():
            cursor = self._executed(sql, parameters)
            try:
                yield cursor
            finally:
                with suppress(*FAILURES):
                    cursor.close()

    def _executed(self, sql: str, parameters: Parameters | None) -> Cursor:
        """Neither a statement that lost against another one nor one of a session that the server no longer knows did
        anything: both run again."""
        for attempt in range(ATTEMPTS):
            if self.ended:
                self.close()
                self.connection, self.ended = self.opened(), False
            cursor = self.connection.cursor()
            try:
                cursor.execute(sql, given(sql, parameters))
                return cursor
            except FAILURES as error:
                with suppress(*FAILURES):
                    cursor.close()
                self.ended = session_ended(error)
                if not (self.ended or lost_against_another(error)) or attempt + 1 == ATTEMPTS:
                    raise
            time.sleep(random.uniform(0, min(5.0, 0.05 * 2**attempt)))
        raise AssertionError("the last attempt raises")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            told = explained(error, self.place)
            self.ended = self.ended or session_ended(error) or isinstance(told, WarehouseUnavailable)
            raise told from error

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query in a session of its own and stream its answer, which is that of one moment. Large answers come
        from files in the workspace's own storage, several of which the connector fetches at a time."""
        connection = self.opened()
        try:
            with self._explained(), connection.cursor() as cursor:
                cursor.execute(sql, given(sql, parameters))
                yield from _batches(cursor)
        finally:
            with suppress(*FAILURES):
                connection.close()

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """Databricks runs elsewhere."""
        return nullcontext()

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name: at the end of the transaction around, if there is one."""
        from mixpanel_wh.warehouses.databricks.loading import statements

        for sql, parameters in statements(table, rows):
            self.later(sql, parameters)

    def later(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement at the end of the transaction around; now where there is none."""
        with self.lock:
            if self.depth:
                self.waiting.append(lambda: self.execute(sql, parameters))
            else:
                self.execute(sql, parameters)

    def finally_drop(self, table: str) -> None:
        """Drop a table once the transaction around has ended well; now where there is none."""
        with self.lock:
            if self.depth:
                self.drops.append(table)
            else:
                self.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is to be written `later` is written at the end, in order, or not at all; dropped tables go after it."""
        with self.lock:
            self.depth += 1
            try:
                yield
            except BaseException:
                self._forget()
                raise
            finally:
                self.depth -= 1
            if not self.depth:
                self._settle()

    def _settle(self) -> None:
        waiting, drops = self._forget()
        for run in waiting:
            run()
        for table in dict.fromkeys(drops):
            self.execute(f"DROP TABLE IF EXISTS {table}")

    def _forget(self) -> tuple[list[Callable[[], None]], list[str]]:
        waiting, drops = self.waiting, self.drops
        self.waiting, self.drops = [], []
        return waiting, drops

    def alone(self) -> AbstractContextManager[None]:
        """A transaction. Nothing keeps others out: what must be decided once is decided by one statement."""
        return self.transaction()


def given(sql: str, parameters: Parameters | None) -> dict[str, Any] | None:
    """The parameters that a statement reads."""
    read = set(MARKER.findall(sql))
    chosen = {name: value for name, value in (parameters or {}).items() if name in read}
    return chosen or None


def _batches(cursor: Cursor) -> Iterator[pa.RecordBatch]:
    """The answer in record batches of about `RECORD_BATCH_BYTES`, with text that holds JSON marked as such."""
    import pyarrow as pa

    rows = FIRST_ROWS
    json = [n for n, column in enumerate(cursor.description or ()) if column[1] == "variant"]
    while True:
        table = cursor.fetchmany_arrow(rows)
        if not table.num_rows:
            return
        for n in json:
            text = table.column(n).combine_chunks()
            marked = pa.ExtensionArray.from_storage(pa.json_(pa.string()), text.cast(pa.string()))
            table = table.set_column(n, table.field(n).name, marked)
        whole = pa.table([_plain(column) for column in table.columns], names=table.column_names)
        yield from whole.combine_chunks().to_batches()
        each = max(1.0, table.nbytes / table.num_rows)
        rows = int(min(MOST_ROWS, max(64.0, RECORD_BATCH_BYTES / each)))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of moments in microseconds: cluster and client may name the zone differently, but it is UTC."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.tz not in (None, "UTC"):
        return column.cast(pa.timestamp(column.type.unit, "UTC"))
    return column
