"""`mixpanel-wh run`: runs syncs one after the other; one that fails does not keep the others from running."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.entry import FAILED, INTERNAL, MISTAKE, told
from mixpanel_wh.cli.progress import Show, shown_progress
from mixpanel_wh.cli.screen import Heading, count, print_json, print_table, rejected_row, size
from mixpanel_wh.config import load_project
from mixpanel_wh.config.project import Project
from mixpanel_wh.config.wiring import Connections, run
from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import RunOptions
from mixpanel_wh.engine.stopping import Stop, stoppable

HEADINGS = (
    Heading("sync"), Heading("mode", spare=3), Heading("read", True), Heading("inserted", True),
    Heading("updated", True), Heading("deleted", True), Heading("accepted", True, spare=1), Heading("rejected", True),
    Heading("requests", True, spare=5), Heading("sent", True, spare=4), Heading("seconds", True, spare=2),
    Heading("rows/s", True, spare=6), Heading("status"),
)  # fmt: skip
SAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """The numbers of one run, and the exit status that it asks for."""

    result: RunResult
    status: int = 0


def execute(options: Namespace) -> int:
    """Run the named syncs, or all of them; exit status 0 when every one succeeded."""
    project = load_project(project_file(options))
    names = chosen(project, options.syncs)
    asked = RunOptions(full_resync=options.full_resync, accept_guards=options.accept_guards)
    outcomes: list[Outcome] = []
    try:
        with stoppable() as stop, Connections(project) as connections, shown_progress(options.json) as show:
            outcomes.extend(run_one(name, connections, asked, show, stop, options.debug) for name in names)
    finally:  # syncs that had ended before Ctrl-C are told of as well
        _report([outcome.result for outcome in outcomes], options.json)
    return exit_status([outcome.status for outcome in outcomes])


def chosen(project: Project, names: Sequence[str]) -> list[str]:
    """The named syncs without repeats, all of them when none is named; ConfigError lists every unknown name."""
    mistakes = []
    for name in names:
        try:
            project.sync(name)
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return list(dict.fromkeys(names)) or project.names


def run_one(name: str, connections: Connections, asked: RunOptions, show: Show, stop: Stop, debug: bool) -> Outcome:
    """Run one sync; an error is told at once and becomes a failed result, so that the next sync still runs."""
    try:
        return Outcome(run(connections.project, name, asked, show, connections))
    except Exception as error:
        if stop.asked:
            raise
        named = str(error).startswith(f"sync {name}")
        status = told(error, debug, "" if named else f"sync {name}: ")
        return Outcome(_failed(connections.project, name, error), status)


def _failed(project: Project, name: str, error: Exception) -> RunResult:
    """The numbers that the error brings along, or a result without any."""
    if isinstance(error, MixpanelWhError):
        if error.result is not None:
            return error.result
        message = str(error)
    else:
        message = f"an error of mixpanel-wh itself ({type(error).__name__})"
    spec = project.sync(name)
    return RunResult(name, spec.mode.value, spec.record.value, "", "failed", message)


def exit_status(statuses: Sequence[int]) -> int:
    """An error of ours outweighs a failed run, which outweighs a person's mistake."""
    return next((status for status in (INTERNAL, FAILED, MISTAKE) if status in statuses), 0)


def _report(results: list[RunResult], as_json: bool) -> None:
    if as_json:
        print_json([result.as_dict() for result in results])
        return
    print_table(HEADINGS, [_row(result) for result in results])
    for result in results:
        _tell_details(result)


def _row(result: RunResult) -> tuple[str, ...]:
    numbers = (
        result.rows_read, result.inserted, result.updated, result.deleted, result.accepted, result.rejected,
        result.requests,
    )  # fmt: skip
    return (
        result.sync, result.mode, *map(count, numbers), size(result.bytes_sent), f"{result.seconds:,.1f}",
        count(result.rows_per_second), result.status,
    )  # fmt: skip


def _tell_details(result: RunResult) -> None:
    """What the numbers alone do not say: a note of the run, and why rows were rejected."""
    if result.status == "succeeded" and result.message:
        print(f"{result.sync}: {result.message}", file=sys.stderr)
    for rejection in result.rejections[:SAMPLES]:
        print(f"{result.sync}: {rejected_row(rejection.row_key, rejection.column, rejection.reason)}", file=sys.stderr)
    if result.rejected > SAMPLES:
        more = f"{result.sync}: and {result.rejected - SAMPLES:,} more rejected rows"
        print(f"{more}; mixpanel-wh rejected {result.sync} shows them", file=sys.stderr)
