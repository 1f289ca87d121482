"""`mixpanel-wh run`, over a real warehouse and a real server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.cli.conftest import Command, edit
from mixpanel_wh_tests.config.writing import SECRET

KEYS = {
    "sync", "mode", "rows_read", "inserted", "updated", "deleted", "accepted", "rejected", "requests", "bytes_sent",
    "seconds",
}  # fmt: skip


def summary(box: Sandbox) -> dict[str, int]:
    """What the sandbox holds."""
    found: dict[str, int] = requests.get(f"{box.url}/sandbox/summary", timeout=30).json()
    return found


def change(folder: Path, statement: str) -> None:
    """Change the warehouse."""
    with duckdb.connect(str(folder / "flights.duckdb")) as connection:
        connection.execute(statement)


def test_run_prints_a_json_list_with_the_numbers_of_every_sync(folder: Path, command: Command) -> None:
    done = command("run", "--json")
    assert (done.status, done.err) == (0, "")
    assert [one["sync"] for one in done.json] == ["flights", "weather", "planes", "airlines", "airports"]
    for one in done.json:
        assert set(one) >= KEYS
        assert one["rows_read"] == one["accepted"] + one["rejected"] == one["inserted"]
        assert one["status"] == "succeeded"


def test_a_second_run_sends_only_what_changed(folder: Path, command: Command, box: Sandbox) -> None:
    edit(folder, "time: departure_at", "time: departure_at, row_key: flight")
    command("run")
    change(folder, "UPDATE flights SET tailnum = 'N99' WHERE flight = 3; DELETE FROM flights WHERE flight = 4")
    one = command("run", "flights", "--json").json[0]
    assert (one["rows_read"], one["updated"], one["deleted"]) == (2, 1, 1)
    assert command("run", "flights", "--json").json[0]["rows_read"] == 0


def test_named_syncs_run_once_each_in_the_named_order(folder: Path, command: Command) -> None:
    done = command("run", "planes", "airlines", "planes", "--json")
    assert [one["sync"] for one in done.json] == ["planes", "airlines"]


def test_every_unknown_name_is_told_and_nothing_runs(folder: Path, command: Command, box: Sandbox) -> None:
    done = command("run", "planes", "plains", "zzz")
    assert done.status == 2
    assert "there is no sync 'plains'" in done.err
    assert "(did you mean 'planes'?)" in done.err
    assert "there is no sync 'zzz'" in done.err
    assert summary(box)["requests"] == 0


def test_the_table_for_people_shows_every_sync(folder: Path, command: Command) -> None:
    lines = command("run").out.splitlines()
    assert lines[0].split()[:4] == ["sync", "mode", "read", "inserted"]
    assert [line.split()[0] for line in lines[1:]] == ["flights", "weather", "planes", "airlines", "airports"]


def test_a_sync_that_fails_does_not_keep_the_others_from_running(folder: Path, command: Command, box: Sandbox) -> None:
    edit(folder, "table: main.planes", "table: main.plane")
    done = command("run", "--json")
    assert done.status == 1
    states = {one["sync"]: one["status"] for one in done.json}
    assert states == {"flights": "succeeded", "weather": "succeeded", "planes": "failed", "airlines": "succeeded",
                      "airports": "succeeded"}  # fmt: skip
    assert done.err.count("\n") == 1
    assert "sync planes: there is no table main.plane in the warehouse; did you mean planes?" in done.err


def test_a_missing_column_is_one_sentence_and_exit_status_1(folder: Path, command: Command) -> None:
    edit(folder, "distinct_id: tailnum", "distinct_id: talnum")
    done = command("run", "planes")
    assert done.status == 1
    assert "main.planes has no column 'talnum', which distinct_id names (did you mean 'tailnum'?)" in done.err
    assert "Traceback" not in done.err


def test_rejected_rows_are_shown_with_their_reasons(folder: Path, command: Command) -> None:
    change(folder, "UPDATE planes SET tailnum = NULL WHERE tailnum = 'N3'")
    done = command("run", "planes")
    assert done.status == 0
    assert "planes: a row without a key, column tailnum: " in done.err
    assert done.out.splitlines()[1].split()[6:8] == ["6", "1"]


def test_a_guard_stops_a_run_until_it_is_accepted(folder: Path, command: Command) -> None:
    edit(folder, "time: departure_at", "time: departure_at, row_key: flight, max_deletes: 1")
    command("run", "flights")
    change(folder, "DELETE FROM flights WHERE flight < 5")
    stopped = command("run", "flights", "--json")
    assert stopped.status == 1
    assert stopped.json[0]["status"] == "stopped"
    assert "max_deletes" in stopped.err
    accepted = command("run", "flights", "--accept-guards", "--json")
    assert (accepted.status, accepted.json[0]["deleted"]) == (0, 5)


def test_a_full_resync_sends_everything_again(folder: Path, command: Command, box: Sandbox) -> None:
    command("run", "flights")
    assert command("run", "flights", "--full-resync", "--json").json[0]["rows_read"] == 50
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["events"]["visible"] == 50


def test_a_server_that_is_down_is_one_sentence_a_sync(folder: Path, command: Command, box: Sandbox) -> None:
    edit(folder, box.url, "http://127.0.0.1:9")
    done = command("run", "planes", "--json")
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert "Mixpanel at http://127.0.0.1:9/engage cannot be reached" in done.err
    assert done.json[0]["status"] == "failed"
    assert SECRET not in done.err + done.out


def test_a_warehouse_that_is_locked_is_told_after_lock_timeout(folder: Path, command: Command) -> None:
    edit(folder, "lock_timeout: 10", "lock_timeout: 0.2")
    code = "import duckdb, sys; held = duckdb.connect('flights.duckdb'); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        run, status = command("run"), command("status")
        holder.communicate(b"")
    assert run.status == status.status == 1
    assert "is locked by another process for more than 0.2 s" in run.err
    assert "is locked by another process" in status.err
    assert command("run").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_gives_its_lease_back_and_the_next_one_finishes_it(
    folder: Path, command: Command, box: Sandbox, number: signal.Signals
) -> None:
    change(
        folder,
        "INSERT INTO flights SELECT departure_at, flight + 50 * (i + 1), tailnum FROM flights, range(99) AS r(i)",
    )
    edit(folder, "rate: off", "rate: {events_per_second: 500}")
    with subprocess.Popen(
        [sys.executable, "-m", "mixpanel_wh.cli", "run", "flights"], env=dict(os.environ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default_signals,
    ) as process:  # fmt: skip
        wait_until_sending(box, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "stopped; the next run finishes what was started" in err
    with duckdb.connect(str(folder / "flights.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM mixpanel.leases").fetchall() == [(0,)]
    edit(folder, "rate: {events_per_second: 500}", "rate: off")
    assert command("status", "--json").json[0]["state"] == "unfinished"
    assert command("run", "flights", "--json").json[0]["resumed"] is True
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["events"]["visible"] == 5_000


def default_signals() -> None:
    """A process that a test starts in the background must not inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until_sending(box: Sandbox, process: "subprocess.Popen[str]") -> None:
    """Until the server has taken a part of what the run sends."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if summary(box)["requests"]:
            return
        time.sleep(0.02)
    raise AssertionError(f"the run did not start: {process.communicate()[1]}")
