"""`mixpanel-wh audit`: what it prints, and its exit status."""

from pathlib import Path

import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.cli.conftest import Command, edit
from mixpanel_wh_tests.cli.test_run import change


def test_an_audit_of_ends_that_agree_ends_with_exit_status_0(folder: Path, command: Command) -> None:
    command("run")
    assert command("audit").status == 0
    found = command("audit", "--json")
    assert found.status == 0
    assert {one["sync"] for one in found.json} == {"flights", "weather", "planes", "airlines", "airports"}
    [flights] = command("audit", "flights", "--json").json
    assert {name: flights[name] for name in ("sync", "agrees", "expected", "held")} == {
        "sync": "flights", "agrees": True, "expected": 50, "held": 50,
    }  # fmt: skip
    assert flights["since"] == "2012-12-28T00:00:00Z"


def test_numbers_alone_are_compared_on_request(folder: Path, command: Command, box: Sandbox) -> None:
    command("run")
    requests.post(f"{box.url}/sandbox/faults", json={"kind": "server_error", "path": "/api/2.0/export"}, timeout=30)
    done = command("audit", "--counts")
    assert done.status == 0, done
    assert "flights: 50 records of the table" in done.out
    assert "agree in number" in done.out
    change(folder, "INSERT INTO flights VALUES (TIMESTAMP '2013-01-02 00:00:00', 99, 'N1')")
    [found] = command("audit", "flights", "--counts", "--json").json
    assert (found["missing"], found["compare"]) == (1, "counts")


def test_days_narrow_an_audit(folder: Path, command: Command) -> None:
    command("run", "flights")
    [none] = command("audit", "flights", "--from", "2020-01-01", "--to", "2020-01-31", "--json").json
    assert (none["agrees"], none["expected"]) == (True, 0)
    [all_of_them] = command("audit", "flights", "--from", "2012-01-01", "--json").json
    assert (all_of_them["since"], all_of_them["expected"]) == ("2012-01-01T00:00:00Z", 50)


def test_a_sync_that_cannot_be_read_back_does_not_keep_the_others_from_being_looked_at(
    folder: Path, command: Command
) -> None:
    command("run", "planes", "flights")
    change(folder, "ALTER TABLE planes DROP COLUMN tailnum")
    done = command("audit", "planes", "flights", "--json")
    assert done.status == 1
    assert [one["sync"] for one in done.json] == ["flights"]
    assert "tailnum" in done.err


def test_an_audit_that_finds_a_difference_shows_it_and_ends_with_exit_status_1(folder: Path, command: Command) -> None:
    command("run", "planes", "flights")
    change(folder, "UPDATE planes SET manufacturer = 'Boeing' WHERE tailnum = 'N3'")
    done = command("audit", "planes")
    assert done.status == 1
    assert "7 records of the table and Mixpanel differ: 1 differing" in done.out
    assert '"Boeing"' in done.out
    change(folder, "INSERT INTO flights VALUES (TIMESTAMP '2013-01-02 00:00:00', 99, 'N1')")
    found = command("audit", "flights", "--from", "2012-12-01", "--json")
    assert (found.status, found.json[0]["missing"]) == (1, 1)
    assert found.json[0]["differences"][0]["kind"] == "missing"


def test_an_audit_before_the_first_run_says_so(folder: Path, command: Command) -> None:
    done = command("audit", "planes")
    assert done.status == 1
    assert "the sync has not run yet" in done.out


def test_mistakes_of_a_person_are_one_sentence(folder: Path, command: Command, box: Sandbox) -> None:
    assert command("audit", "plane").status == 2
    assert command("audit", "planes", "--from", "yesterday").status == 2
    assert command("audit", "planes", "--from", "2024-02-01", "--to", "2024-01-01").status == 2
    edit(folder, "service_account: account, service_secret: hush", "identity: simplified")
    done = command("audit", "planes")
    assert done.status == 2
    assert "service_account" in done.err
    assert "Traceback" not in done.err


def test_an_audit_writes_nothing(folder: Path, command: Command, box: Sandbox) -> None:
    command("run", "planes")
    before = requests.get(f"{box.url}/sandbox/profiles", timeout=30).text
    state = command("status", "--json").json
    command("audit", "planes")
    assert requests.get(f"{box.url}/sandbox/profiles", timeout=30).text == before
    assert [one["last_run"] for one in command("status", "--json").json] == [one["last_run"] for one in state]
