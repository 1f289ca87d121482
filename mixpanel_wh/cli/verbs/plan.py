"""`mixpanel-wh plan`: what a run would do now, in numbers, without sending anything."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.entry import told
from mixpanel_wh.cli.progress import Show, shown_progress
from mixpanel_wh.cli.screen import print_json, rejected_row, size, span
from mixpanel_wh.cli.verbs.run import SAMPLES, chosen, exit_status
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import Connections, plan
from mixpanel_wh.engine.plan import Plan, PlanOptions, Unfinished
from mixpanel_wh.engine.stopping import Stop, stoppable

WHAT = {"event": "events", "user": "user profiles", "group": "group profiles", "lookup": "lookup table",
        "history": "profile history"}  # fmt: skip


def execute(options: Namespace) -> int:
    """Print the plans; exit status 0, or 1 when a guard would stop a run or a sync cannot be planned."""
    project = load_project(project_file(options))
    names, asked = chosen(project, options.syncs), PlanOptions(rows=None if options.exact else options.rows)
    found: list[Plan] = []
    statuses: list[int] = []
    try:
        with stoppable() as stop, Connections(project) as connections, shown_progress(options.json) as show:
            for name in names:
                statuses.append(_planned(name, connections, asked, show, stop, options.debug, found))
    finally:  # what had ended before Ctrl-C is told as well
        _report(found, options.json)
    return exit_status(statuses)


def _planned(
    name: str, connections: Connections, asked: PlanOptions, show: Show, stop: Stop, debug: bool, found: list[Plan]
) -> int:
    """Plan one sync into `found` and return its exit status; an error is told at once, and the next sync is still
    looked at."""
    try:
        made = plan(connections.project, name, asked, show, connections)
    except Exception as error:
        if stop.asked:
            raise
        return told(error, debug, "" if str(error).startswith(f"sync {name}") else f"sync {name}: ")
    found.append(made)
    return int(made.would_stop)


def _report(found: Sequence[Plan], as_json: bool) -> None:
    if as_json:
        print_json([one.as_dict() for one in found])
        return
    for one in found:
        print(f"{one.sync}: {WHAT[one.record]} of {one.table}, {one.mode}")
        for line in lines(one):
            print(f"  {line}")
    if len(found) > 1:
        print(total(found))


def lines(one: Plan) -> Iterator[str]:
    """What there is to say of a plan."""
    if one.unfinished:
        yield _first_finished(one.unfinished)
        return
    if one.rows:
        yield _rows(one)
        yield _cost(one)
        yield from _rejections(one)
    else:
        yield _nothing(one)
    if not one.exact:
        yield f"estimated from the first {number(one.encoded, 'row')}; --exact encodes all {one.rows:,}"
    if one.note and not _is_why(one):
        yield one.note
    for passed in one.guards:
        about = "" if one.exact or passed.guard != "max_rejected" else "about "
        yield (f"a run would stop: {about}{passed.rows:,} of {number(passed.total, 'row')} pass {passed.guard}; "
               "run --accept-guards lets them through")  # fmt: skip


def _first_finished(unfinished: Unfinished) -> str:
    begun = f"the run that began at {moment(unfinished.started_at)}"
    if unfinished.stopped:
        return f"{begun} was stopped by a guard: the next one keeps what was delivered, and looks for changes anew"
    return f"the next run first finishes {begun}: {number(unfinished.rows_left, 'row')} of it are left"


def _nothing(one: Plan) -> str:
    if one.committed_at and one.mode in ("mirror", "append"):
        return f"nothing to send: nothing is new since the last run, {moment(one.committed_at)}"
    return f"nothing to send: {one.note}" if _is_why(one) else "nothing to send"


def _is_why(one: Plan) -> bool:
    """Whether the note says why there is nothing to send."""
    return not one.rows and one.mode == "one_time" and bool(one.note)


def _rows(one: Plan) -> str:
    if one.mode != "mirror" or one.record == "lookup":
        return number(one.rows, "row")
    return f"{number(one.rows, 'row')}: {one.inserted:,} inserted, {one.updated:,} updated, {one.deleted:,} deleted"


def _cost(one: Plan) -> str:
    """What the rows become on the wire."""
    billed = f", {number(one.billable_events, 'billable event')}" if one.billable_events else ""
    rate = "" if one.seconds is None else f", {_lasting(one.seconds)} at the rate limit"
    return f"{_about(one)}{number(one.requests, 'request')}, {size(one.bytes_raw)} before compression{rate}{billed}"


def _rejections(one: Plan) -> Iterator[str]:
    if not one.rejected:
        return
    first = ", the first of them:" if one.rejected > SAMPLES else ":"
    yield f"{_about(one)}{number(one.rejected, 'row')} rejected{first}"
    for rejection in one.rejections[:SAMPLES]:
        yield f"  {rejected_row(rejection.row_key, rejection.column, rejection.reason)}"


def total(found: Sequence[Plan]) -> str:
    """What all plans come to: events are what Mixpanel bills."""
    about = "" if all(one.exact for one in found) else "about "
    seconds = [one.seconds for one in found if one.seconds is not None]
    rate = f", {_lasting(sum(seconds))} at the rate limit" if seconds else ""
    events = number(sum(one.billable_events for one in found), "billable event")
    requests = number(sum(one.requests for one in found), "request")
    return f"in all: {about}{requests}{rate}, {events}"


def _about(one: Plan) -> str:
    return "" if one.exact else "about "


def _lasting(seconds: float) -> str:
    return span(seconds) if seconds >= 1 else "less than 1 s"


def number(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def moment(written: str) -> str:
    """A moment in UTC as `2026-01-31 12:00:00 UTC`."""
    return f"{written.replace('T', ' ')[:19]} UTC"
