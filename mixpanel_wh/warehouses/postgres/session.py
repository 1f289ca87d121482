"""Postgres connections: one for statements and transactions, and one of its own for each stream of rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from mixpanel_wh.warehouses.denials import Place
from mixpanel_wh.warehouses.postgres.dialect import SETTINGS
from mixpanel_wh.warehouses.postgres.trouble import explained
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpanel_wh.warehouses.postgres.arrow import Found

Connection = psycopg.Connection[tuple[Any, ...]]
# What the text of values, the order of rows and the time of statements must not be left to.
SESSION_SETTINGS = {
    "TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "1",
    "bytea_output": "hex", "standard_conforming_strings": "on", "synchronize_seqscans": "off", "jit": "off",
    "work_mem": "64MB", "hash_mem_multiplier": "4", "row_security": "off",
}  # fmt: skip
LOCK = "SELECT pg_advisory_xact_lock(7305804402471953513)"  # "mixpanel" as a number, or nearly


@dataclass
class PostgresSession:
    """`session.Session` over psycopg. `opened` makes a connection, in autocommit and with the settings above."""

    opened: Callable[[], Connection]
    place: Place
    connection: Connection = field(init=False)
    depth: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.connection = self.opened()

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        self._run(sql, parameters)

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock:
            return self._run(sql, parameters).fetchall()

    def _run(self, sql: str, parameters: Parameters | None) -> psycopg.Cursor[tuple[Any, ...]]:
        with self.lock, self._explained(sql):
            if self.connection.closed and not self.depth:
                self.connection = self.opened()
            if not parameters:
                return self.connection.execute(sql.encode())
            # Settings for one transaction only: they must not outlive it where a pool shares connections.
            with self._short() if not self.depth else nullcontext():
                give(self.connection, parameters)
                return self.connection.execute(sql.encode())

    @contextmanager
    def _explained(self, sql: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise explained(error, self.place, sql) from error

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query on a connection of its own, in the snapshot of one moment, and stream its answer."""
        from mixpanel_wh.warehouses.postgres.arrow import batches, reading
        from mixpanel_wh.warehouses.postgres.copying import copied

        connection = self.opened()
        try:
            with self._explained(sql):
                connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                give(connection, parameters or {})
                columns = described(connection, sql)
                nested = nested_types(connection, {column.type for column in columns})
                readings = [reading(column, nested) for column in columns]
                names = [f'"{column.name.replace(chr(34), chr(34) * 2)}"' for column in columns]
                chosen = ", ".join(one.sql.format(name) for one, name in zip(readings, names, strict=True))
                copying = f"COPY (SELECT {chosen} FROM ({sql}) AS selected) TO STDOUT"
                blocks = copied(connection.pgconn, copying.encode())
                yield from batches(blocks, [column.name for column in columns], readings)
        finally:
            connection.close()

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """Postgres runs in processes of its own."""
        return nullcontext()

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name."""
        from mixpanel_wh.warehouses.postgres.loading import written

        for batch in rows:
            listed = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in batch.schema.names)
            sql = f"COPY {table} ({listed}) FROM STDIN (FORMAT CSV)"
            with self.lock, self._explained(sql), self.connection.cursor().copy(sql.encode()) as copy:
                copy.write(written(batch))

    def finally_drop(self, table: str) -> None:
        """Drop a table as a part of the transaction around."""
        self.execute(f"DROP TABLE IF EXISTS {table}")

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all, and reads the rows of one moment."""
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A transaction that waits for every other one of this kind, and sees what they did."""
        with self._short():
            self.execute(LOCK)
            yield

    def _short(self) -> AbstractContextManager[None]:
        return self._transaction("BEGIN ISOLATION LEVEL READ COMMITTED")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self.lock:
            if not self.depth:
                self.execute(begin)
            self.depth += 1
            try:
                yield
                if self.depth == 1:
                    self.execute("COMMIT")
            except BaseException:
                if self.depth == 1:
                    with suppress(psycopg.Error):  # the first error is the one to tell
                        self.connection.execute(b"ROLLBACK")
                raise
            finally:
                self.depth -= 1


def give(connection: Connection, parameters: Parameters) -> None:
    """Parameters for the statements of the transaction that is open, as settings of it."""
    given = {f"{SETTINGS}.{name}": str(value) for name, value in parameters.items() if value is not None}
    if given:
        calls = ", ".join("set_config(%s, %s, true)" for _ in given)
        pairs = [part for pair in given.items() for part in pair]
        connection.execute(f"SELECT {calls}".encode(), pairs)


def described(connection: Connection, sql: str) -> list[Found]:
    """The columns of a query's answer. It locks what is read against a change of shape until the transaction ends."""
    from mixpanel_wh.warehouses.postgres.arrow import Found

    result = connection.execute(f"SELECT * FROM ({sql}) AS shape LIMIT 0".encode()).pgresult
    if result is None:
        raise psycopg.InterfaceError("the server described no columns")
    return [
        Found((result.fname(n) or b"").decode(), result.ftype(n), result.fmod(n)) for n in range(result.nfields)
    ]


def nested_types(connection: Connection, types: set[int]) -> dict[int, bool]:
    """Which of the types are arrays or rows, which become JSON."""
    listed = connection.execute(
        b"SELECT CAST(oid AS BIGINT), typcategory = 'A' OR typtype = 'c' FROM pg_catalog.pg_type WHERE oid = ANY(%s)",
        (sorted(types),),
    )
    return {int(oid): bool(nested) for oid, nested in listed.fetchall()}
