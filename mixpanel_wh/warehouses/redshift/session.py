"""Redshift connections: one for statements and transactions, and one of its own for each stream of rows."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redshift_connector.core import Connection
from redshift_connector.cursor import Cursor
from redshift_connector.error import Error

from mixpanel_wh.engine.errors import SourceError, WarehouseUnavailable
from mixpanel_wh.warehouses.denials import Place
from mixpanel_wh.warehouses.redshift import unloading
from mixpanel_wh.warehouses.redshift.binding import bound, inlined, inserts, literal, quote
from mixpanel_wh.warehouses.redshift.dialect import RedshiftDialect
from mixpanel_wh.warehouses.redshift.trouble import explained, told
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpanel_wh.warehouses.redshift.reading import Found, Reading

ERRORS = (Error, OSError, struct.error)
ENDED = ("", "57P01", "57P02", "57P03")  # states after which a connection is of no more use
LOCK = "run_lock"
ROWS_PER_FETCH = 10_000
ATTEMPTS = 5
ORDER = f" ORDER BY {RedshiftDialect.row_number}"
LOCKED = (
    "SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = CAST(:schema AS VARCHAR(127)) AND c.relname = CAST(:name AS VARCHAR(127))"
)


@dataclass
class RedshiftSession:
    """`session.Session` over redshift_connector. `opened` makes a connection, in autocommit and with its settings.
    Answers of at least `unload_rows` rows go through `store`, where there is one."""

    opened: Callable[[], Connection]
    place: Place
    store: unloading.Store | None = None
    unload_rows: int = 100_000
    connection: Connection = field(init=False, repr=False)
    depth: int = 0
    broken: bool = False
    has_lock: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.connection = self.opened()

    def close(self) -> None:
        """Give the connection back."""
        closed(self.connection)

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        with self.lock:
            self._run(sql, parameters)

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock:
            return [tuple(row) for row in self._run(sql, parameters).fetchall()]

    def _run(self, sql: str, parameters: Parameters | None) -> Cursor:
        with self._explained(sql):
            if self.broken and not self.depth:
                closed(self.connection)
                self.connection, self.broken = self.opened(), False
            try:
                return asked(self.connection, *bound(sql, parameters))
            except ERRORS as error:
                self.broken = told(error)[0] in ENDED
                raise

    @contextmanager
    def _explained(self, sql: str) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            raise explained(error, self.place, sql) from None  # the driver's error may show parameters

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query on a connection of its own, in the snapshot of one moment, and stream its answer."""
        from mixpanel_wh.warehouses.redshift.reading import reading

        whole, connection = inlined(sql, parameters or {}), self.opened()
        try:
            with self._explained(sql):
                asked(connection, "BEGIN")
                columns = described(connection, whole)
                readings = [reading(column) for column in columns]
                names, chosen = [column.name for column in columns], selected(whole, columns, readings)
                if self.store is not None and many(connection, whole, self.unload_rows):
                    yield from self._unloaded(self.store, connection, chosen, names, readings)
                else:
                    yield from fetched(connection, chosen, names, readings)
        finally:
            closed(connection)

    def _unloaded(
        self, store: unloading.Store, connection: Connection, sql: str, names: list[str], readings: list[Reading]
    ) -> Iterator[pa.RecordBatch]:
        from mixpanel_wh.warehouses.redshift.reading import from_file

        with unloading.folder(store) as folder:
            asked(connection, unloading.statement(sql, store, folder, ORDER in sql, literal))
            asked(connection, "COMMIT")  # the files are read for long, and no transaction should stay open for that
            for batch in unloading.files(store, folder):
                yield from_file(batch, names, readings)

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """Redshift runs on machines of its own."""
        return nullcontext()

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name."""
        for batch in rows:
            for sql, parameters in inserts(table, batch):
                self.execute(sql, parameters)

    def finally_drop(self, table: str) -> None:
        """Drop a table as a part of the transaction around."""
        self.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together or not at all, and reads the rows of one moment."""
        with self.lock:
            if not self.depth:
                self.execute("BEGIN")
            self.depth += 1
            try:
                yield
                if self.depth == 1:
                    self.execute("COMMIT")
            except BaseException:
                if self.depth == 1:
                    with suppress(*ERRORS):  # the first error is the one to tell
                        asked(self.connection, "ROLLBACK")
                raise
            finally:
                self.depth -= 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A transaction that waits for every other one of this kind, and sees what they did: a lock is taken before the
        first look at a table, which is what fixes the moment that a transaction reads."""
        with self.lock:
            self._ensure_lock()
            with self.transaction():
                self.execute(f"LOCK TABLE {quote(self.place.staging)}.{quote(LOCK)}")
                yield

    def _ensure_lock(self) -> None:
        """The table that runs lock, in the staging schema; several may make them at once, and one of these fails."""
        named = {"schema": self.place.staging, "name": LOCK}
        for attempt in range(ATTEMPTS):
            self.has_lock = self.has_lock or bool(self.rows(LOCKED, named))
            if self.has_lock:
                return
            try:
                self._make_lock()
            except (WarehouseUnavailable, SourceError):  # a missing privilege is neither
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)

    def _make_lock(self) -> None:
        there = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = CAST(:schema AS VARCHAR(127))"
        if not self.rows(there, {"schema": self.place.staging}):  # asked first: one needs a right even to try
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self.place.staging)}")
        self.execute(f"CREATE TABLE IF NOT EXISTS {quote(self.place.staging)}.{quote(LOCK)} (held BOOLEAN)")


def closed(connection: Connection) -> None:
    """Close a connection that may be broken already."""
    with suppress(*ERRORS):
        connection.close()
    with suppress(*ERRORS, AttributeError):  # the driver leaves its file open where the other side went first
        connection._sock.close()


def asked(connection: Connection, sql: str, parameters: Parameters | None = None) -> Cursor:
    """The cursor that ran the statement."""
    cursor = connection.cursor()
    cursor.paramstyle = "named"
    cursor.execute(sql, dict(parameters) if parameters else None)
    return cursor


def described(connection: Connection, sql: str) -> list[Found]:
    """The columns of a query's answer."""
    from mixpanel_wh.warehouses.redshift.reading import Found

    plain = sql.partition(ORDER)[0]
    described = (asked(connection, f"SELECT * FROM ({plain}) AS shape LIMIT 0").ps or {}).get("row_desc", [])
    return [Found(one["label"].decode(), int(one["type_oid"]), int(one["type_modifier"])) for one in described]


def selected(sql: str, columns: Sequence[Found], readings: Sequence[Reading]) -> str:
    """The query with its columns as they are read. A query in order takes the number it is ordered by along: the order
    of a query inside another one counts for nothing."""
    names = [quote(column.name) for column in columns]
    chosen = ", ".join(f"{one.sql.format(name)} AS {name}" for one, name in zip(readings, names, strict=True))
    plain, ordered, _ = sql.partition(ORDER)
    if not ordered:
        return f"SELECT {chosen} FROM ({sql}) AS selected"
    numbered = plain.replace("SELECT ", f"SELECT {RedshiftDialect.row_number}, ", 1)
    return f"SELECT {chosen} FROM ({numbered}) AS selected{ORDER}"


def many(connection: Connection, sql: str, rows: int) -> bool:
    """Whether the answer has at least so many rows."""
    plain = sql.partition(ORDER)[0]
    counted = f"SELECT COUNT(*) FROM (SELECT 1 AS one FROM ({plain}) AS selected LIMIT {rows}) AS counted"
    return bool(asked(connection, counted).fetchall()[0][0] >= rows)


def fetched(
    connection: Connection, sql: str, names: Sequence[str], readings: Sequence[Reading]
) -> Iterator[pa.RecordBatch]:
    """The answer through a cursor."""
    from mixpanel_wh.warehouses.redshift.reading import from_rows

    asked(connection, f"DECLARE mixpanel_rows CURSOR FOR {sql}")
    while rows := asked(connection, f"FETCH FORWARD {ROWS_PER_FETCH} FROM mixpanel_rows").fetchall():
        yield from_rows(rows, names, readings)
