"""A Redshift for the tests: real Postgres behind a wire that speaks Redshift's SQL, and UNLOAD into a local S3.

The unmodified drivers talk to it. What differs from Postgres is rewritten on its way (`redshift_sql`) or made of SQL
(`redshift_functions`); what Redshift lacks is refused to the sessions of the warehouse under test.
"""

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from mixpanel_wh_tests.stand_ins import redshift_functions
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.stand_ins.redshift_sql import NotInRedshift, refuse, rewritten
from mixpanel_wh_tests.stand_ins.redshift_unload import unloaded

DATABASE = "dev"
APPLICATION = "mixpanel_wh"
ENCRYPTION, START = (80877103, 80877104), 196608
SCRAM = struct.pack("!i", 10)
KNOWN_PARAMETERS = (b"user", b"database", b"application_name", b"client_encoding", b"options")
SETTINGS = {
    "standard_conforming_strings": "off", "escape_string_warning": "off", "timezone": "UTC",
    "default_transaction_isolation": "repeatable read", "client_min_messages": "error",
}  # fmt: skip


@dataclass
class RunningRedshift:
    """The stand-in: its port, the Postgres behind it, the address of its S3, and what was asked of it."""

    postgres: RunningPostgres
    s3: str
    port: int = 0
    asked: list[str] = field(default_factory=list)
    types: dict[int, int] = field(default_factory=dict)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""
        given = {"host": "127.0.0.1", "port": self.port, "database": DATABASE, "user": "postgres", "password": "any"}
        return given | {"sslmode": "disable"} | more

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection beside the warehouse's, through the same wire, which commits each statement."""
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname={DATABASE} application_name=beside"
        return psycopg.connect(address, autocommit=True)


def _refusal(message: str, state: str = "42601") -> str:
    """A statement that fails with a message."""
    text = message.replace("$", "")
    return f"DO $refusal$ BEGIN RAISE EXCEPTION USING MESSAGE = $m${text}$m$, ERRCODE = $m${state}$m$; END $refusal$"


class Wire(socketserver.BaseRequestHandler):
    """One connection: startup without what Postgres does not know, then statements one by one."""

    server: "Server"
    application = ""
    user = ""
    path = ""

    def handle(self) -> None:
        """Serve the connection until either side is gone."""
        with suppress(EOFError, OSError), self._started() as upstream:
            back = threading.Thread(target=self._answers, args=(upstream,), daemon=True)
            back.start()
            while True:
                kind, body = read_message(self.request)
                upstream.sendall(message(kind, self._asked(kind, body)))
                if kind == b"X":
                    break
            back.join(5)

    @contextmanager
    def _started(self) -> Iterator[socket.socket]:
        code = 0
        while code != START:
            length, code = struct.unpack("!ii", exactly(self.request, 8))
            body = exactly(self.request, length - 8)
            if code in ENCRYPTION:
                self.request.sendall(b"N")
            elif code != START:
                raise EOFError  # a request to cancel
        words = body.rstrip(b"\0").split(b"\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        self.application, self.user = given.get(b"application_name", b"").decode(), given[b"user"].decode()
        kept = b"".join(k + b"\0" + v + b"\0" for k, v in given.items() if k in KNOWN_PARAMETERS) + b"\0"
        with socket.create_connection(("127.0.0.1", self.server.running.postgres.port)) as upstream:
            for end in (upstream, self.request):  # many small messages, none of which should wait for another
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.sendall(struct.pack("!ii", len(kept) + 8, START) + kept)
            yield upstream

    def _answers(self, upstream: socket.socket) -> None:
        """What Postgres answers, with Redshift's numbers of types."""
        with suppress(EOFError, OSError):
            while True:
                kind, body = read_message(upstream)
                if kind == b"R" and body[:4] == SCRAM:  # Postgres asks so for users that it does not know
                    kind, body = b"E", f"SFATAL\0C28000\0Mpassword authentication failed for user {self.user}\0\0".encode()
                self.request.sendall(message(kind, self._described(body) if kind == b"T" else body))
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def _described(self, body: bytes) -> bytes:
        place, fields = 2, struct.unpack("!h", body[:2])[0]
        changed = bytearray(body)
        for _ in range(fields):
            place = body.index(b"\0", place) + 7
            number = struct.unpack("!i", body[place : place + 4])[0]
            changed[place : place + 4] = struct.pack("!i", self.server.running.types.get(number, number))
            place += 12
        return bytes(changed)

    def _asked(self, kind: bytes, body: bytes) -> bytes:
        if kind == b"Q":
            return self._statement(body[:-1].decode(), False).encode() + b"\0"
        if kind == b"P":
            name, sql, rest = body.split(b"\0", 2)
            return name + b"\0" + self._statement(sql.decode(), True).encode() + b"\0" + rest
        return body

    def _statement(self, sql: str, extended: bool) -> str:
        ours = self.application == APPLICATION
        if ours:
            self.server.running.asked.append(sql)
        try:
            if ours:
                refuse(sql, extended)
            if re.match(r"\s*UNLOAD\b", sql, re.I):
                count = unloaded(sql, self.server.running, self.user, self.path)
                return f"DO $$ BEGIN RAISE INFO 'UNLOAD completed, {count} record(s) unloaded successfully.'; END $$"
            if re.match(r"\s*SET\s+search_path\b", sql, re.I):
                self.path = sql
            return rewritten(sql)
        except NotInRedshift as error:
            return _refusal(str(error))
        except psycopg.Error as error:
            return _refusal(str(error).splitlines()[0], error.sqlstate or "XX000")
        except Exception as error:  # whatever S3 said
            return _refusal(f"S3ServiceException: {error}", "XX000")


class Server(socketserver.ThreadingTCPServer):
    """The wire's side to the drivers."""

    allow_reuse_address = True
    daemon_threads = True
    running: RunningRedshift

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A driver that went away is no news."""


def exactly(source: socket.socket, count: int) -> bytes:
    """So many bytes."""
    found = bytearray()
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def read_message(source: socket.socket) -> tuple[bytes, bytes]:
    """A message's kind and body."""
    head = exactly(source, 5)
    return head[:1], exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def message(kind: bytes, body: bytes) -> bytes:
    """A message as it travels."""
    return kind + struct.pack("!i", len(body) + 4) + body


@contextmanager
def running_redshift(postgres: RunningPostgres, s3: str) -> Iterator[RunningRedshift]:
    """The stand-in over a running Postgres, in a database of its own."""
    running = RunningRedshift(postgres, s3)
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER DATABASE {DATABASE} SET {name} = '{value}'".encode())
    with psycopg.connect(
        f"host=127.0.0.1 port={postgres.port} user=postgres dbname={DATABASE} options='-c standard_conforming_strings=on'",
        autocommit=True,
    ) as connection:
        connection.execute(redshift_functions.statements().encode())
        found = connection.execute("SELECT typname, oid FROM pg_type WHERE typname = ANY(%s)",
                                   [list(redshift_functions.TYPES)]).fetchall()  # fmt: skip
        running.types = {int(oid): redshift_functions.TYPES[name][1] for name, oid in found}
    with Server(("127.0.0.1", 0), Wire) as server:
        server.running, running.port = running, server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield running
        finally:
            server.shutdown()
            serving.join()
