"""`mixpanel-wh rejected`: which rows were not delivered, and why."""

from pathlib import Path

from mixpanel_wh_tests.cli.conftest import Command
from mixpanel_wh_tests.cli.test_run import change

KEYLESS = "UPDATE planes SET tailnum = NULL WHERE tailnum = 'N0'"
UNDATED = "UPDATE flights SET departure_at = NULL WHERE flight < 30"


def test_rejected_rows_are_shown_with_sync_key_column_and_reason(folder: Path, command: Command) -> None:
    change(folder, KEYLESS)
    assert command("run", "planes").status == 0
    [row] = command("rejected", "planes", "--json").json
    assert (row["sync"], row["row_key"], row["column"], row["origin"]) == ("planes", None, "tailnum", "rules")
    done = command("rejected")
    heads, line = done.out.splitlines()
    assert heads.split() == ["sync", "rejected", "at", "by", "row", "key", "column", "reason"]
    assert line.startswith("planes ")
    assert line.endswith(f"tailnum  {row['reason']}")
    assert (done.status, done.err) == (0, "")


def test_where_nothing_was_rejected_one_sentence_says_so(folder: Path, command: Command) -> None:
    assert command("rejected").out == "no row was rejected\n"
    command("run", "airlines")
    assert command("rejected", "airlines").out == "no row was rejected\n"
    assert command("rejected", "airlines", "--json").json == []


def test_the_newest_are_shown_and_a_run_says_where_to_find_the_rest(folder: Path, command: Command) -> None:
    change(folder, UNDATED)
    ran = command("run", "flights", "--accept-guards")
    assert "more rejected rows; mixpanel-wh rejected flights shows them" in ran.err
    done = command("rejected", "flights", "--rows", "4")
    assert len(done.out.splitlines()) == 5
    assert done.err == "flights: the newest 4; --rows shows more\n"
    assert len(command("rejected", "--rows", "100", "--json").json) == 30


def test_a_run_that_a_guard_stopped_leaves_its_reasons_to_read(folder: Path, command: Command) -> None:
    change(folder, UNDATED)
    assert command("run", "flights").status == 1
    found = command("rejected", "flights", "--rows", "100", "--json").json
    assert {(one["column"], one["origin"]) for one in found} == {("departure_at", "rules")}


def test_an_unknown_sync_and_a_missing_warehouse_are_told(folder: Path, command: Command) -> None:
    unknown = command("rejected", "flihgts")
    assert (unknown.status, "there is no sync 'flihgts'" in unknown.err) == (2, True)
    (folder / "flights.duckdb").unlink()
    gone = command("rejected", "flights")
    assert (gone.status, gone.out) == (1, "")
    assert "flights.duckdb" in gone.err
