"""`mixpanel-wh reset`: what was sent is forgotten once a person says so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.cli.conftest import Command


def visible(box: Sandbox) -> int:
    found: int = requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["events"]["visible"]
    return found


def test_without_yes_it_tells_what_a_reset_means_and_does_nothing(folder: Path, command: Command) -> None:
    command("run", "flights")
    done = command("reset", "flights")
    assert (done.status, done.out) == (2, "")
    assert "delete it in Mixpanel first" in done.err
    assert "mixpanel-wh reset flights --yes" in done.err
    assert command("run", "flights", "--json").json[0]["rows_read"] == 0


def test_after_the_data_was_deleted_everything_is_sent_again(folder: Path, command: Command, box: Sandbox) -> None:
    command("run", "flights", "weather")
    requests.post(f"{box.url}/sandbox/reset", timeout=30)
    done = command("reset", "flights", "weather", "--yes")
    assert done.status == 0
    assert done.out.splitlines() == [
        "flights: forgotten; the next run sends every row (epoch 1)",
        "weather: forgotten; the next run sends every row (epoch 1)",
    ]
    assert [one["rows_read"] for one in command("run", "flights", "weather", "--json").json] == [50, 20]
    assert visible(box) == 70


def test_what_mixpanel_still_holds_stays_beside_the_new_events(folder: Path, command: Command, box: Sandbox) -> None:
    command("run", "flights")
    assert command("reset", "flights", "--yes", "--json").json == [{"sync": "flights", "epoch": 1}]
    command("run", "flights")
    assert visible(box) == 100


def test_a_mistake_in_a_name_resets_nothing(folder: Path, command: Command) -> None:
    command("run", "flights")
    done = command("reset", "flights", "wether", "--yes")
    assert (done.status, "there is no sync 'wether'" in done.err) == (2, True)
    assert command("run", "flights", "--json").json[0]["rows_read"] == 0


def test_what_was_reset_before_a_sync_that_is_running_is_told(folder: Path, command: Command) -> None:
    command("run", "flights", "weather")
    with duckdb.connect(str(folder / "flights.duckdb")) as connection:
        lease = ("weather", "elsewhere|1|run", (datetime.now(UTC) + timedelta(minutes=5)).isoformat())
        connection.execute("INSERT INTO mixpanel.leases VALUES (?, ?, ?)", lease)
    done = command("reset", "flights", "weather", "--yes")
    assert (done.status, "weather is being run" in done.err) == (1, True)
    assert done.out == "flights: forgotten; the next run sends every row (epoch 1)\n"
