"""A BigQuery for the tests: `local-bigquery` in a Python 3.13 environment of its own, which is made once."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from mixpanel_wh_tests.stand_ins.ports import free_port

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("bigquery_server.py")
# Its extensions of DuckDB come as wheels for 1.5.5 only, so that DuckDB comes last, in place of the one it asks for.
WHEELS = (
    ("local-bigquery==0.4.0",),
    ("duckdb==1.5.5", "duckdb-extensions==1.5.5",
     *(f"duckdb-extension-{name}==1.5.5" for name in ("ducklake", "spatial", "avro"))),
)  # fmt: skip
PROJECT = "shop-project"
WAIT_SECONDS = 240.0
FITS = "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))"


@dataclass(frozen=True)
class RunningBigQuery:
    """A server that runs: the address of its API, and host and port of its Storage Read API."""

    api: str
    storage: str

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""
        return {"project": PROJECT, "api_endpoint": self.api, "storage_endpoint": self.storage, **more}

    def client(self, dataset: str | None = None) -> bigquery.Client:
        """A client beside the warehouse's."""
        config = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{dataset}") if dataset else None
        return bigquery.Client(
            PROJECT,
            AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self.api},
            default_query_job_config=config,
        )

    def jobs(self, client: bigquery.Client, staging: str) -> list[bigquery.QueryJob]:
        """The jobs of the warehouse that keeps its state in `staging`, the oldest first."""
        found = [job for job in client.list_jobs() if isinstance(job, bigquery.QueryJob)]
        return [job for job in reversed(found) if job.labels.get("staging") == staging]


@cache
def python() -> dict[str, str] | None:
    """The environment variables under which the command `python3.13` is a whole Python 3.13; None where none does."""
    tries = [{}, *({"PYENV_VERSION": version} for version in pyenv_versions())]
    return next((variables for variables in tries if _fits(variables)), None)


def pyenv_versions() -> list[str]:
    """The versions of 3.13 that pyenv has, whose command works only where one of them is chosen."""
    if shutil.which("pyenv") is None:
        return []
    listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.split() if line.startswith("3.13")]


def _fits(variables: dict[str, str]) -> bool:
    if shutil.which("python3.13") is None:
        return False
    asked = subprocess.run(["python3.13", "-c", FITS], capture_output=True, check=False, env=os.environ | variables)
    return asked.returncode == 0


def environment() -> Path:
    """The Python of the server's environment, made the first time; skips the test where there is no Python 3.13."""
    variables = python()
    if variables is None:
        pytest.skip("no Python 3.13 with its venv module is installed as python3.13, which BigQuery's stand-in needs")
    kind = hashlib.md5(repr(WHEELS).encode(), usedforsecurity=False).hexdigest()[:8]
    folder = ROOT / ".stand-ins" / f"bigquery-{kind}"
    made = folder / ".made"
    command = folder / "bin" / "python"
    if not made.exists():
        print(f"making {folder} for BigQuery's stand-in (565 MB, a minute)", file=sys.stderr)
        subprocess.run(["python3.13", "-m", "venv", "--clear", str(folder)], check=True, env=os.environ | variables)
        for wheels in WHEELS:
            install = [str(command), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wheels]
            subprocess.run(install, check=True, capture_output=True)
        made.touch()
    return command


@contextmanager
def running_bigquery() -> Iterator[RunningBigQuery]:
    """A server without datasets; it stops, and its folder goes, at the end."""
    memory = Path("/dev/shm")  # it writes a file for every answer
    command, parent = environment(), str(memory) if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="bq", dir=parent))
    api, storage = free_port(), free_port()
    given = [str(command), str(SERVER), "--host", "127.0.0.1", "--port", str(api), "--grpc-port", str(storage),
             "--project", PROJECT, "--data-dir", str(folder / "held"), "serve"]  # fmt: skip
    running = RunningBigQuery(f"http://127.0.0.1:{api}", f"127.0.0.1:{storage}")
    try:
        with (folder / "log").open("wb") as log, subprocess.Popen(given, stdout=log, stderr=log, cwd=folder) as server:
            try:
                _answers(running, server, folder / "log")
                yield running
            finally:
                server.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(running: RunningBigQuery, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{running.api}/bigquery/v2/projects/{PROJECT}/datasets", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if server.poll() is not None or time.monotonic() > until:
                raise TimeoutError(f"BigQuery's stand-in did not start: {log.read_text()[-2000:]}") from None
        time.sleep(0.1)
