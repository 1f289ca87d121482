"""`mixpanel-wh plan`: what it prints, and its exit status."""

from dataclasses import replace
from pathlib import Path

import requests

from mixpanel_wh.cli.verbs.plan import lines, total
from mixpanel_wh.engine.guards import Passed
from mixpanel_wh.engine.plan import Plan, Unfinished
from mixpanel_wh.engine.result import Rejection
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.cli.conftest import Command, edit
from mixpanel_wh_tests.cli.test_run import change

FLIGHTS = Plan("flights", "mirror", "event", "main.flights", rows=3000, inserted=2000, updated=900, deleted=100,
               encoded=3000, records=3100, requests=2, bytes_raw=1_200_000, seconds=75.2, billable_events=3100)  # fmt: skip


def test_a_plan_tells_of_every_sync_in_a_block_and_sends_nothing(folder: Path, command: Command, box: Sandbox) -> None:
    done = command("plan")
    assert (done.status, done.err) == (0, "")
    printed = done.out.splitlines()
    assert printed[0] == "flights: events of main.flights, mirror"
    assert printed[1] == "  50 rows: 50 inserted, 0 updated, 0 deleted"
    assert printed[2].startswith("  1 request, ")
    assert printed[2].endswith(" before compression, 50 billable events")
    assert printed[-1] == "in all: 6 requests, 70 billable events"
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0
    assert {one["state"] for one in command("status", "--json").json} == {"never ran"}
    assert [one["rows_read"] for one in command("run", "--json").json] == [50, 20, 7, 3, 4]
    again = command("plan", "flights").out.splitlines()
    assert again[1].startswith("  nothing to send: nothing is new since the last run, 20")
    assert again[1].endswith(" UTC")


def test_a_plan_as_json_holds_what_the_run_then_does(folder: Path, command: Command) -> None:
    command("run", "flights")
    change(folder, "UPDATE flights SET tailnum = 'N99' WHERE flight IN (3, 4)")
    change(folder, "INSERT INTO flights VALUES (TIMESTAMP '2013-01-02 00:00:00', 99, 'N1')")
    planned = command("plan", "planes", "flights", "--json")
    assert planned.status == 0
    assert [one["sync"] for one in planned.json] == ["planes", "flights"]
    ran = command("run", "planes", "flights", "--json").json
    for name in ("inserted", "updated", "deleted", "rejected", "records", "requests", "bytes_raw"):
        assert [one[name] for one in planned.json] == [one[name] for one in ran]
    assert planned.json[1]["billable_events"] == ran[1]["records"] == 5


def test_more_rows_than_are_encoded_are_an_estimate(folder: Path, command: Command) -> None:
    done = command("plan", "flights", "--rows", "10")
    assert "  about 5 requests, " in done.out
    assert "  estimated from the first 10 rows; --exact encodes all 50" in done.out.splitlines()
    assert command("plan", "flights", "--exact").out == command("plan", "flights").out
    wrong = command("plan", "flights", "--exact", "--rows", "5")
    assert wrong.status == 2
    assert "not allowed with argument" in wrong.err


def test_rejections_are_shown_with_their_reasons(folder: Path, command: Command) -> None:
    change(folder, "UPDATE planes SET tailnum = NULL WHERE tailnum = 'N0'")
    done = command("plan", "planes")
    assert done.status == 0
    assert "  1 row rejected:\n    a row without a key, column tailnum: " in done.out


def test_a_guard_that_would_stop_the_run_is_exit_status_1(folder: Path, command: Command) -> None:
    command("run", "flights")
    edit(folder, "time: departure_at", "time: departure_at, max_deletes: 5")
    change(folder, "DELETE FROM flights WHERE flight < 10")
    done = command("plan", "flights")
    assert done.status == 1
    assert "  a run would stop: 10 of 40 rows pass max_deletes; run --accept-guards lets" in done.out
    assert command("plan", "flights", "--json").json[0]["would_stop"] is True
    assert command("run", "flights").status == 1


def test_mistakes_are_one_sentence_and_keep_no_other_sync_from_being_planned(folder: Path, command: Command) -> None:
    wrong = command("plan", "flihgts")
    assert (wrong.status, wrong.out) == (2, "")
    assert "did you mean 'flights'?" in wrong.err
    edit(folder, "main.planes", "main.plane")
    done = command("plan", "planes", "flights")
    assert done.status == 1
    assert done.err.startswith("sync planes: there is no table main.plane")
    assert done.out.startswith("flights: ")


def test_what_there_is_to_say_of_a_plan() -> None:
    assert list(lines(FLIGHTS)) == [
        "3,000 rows: 2,000 inserted, 900 updated, 100 deleted",
        "2 requests, 1.2 MB before compression, 1 min 15 s at the rate limit, 3,100 billable events",
    ]
    rejections = tuple(Rejection(f"k{n}", "word", "too long") for n in range(5))
    guess = replace(FLIGHTS, mode="append", encoded=1000, exact=False, rejected=600, seconds=0.2, rejections=rejections,
                    note="2 rows have no written", guards=(Passed("max_rejected", 600, 3000),))  # fmt: skip
    assert list(lines(guess)) == [
        "3,000 rows",
        "about 2 requests, 1.2 MB before compression, less than 1 s at the rate limit, 3,100 billable events",
        "about 600 rows rejected, the first of them:",
        "  row k0, column word: too long",
        "  row k1, column word: too long",
        "  row k2, column word: too long",
        "estimated from the first 1,000 rows; --exact encodes all 3,000",
        "2 rows have no written",
        "a run would stop: about 600 of 3,000 rows pass max_rejected; run --accept-guards lets them through",
    ]
    sent = replace(FLIGHTS, mode="one_time", rows=0, committed_at="2026-01-31T12:00:00+00:00", note="sent once already")
    assert list(lines(sent)) == ["nothing to send: sent once already"]
    assert total([FLIGHTS, guess]) == "in all: about 4 requests, 1 min 15 s at the rate limit, 6,200 billable events"


def test_an_unfinished_run_is_all_that_a_plan_tells_of() -> None:
    unfinished = Unfinished("run", "2026-01-31T12:00:00.5+00:00", 1000, stopped=False)
    plan = Plan("flights", "mirror", "event", "main.flights", unfinished=unfinished)
    began = "the run that began at 2026-01-31 12:00:00 UTC"
    assert list(lines(plan)) == [f"the next run first finishes {began}: 1,000 rows of it are left"]
    stopped = replace(plan, unfinished=replace(unfinished, stopped=True))
    assert list(lines(stopped)) == [
        f"{began} was stopped by a guard: the next one keeps what was delivered, and looks for changes anew"
    ]
