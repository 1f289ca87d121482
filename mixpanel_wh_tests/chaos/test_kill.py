"""Runs killed with SIGKILL in the middle: the next run finishes them, nothing is lost and nothing is shown twice."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import Way, make, table_rows, ways
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

ROWS = 30_000
KILLED = [way for way in ways() if way.label in ("event mirror keyed", "event append keyless", "user mirror", "user full")]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(port=0, lookup_replacements_per_day=None)) as box:
        yield box


def kill_once(way: Way, path: Path, url: str, seconds: float) -> bool:
    """Start a run and kill it so many seconds after its first request was answered; whether it was still running."""
    command = [sys.executable, "-m", "mixpanel_wh_tests.chaos.running", way.label, str(path), url]
    before = holding.summary(url)["requests"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        deadline = time.monotonic() + 120
        while process.poll() is None and holding.summary(url)["requests"] == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(seconds)
        alive = process.poll() is None
        process.kill()
    return alive


def check(way: Way, folder: Path, url: str, waits: list[float], slow: float) -> tuple[int, bool]:
    """Kill runs one after the other while requests take so many seconds, then let one end.

    Returns how many were killed before they had ended by themselves, and whether the last one went on where they stopped.
    """
    requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
    path = folder / "warehouse.duckdb"
    with closing(DuckDBGround(path)) as ground:
        make(ground, ROWS)
    holding.fault(url, "slow", times=None, seconds=slow, skip=1)
    killed = sum(kill_once(way, path, url, seconds) for seconds in waits)
    holding.mend(url)
    with closing(DuckDBGround(path)) as ground:
        with closing(ground.open()) as warehouse, MixpanelProject(settings(url)) as project:
            unfinished = warehouse.state.load(way.spec.name).pending is not None  # not where the end was near
            result = run_sync(way.spec, warehouse, project)
        assert result.resumed == unfinished
        assert way.held(url) == way.wanted(table_rows(ground))
    return killed, unfinished


def test_a_killed_mirror_run_is_finished_by_the_next_one(box: Sandbox, tmp_path: Path) -> None:
    assert check(KILLED[0], tmp_path, box.url, [0.05], slow=3) == (1, True)


@pytest.mark.long
@pytest.mark.parametrize("way", KILLED, ids=lambda way: way.label)
def test_a_sync_that_is_killed_again_and_again_ends_in_step(box: Sandbox, tmp_path: Path, way: Way) -> None:
    moments = random.Random(way.label)
    killed, _ = check(way, tmp_path, box.url, [moments.random() for _ in range(5)], slow=0.1)
    assert killed > 0
