"""COPY out of Postgres in blocks of whole rows, by libpq itself: through the driver a row costs twice as much."""

from __future__ import annotations

import select
from collections.abc import Iterator

from psycopg import errors, pq

ROWS_PER_BLOCK = 32_768
BLOCK_BYTES = 8 * 1024 * 1024


def copied(connection: pq.abc.PGconn, statement: bytes) -> Iterator[bytes]:
    """The answer of a `COPY … TO STDOUT`, a few thousand whole rows at a time; psycopg's error where there is one."""
    connection.send_query(statement)
    _started(connection)
    rows: list[memoryview] = []
    size, take = 0, connection.get_copy_data
    while (length := (taken := take(1))[0]) >= 0:
        if not length:
            _wait(connection)
            continue
        rows.append(taken[1])
        size += length
        if len(rows) == ROWS_PER_BLOCK or size >= BLOCK_BYTES:
            yield b"".join(rows)
            rows, size = [], 0
    if rows:
        yield b"".join(rows)
    _ended(connection)


def _wait(connection: pq.abc.PGconn) -> None:
    select.select([connection.socket], [], [])
    connection.consume_input()


def _result(connection: pq.abc.PGconn) -> pq.abc.PGresult | None:
    """The next result of what was asked, without holding up other threads."""
    while connection.flush():
        select.select([connection.socket], [connection.socket], [])
        connection.consume_input()
    while connection.is_busy():
        _wait(connection)
    return connection.get_result()


def _started(connection: pq.abc.PGconn) -> None:
    result = _result(connection)
    if result is None or result.status != pq.ExecStatus.COPY_OUT:
        raise _error(connection, result)


def _ended(connection: pq.abc.PGconn) -> None:
    result = _result(connection)
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        raise _error(connection, result)
    while _result(connection):
        pass


def _error(connection: pq.abc.PGconn, result: pq.abc.PGresult | None) -> Exception:
    if result is None or not result.error_field(pq.DiagnosticField.SQLSTATE):
        return errors.OperationalError(connection.get_error_message())
    return errors.error_from_result(result)
