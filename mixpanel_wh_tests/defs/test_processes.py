"""Runs in processes of their own: no shared memory, another working directory, nothing kept beside the warehouse."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import requests

from mixpanel_wh_tests.defs.looking import Box, change

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(project_file: Path, tmp_path: Path) -> Start:
    """Starts a run of one sync in a new process, in an empty folder, without an instance of Dagster's."""

    def started(sync: str) -> "subprocess.Popen[str]":
        folder = tmp_path / f"elsewhere-{time.monotonic_ns()}"
        folder.mkdir()
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "mixpanel_wh.definitions"]
        env = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        return subprocess.Popen(
            [*command, "--select", f'key:"mixpanel/{sync}"'],
            cwd=folder,
            env={**env, "MIXPANEL_WH_PROJECT": str(project_file), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return started


def finished(process: "subprocess.Popen[str]") -> str:
    """What a run printed, once it ended."""
    return process.communicate(timeout=PATIENCE_SECONDS)[0]


def test_the_second_process_goes_on_from_the_state_that_the_first_left_in_the_warehouse(
    start: Start, air: Path, box: Box
) -> None:
    first = start("flights")
    assert "80 rows read (80 inserted" in finished(first)
    assert first.returncode == 0
    change(air, "DELETE FROM flights WHERE flight = 7")
    assert "1 rows read (0 inserted, 0 updated, 1 deleted)" in finished(start("flights"))
    assert len(box.events("Flight")) == 79


def test_two_processes_take_turns_at_one_duckdb_file(start: Start, box: Box) -> None:
    both = [start("planes"), start("flights")]
    for process in both:
        told = finished(process)
        assert process.returncode == 0, told
    assert (len(box.profiles()), len(box.events("Flight"))) == (7, 80)


@pytest.mark.chaos
def test_a_run_that_is_terminated_ends_at_once_and_the_next_finishes_it(start: Start, air: Path, box: Box) -> None:
    box.fail(kind="slow", path="/import", seconds=600, times=None)
    process = start("arrivals")
    until = time.monotonic() + PATIENCE_SECONDS
    while not any(one["fired"] for one in requests.get(f"{box.url}/sandbox/faults", timeout=30).json()):
        assert time.monotonic() < until, finished(process)
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "was ended from outside" in finished(process)
    with duckdb.connect(str(air), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM mixpanel.leases").fetchall() == [(0,)]
        assert connection.execute("SELECT sync FROM mixpanel.pending_runs").fetchall() == [("arrivals",)]
    requests.delete(f"{box.url}/sandbox/faults", timeout=30)
    assert "80 rows read" in finished(start("arrivals"))
    assert len(box.events("Arrival")) == 80
