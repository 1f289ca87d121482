"""The command line itself: verbs, options, which project file is meant, and errors without a stack trace."""

import subprocess
import sys
from pathlib import Path

import pytest

from mixpanel_wh.cli.arguments import VERBS, parse
from mixpanel_wh.cli.entry import INTERNAL, told
from mixpanel_wh_tests.cli.conftest import Command, edit
from mixpanel_wh_tests.config.writing import SECRET


def test_help_names_every_verb(command: Command) -> None:
    for arguments in ((), ("--help",)):
        done = command(*arguments)
        assert done.status == 0
        assert all(f"    {verb}" in done.out for verb in VERBS)


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS.values() if not verb.forwarded])
def test_every_verb_has_help_of_its_own(command: Command, verb: str) -> None:
    done = command(verb, "--help")
    assert done.status == 0
    assert f"usage: mixpanel-wh {verb}" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "invalid choice: 'nothing'"),
        (("run", "--nothing"), "run does not take --nothing"),
        (("preview",), "the following arguments are required: SYNC"),
        (("preview", "one", "--rows", "0"), "'0' is not a whole number above 0"),
        (("sandbox", "--port", "70000"), "'70000' is not a port"),
        (("status", "extra"), "status does not take extra"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_status_2(command: Command, arguments: tuple[str, ...], told: str) -> None:
    done = command(*arguments)
    assert done.status == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_shared_options_may_stand_before_or_after_the_verb() -> None:
    before, _ = parse(["--project", "a.yaml", "--json", "run", "one"])
    after, _ = parse(["run", "one", "--project", "a.yaml", "--json"])
    assert vars(before) == vars(after)


@pytest.mark.parametrize("verb", ["demo", "bench"])
def test_demo_and_bench_read_the_rest_of_the_line_themselves(verb: str) -> None:
    assert parse([verb, "--rows", "5", "--json"])[1] == ["--rows", "5", "--json"]
    assert parse(["--json", verb, "--help"])[1] == ["--help", "--json"]


def test_bench_is_reached_through_the_command_line(command: Command) -> None:
    done = command("bench", "--help")
    assert done.status == 0
    assert "usage: mixpanel-wh bench" in done.out


def test_the_project_file_is_the_named_one_else_the_environments_else_the_folders(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("status").status == 0
    monkeypatch.setenv("MIXPANEL_WH_PROJECT", str(folder / "other.yaml"))
    assert "there is no project file" in command("status").err
    assert command("--project", "mixpanel_wh.yaml", "status").status == 0
    monkeypatch.setenv("MIXPANEL_WH_PROJECT", str(folder / "mixpanel_wh.yaml"))
    monkeypatch.chdir("/")
    assert command("status").status == 0


@pytest.mark.parametrize("verb", [("run",), ("status",), ("check",), ("preview", "flights")])
def test_a_wrong_project_file_lists_every_mistake_with_its_line_and_exit_status_2(
    folder: Path, command: Command, verb: tuple[str, ...]
) -> None:
    edit(folder, "mode: mirror, event", "mode: mirrror, event")
    edit(folder, "distinct_id: tailnum", "distinct_idd: tailnum")
    done = command(*verb)
    assert done.status == 2
    assert "mixpanel_wh.yaml:5: syncs.flights.mode: 'mirrror' is not a mode; write one of mirror" in done.err
    assert (
        "mixpanel_wh.yaml:7: syncs.planes.distinct_idd: a sync has no such key (did you mean 'distinct_id'?)"
        in done.err
    )
    assert "mixpanel_wh.yaml:7: syncs.planes.distinct_id: missing" in done.err
    assert "Traceback" not in done.err


def test_the_schema_is_printed_as_json(command: Command) -> None:
    done = command("schema")
    assert done.status == 0
    assert done.json["title"] == "mixpanel_wh project file"


def test_an_error_of_our_own_shows_no_words_that_may_be_secret_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    failure = AttributeError(SECRET)
    assert told(failure, debug=False) == INTERNAL
    quiet = capsys.readouterr().err
    assert "this is an error of mixpanel-wh itself (AttributeError" in quiet
    assert "please report it with the trace that --debug shows" in quiet
    assert SECRET not in quiet
    assert told(failure, debug=True) == INTERNAL
    assert f"AttributeError: {SECRET}" in capsys.readouterr().err


def test_debug_shows_where_a_mistake_was_found(folder: Path, command: Command) -> None:
    done = command("--debug", "preview", "nothing")
    assert done.status == 2
    assert "Traceback" in done.err
    assert done.err.rstrip().splitlines()[-1].startswith("there is no sync 'nothing'")


def test_nobody_reading_the_output_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "mixpanel_wh.cli", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_help_and_status_load_nothing_heavy(folder: Path) -> None:
    heavy = {"pyarrow", "pydantic", "requests", "dagster", "starlette", "numpy", "pandas"}
    for arguments, forbidden in ((["--help"], heavy | {"duckdb", "yaml", "rich"}), (["status"], heavy | {"rich"})):
        code = (
            "import sys\nfrom mixpanel_wh.cli import main\n"
            f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
            f"print([name for name in {sorted(forbidden)!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"
