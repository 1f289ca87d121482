"""`mixpanel-wh audit`: tables against what Mixpanel holds of them, in numbers and a sample of the differences."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.entry import told
from mixpanel_wh.cli.progress import Show, shown_progress
from mixpanel_wh.cli.screen import Heading, count, print_json, print_table
from mixpanel_wh.cli.verbs.run import chosen, exit_status
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import Connections, audit
from mixpanel_wh.engine.audit_result import AuditOptions, AuditResult, Compare
from mixpanel_wh.engine.comparison import Difference
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.stopping import Stop, stoppable

NUMBERS = (
    Heading("sync"), Heading("rows", True, spare=1), Heading("rejected", True, spare=2), Heading("expected", True),
    Heading("in Mixpanel", True), Heading("missing", True), Heading("extra", True), Heading("differing", True),
)  # fmt: skip
SAMPLE = (Heading("sync"), Heading("what"), Heading("record"), Heading("property"), Heading("table"),
          Heading("Mixpanel"))  # fmt: skip


def execute(options: Namespace) -> int:
    """Print what the audits came to; exit status 0 when both ends agree, 1 when they differ or cannot be read."""
    project = load_project(project_file(options))
    names, asked = chosen(project, options.syncs), asked_for(options)
    found: list[AuditResult] = []
    statuses: list[int] = []
    try:
        with (
            stoppable() as stop,
            Connections(project, observe=True) as connections,
            shown_progress(options.json) as show,
        ):
            for name in names:
                statuses.append(_audited(name, connections, asked, show, stop, options.debug, found))
    finally:  # what had ended before Ctrl-C is told as well
        _report(found, options.json)
    return exit_status(statuses)


def asked_for(options: Namespace) -> AuditOptions:
    """The options as the engine takes them; ConfigError when no day lies between --from and --to."""
    if options.since and options.upto and options.since > options.upto:
        raise ConfigError([f"--from {options.since} is later than --to {options.upto}"])
    return AuditOptions(
        Compare.COUNTS if options.counts else Compare.CONTENT,
        since=_ms(options.since) if options.since else None,
        before=_ms(options.upto + timedelta(days=1)) if options.upto else None,
    )


def _audited(
    name: str, connections: Connections, asked: AuditOptions, show: Show, stop: Stop, debug: bool,
    found: list[AuditResult],
) -> int:  # fmt: skip
    """Audit one sync into `found` and return its exit status; an error is told at once, and the next sync is still
    looked at."""
    try:
        result = audit(connections.project, name, asked, show, connections)
    except Exception as error:
        if stop.asked:
            raise
        return told(error, debug, "" if str(error).startswith(f"sync {name}") else f"sync {name}: ")
    found.append(result)
    return int(not result.agrees)


def _ms(moment: date) -> int:
    return int(datetime(moment.year, moment.month, moment.day, tzinfo=UTC).timestamp()) * 1000


def _report(found: Sequence[AuditResult], as_json: bool) -> None:
    if as_json:
        print_json([one.as_dict() for one in found])
    elif found:
        print_table(NUMBERS, [_numbers(one) for one in found])
        rows = [_difference(one.sync, each) for one in found for each in one.differences]
        if rows:
            print()
            print_table(SAMPLE, rows)
        print()
        for one in found:
            print(f"{one.sync}: {one.sentence}")


def _numbers(one: AuditResult) -> tuple[str, ...]:
    numbers = (one.rows, one.rejected, one.expected, one.held, one.missing, one.extra, one.differing)
    return one.sync, *map(count, numbers)


def _difference(sync: str, one: Difference) -> tuple[str, ...]:
    return sync, one.kind, one.record, one.property_name or "", one.expected or "", one.held or ""
