"""The verbs that only look: preview, status, check; and the sandbox."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from mixpanel_wh.cli.verbs.check import lines
from mixpanel_wh.cli.verbs.preview import values
from mixpanel_wh.config.health import Finding
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.cli.conftest import Command, edit
from mixpanel_wh_tests.cli.test_run import change
from mixpanel_wh_tests.config.writing import SECRET


def test_preview_shows_records_as_they_would_be_sent_without_the_token(
    folder: Path, command: Command, box: Sandbox
) -> None:
    events = command("preview", "flights", "--rows", "2", "--json")
    assert events.status == 0
    assert [one["event"] for one in events.json["records"]] == ["Flight", "Flight"]
    assert events.json["rejections"] == []
    profiles = command("preview", "planes", "--json")
    assert {one["$token"] for one in profiles.json["records"]} == {"***"}
    assert SECRET not in profiles.out + command("preview", "planes").out
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0


def test_preview_shows_the_statement_on_demand(folder: Path, command: Command) -> None:
    shown = command("preview", "flights", "--sql").out
    assert shown.startswith("-- event = Flight\n")
    assert 'FROM "main"."flights" WHERE TRUE' in shown


def test_preview_of_a_lookup_table_begins_with_its_header(folder: Path, command: Command) -> None:
    assert command("preview", "airports", "--rows", "1").out.splitlines() == ["faa,name", "P0,Port 0"]
    shown = command("preview", "airports", "--rows", "1", "--json").json
    assert (shown["header"], shown["records"]) == ("faa,name", ["P0,Port 0"])


def test_preview_shows_rejections_beside_the_records(folder: Path, command: Command) -> None:
    change(folder, "UPDATE planes SET tailnum = NULL WHERE tailnum = 'N0'")
    done = command("preview", "planes", "--rows", "10")
    assert len(done.out.splitlines()) == 6
    assert "rejected: a row without a key, column tailnum: " in done.err
    assert len(command("preview", "planes", "--rows", "10", "--json").json["rejections"]) == 1


def test_preview_of_an_empty_table_says_so(folder: Path, command: Command) -> None:
    change(folder, "DELETE FROM planes")
    done = command("preview", "planes")
    assert (done.status, done.out, done.err) == (0, "", "main.planes has no rows\n")


def test_a_row_that_becomes_two_records_is_shown_as_two() -> None:
    assert values('{"a":1}\n{"b":2}') == [{"a": 1}, {"b": 2}]
    assert values('{"a":1},{"b":2}') == [{"a": 1}, {"b": 2}]
    assert values('x,"y"') == ['x,"y"']


def test_status_shows_every_sync_before_and_after_a_run(folder: Path, command: Command) -> None:
    assert {one["state"] for one in command("status", "--json").json} == {"never ran"}
    command("run", "flights", "weather")
    shown = {one["sync"]: one for one in command("status", "--json").json}
    assert shown["flights"]["state"] == "succeeded"
    assert shown["flights"]["last_run"]["rows_read"] == 50
    assert shown["weather"]["cursor"] == "2013-01-01 19:00:00"
    lines = command("status").out.splitlines()
    assert lines[0].split() == ["sync", "record", "mode", "table", "state", "last", "run", "read", "rejected", "cursor",
                                "pending", "lag"]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == list(shown)


def test_status_tells_why_the_last_run_failed(folder: Path, command: Command, box: Sandbox) -> None:
    edit(folder, "time: departure_at", "time: departure_at, row_key: tailnum")
    command("run", "flights")
    done = command("status")
    assert done.status == 0
    assert "sync flights: row_key (tailnum) must be unique" in done.err


def test_check_of_a_project_in_order_ends_with_exit_status_0(folder: Path, command: Command) -> None:
    done = command("check")
    assert done.status == 0
    assert all(line.startswith("ok     ") for line in done.out.splitlines())
    assert command("check", "--json").json["ok"] is True


def test_check_tells_every_problem_and_ends_with_exit_status_1(folder: Path, command: Command) -> None:
    edit(folder, "main.planes", "main.plane")
    edit(folder, "time: departure_at", "time: departed_at")
    done = command("check")
    assert done.status == 1
    assert "wrong  sync planes\n       sync planes: there is no table main.plane" in done.out
    assert "main.flights has no column 'departed_at', which time names (did you mean 'departure_at'?)" in done.out
    found = command("check", "--json").json
    assert (found["ok"], [one["subject"] for one in found["problems"]]) == (False, ["sync flights", "sync planes"])


def test_advice_stands_below_a_sync_that_is_well(folder: Path, command: Command) -> None:
    told = lines(Finding("sync flights", advice=("every row is compared: run  ALTER",)))
    assert told == ["ok     sync flights", "       every row is compared: run  ALTER"]
    assert command("check", "--json").json["advice"] == []


def test_check_lists_mistakes_of_the_project_file_as_json_too(folder: Path, command: Command) -> None:
    edit(folder, "mode: mirror, event", "mode: mirrror, event")
    done = command("check", "--json")
    assert done.status == 2
    assert "'mirrror' is not a mode" in done.json["problems"][0]["problem"]


def test_the_sandbox_runs_until_it_is_told_to_stop_and_keeps_what_it_got(folder: Path) -> None:
    command = [sys.executable, "-m", "mixpanel_wh.cli", "sandbox", "--port", "0", "--data", "box.duckdb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert requests.get(f"{url}/sandbox/summary", timeout=30).json()["requests"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    assert (folder / "box.duckdb").exists()


def test_a_port_that_is_in_use_is_one_sentence(folder: Path, command: Command, box: Sandbox) -> None:
    done = command("sandbox", "--port", box.url.rpartition(":")[2])
    assert done.status == 1
    assert "is in use" in done.err
    assert "Traceback" not in done.err


def test_bench_measures_a_sync_without_a_word_to_mixpanel(folder: Path, command: Command, box: Sandbox) -> None:
    (measured,) = command("bench", "--sync", "flights", "--json").json
    assert (measured["name"], measured["rows"], measured["rows_per_second"] > 0) == ("flights", 50, True)
    assert command("bench", "--sync", "planes", "--rows", "3", "--json").json[0]["rows"] == 3
    assert command("bench", "--sync", "flights").out.split()[-7:-5] == ["flights", "50"]
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0
    assert command("status", "--json").json[0]["state"] == "never ran"
    wrong = command("bench", "--sync", "flihgts")
    assert (wrong.status, wrong.out) == (2, "")
    assert "did you mean 'flights'?" in wrong.err


def test_setup_sql_prints_the_statements_of_each_warehouse_and_connects_to_none(folder: Path, command: Command) -> None:
    quiet = command("setup-sql")
    assert (quiet.status, quiet.out) == (0, "")
    assert quiet.err == "warehouse main has no users: there is nothing to set up\n"
    text = (folder / "mixpanel_wh.yaml").read_text()
    start, end = text.index("warehouse:"), text.index("destination")
    postgres = "warehouse:\n  type: postgres\n  host: nowhere.invalid\n  database: shop\n  user: mixpanel\n  password: pa55\n"
    (folder / "mixpanel_wh.yaml").write_text(text[:start] + postgres + text[end:])
    done = command("setup-sql")
    assert done.status == 0
    assert done.out.startswith('-- warehouse main: to be run by an administrator\nCREATE ROLE "mixpanel" LOGIN;\n')
    assert 'GRANT SELECT ON "main"."flights" TO "mixpanel";' in done.out.splitlines()
    assert "pa55" not in done.out + done.err
    assert command("setup-sql", "--json").json["main"][0] == 'CREATE ROLE "mixpanel" LOGIN'
