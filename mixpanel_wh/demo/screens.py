"""Leaves the Dagster UI running beside the sandbox page, until the person has seen enough."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.demo.folder import Folder

START_SECONDS = 180
STOP_SECONDS = 20
LOOK_SECONDS = 0.2


def free_port(wanted: int) -> int:
    """The wanted port of the loopback, or another free one when somebody has it."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", wanted))
        except OSError:
            tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def dagster_ui(folder: Folder, port: int) -> Iterator[str]:
    """The Dagster UI with its daemon, on the loopback; yields its address once it answers."""
    command = [
        sys.executable, "-m", "dagster", "dev", "-w", str(folder.workspace), "-h", "127.0.0.1", "-p", str(port),
        "--log-level", "warning",
    ]  # fmt: skip
    with serving(command, port, folder.dagster / "dagster-dev.log") as url:
        yield url


@contextmanager
def serving(command: list[str], port: int, log: Path, folder: Path | None = None) -> Iterator[str]:
    """A command that serves the Dagster UI on a port, run in a folder; yields its address once it answers."""
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=os.environ, cwd=folder) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process, str(log))
            yield url
        finally:
            _stop(process)


def _await(url: str, process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/server_info", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(LOOK_SECONDS)
    raise DemoError(f"the Dagster UI did not start: read {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
