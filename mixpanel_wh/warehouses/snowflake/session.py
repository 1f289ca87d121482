"""A Snowflake session: statements, transactions that a change of tables ends, answers fetched by several threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snowflake.connector import errors
from snowflake.connector.result_batch import ArrowResultBatch

from mixpanel_wh.warehouses.session import Parameters
from mixpanel_wh.warehouses.snowflake.trouble import NOT_THERE, Place, explained
from mixpanel_wh.warehouses.snowflake.writing import defines, quoted, written

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

    from mixpanel_wh.warehouses.snowflake.arrow import Found

QUERY_TAG = "mixpanel_wh"
# What the text of values, the time of statements and who is billed for them must not be left to.
SESSION_SETTINGS: dict[str, str | int | bool] = {
    "QUERY_TAG": QUERY_TAG, "TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF9",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF9 TZHTZM",
    "TIMESTAMP_TZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF9 TZHTZM",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD", "TIME_OUTPUT_FORMAT": "HH24:MI:SS.FF9", "BINARY_OUTPUT_FORMAT": "HEX",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False, "LOCK_TIMEOUT": 600, "ABORT_DETACHED_QUERY": True,
}  # fmt: skip
FETCHING_THREADS = 4
FETCHED_AHEAD = 6  # result batches of some ten megabytes each
BOUND_AT_ONCE = 60_000  # beyond, the connector would put a file on a stage


@dataclass
class SnowflakeSession:
    """`session.Session` over the Snowflake connector. `lock_table` is written first by whoever must be alone."""

    connection: SnowflakeConnection
    place: Place
    lock_table: str = ""
    depth: int = 0
    begun: bool = False
    dropping: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        with self.lock:
            self._run(sql, parameters)

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock:
            cursor = self._run(sql, parameters)
            return [tuple(row) for row in cursor.fetchall()]

    def shown(self, sql: str) -> list[dict[str, Any]]:
        """What a SHOW statement tells, by the names of its columns."""
        with self.lock:
            cursor = self._run(sql, None)
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def described(self, sql: str) -> list[Found] | None:
        """The columns of a query's answer, which is not run; None where something that it names is not there."""
        from mixpanel_wh.warehouses.snowflake.arrow import Found

        text, _ = written(sql)
        with self.lock, self._explained(text):
            try:
                return [Found.of(column) for column in self.connection.cursor().describe(text)]
            except errors.ProgrammingError as error:
                if error.errno in NOT_THERE:
                    return None
                raise

    def _run(self, sql: str, parameters: Parameters | None) -> SnowflakeCursor:
        """Run a statement. One that defines something ends the transaction that is open, here as in Snowflake; what
        follows belongs to a new one."""
        text, values = written(sql, parameters)
        if defines(sql):
            self._end("COMMIT")
        elif self.depth and not self.begun:
            self._sent("BEGIN", [])
            self.begun = True
        return self._sent(text, values)

    def _sent(self, text: str, values: Sequence[Any]) -> SnowflakeCursor:
        cursor = self.connection.cursor()
        with self._explained(text):
            cursor.execute(text, values or None)
        return cursor

    @contextmanager
    def _explained(self, sql: str) -> Iterator[None]:
        try:
            yield
        except errors.Error as error:
            raise explained(error, self.place, sql) from error

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query, whose answer Snowflake keeps, and stream it: several threads fetch, the order stays."""
        from mixpanel_wh.warehouses.snowflake.arrow import Found, shaped

        with self.lock, self._explained(sql):
            cursor = self._run(sql, parameters)
            columns = [Found.of(column) for column in cursor.description]
            found = cursor.get_result_batches() or ()
            batches = deque(one for one in found if isinstance(one, ArrowResultBatch) and one.rowcount)
        with self._explained(sql):
            for table in self._fetched(batches):
                yield from shaped(table, columns)

    def _fetched(self, batches: deque[ArrowResultBatch]) -> Iterator[pa.Table]:
        """Result batches as tables, in order, a few ahead of whoever reads them."""
        waiting: deque[Future[pa.Table]] = deque()
        pool = ThreadPoolExecutor(FETCHING_THREADS, thread_name_prefix="snowflake")
        try:
            while batches or waiting:
                while batches and len(waiting) < FETCHED_AHEAD:
                    waiting.append(pool.submit(self._fetch, batches.popleft()))
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, batch: ArrowResultBatch) -> pa.Table:
        return batch.to_arrow(self.connection)

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """Snowflake runs elsewhere."""
        return nullcontext()

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name."""
        from mixpanel_wh.warehouses.snowflake.arrow import as_texts

        for batch in rows:
            names = ", ".join(quoted(name) for name in batch.schema.names)
            sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in batch.schema.names)})"
            whole, step = as_texts(batch), max(1, BOUND_AT_ONCE // max(1, batch.num_columns))
            for start in range(0, len(whole), step):
                with self.lock, self.transaction(), self._explained(sql):
                    if not self.begun:
                        self._sent("BEGIN", [])
                        self.begun = True
                    self.connection.cursor().executemany(sql, whole[start : start + step])

    def finally_drop(self, table: str) -> None:
        """Drop a table once the transaction around is committed: dropping it would commit what is not whole yet."""
        self.finally_run(f"DROP TABLE IF EXISTS {table}")

    def finally_run(self, statement: str) -> None:
        """The same for any statement that would commit."""
        with self.lock:
            if self.depth:
                self.dropping.append(statement)
            else:
                self.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside since the last change of a table's shape is committed together or not at all. Each
        statement reads what was committed when it began."""
        with self.lock:
            self.depth += 1
            try:
                yield
                if self.depth == 1:
                    self._end("COMMIT")
            except BaseException:
                if self.depth == 1:
                    self.dropping.clear()
                    with suppress(Exception):  # the first error is the one to tell
                        self._end("ROLLBACK")
                raise
            finally:
                self.depth -= 1
            if not self.depth:
                self._drop()

    def _end(self, how: str) -> None:
        if self.begun:
            self.begun = False
            self._sent(how, [])

    def _drop(self) -> None:
        while self.dropping:
            self.execute(self.dropping.pop(0))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A transaction that waits for every other one of this kind, and sees what they did: an UPDATE holds its table
        until its transaction ends. While the staging schema is being made there is nothing to hold yet."""
        with self.transaction():
            if self.lock_table and self.described(f"SELECT * FROM {self.lock_table}") is not None:
                self.execute(f"UPDATE {self.lock_table} SET turns = turns + 1 WHERE TRUE")
            yield
