"""`mixpanel-wh status`: how every sync stands, read from the warehouse; it starts at once."""

import sys
from argparse import Namespace

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import Heading, count, print_json, print_table, span
from mixpanel_wh.config import load_project
from mixpanel_wh.config.status import SyncStatus, status

HEADINGS = (
    Heading("sync"), Heading("record", spare=6), Heading("mode", spare=2), Heading("table", spare=5), Heading("state"),
    Heading("last run", spare=1), Heading("read", True, spare=3), Heading("rejected", True, spare=4),
    Heading("cursor", spare=7), Heading("pending", spare=8), Heading("lag", True),
)  # fmt: skip


def execute(options: Namespace) -> int:
    """Print one line a sync; exit status 1 when a warehouse cannot be read."""
    found = status(load_project(project_file(options)))
    if options.json:
        print_json([one.as_dict() for one in found])
    else:
        print_table(HEADINGS, [_row(one) for one in found])
        for told in dict.fromkeys(one.message if one.state == "unknown" else _note(one) for one in found):
            if told:
                print(told, file=sys.stderr)
    return int(any(one.state == "unknown" for one in found))


def _row(one: SyncStatus) -> tuple[str, ...]:
    last = one.last_run or {}
    newest = (one.pending if one.state == "unfinished" else None) or last
    started = str(newest.get("started_at") or "").replace("T", " ")[:19]
    return (
        one.sync, one.record, one.mode, one.table, one.state, started, count(last.get("rows_read")),
        count(last.get("rejected")), one.cursor or "", _pending(one), span(one.lag_seconds),
    )  # fmt: skip


def _pending(one: SyncStatus) -> str:
    if one.pending is None:
        return ""
    return f"{one.pending['acknowledged']:,} of {one.pending['rows']:,} rows"


def _note(one: SyncStatus) -> str:
    """Why the last run did not succeed."""
    if one.state not in ("failed", "stopped") or not one.message:
        return ""
    return one.message if one.message.startswith(f"sync {one.sync}") else f"sync {one.sync}: {one.message}"
