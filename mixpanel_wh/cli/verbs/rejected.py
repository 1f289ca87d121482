"""`mixpanel-wh rejected`: which rows were not delivered, and why; read from the warehouse."""

import sys
from argparse import Namespace
from collections import Counter

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import Heading, print_json, print_table
from mixpanel_wh.config import load_project
from mixpanel_wh.config.rejected import RejectedRow, rejected_rows

HEADINGS = (
    Heading("sync", spare=1), Heading("rejected at", spare=2), Heading("by", spare=3), Heading("row key"),
    Heading("column"), Heading("reason"),
)  # fmt: skip
BY = {"rules": "a rule", "mixpanel": "Mixpanel"}


def execute(options: Namespace) -> int:
    """Print the newest rejections of each sync; exit status 0, whether there are any or not."""
    project = load_project(project_file(options))
    found = rejected_rows(project, options.syncs, options.rows)
    if options.json:
        print_json([one.as_dict() for one in found])
        return 0
    if not found:
        print("no row was rejected")
        return 0
    print_table(HEADINGS, [_row(one) for one in found])
    for sync, shown in Counter(one.sync for one in found).items():
        if shown == options.rows:
            print(f"{sync}: the newest {shown:,}; --rows shows more", file=sys.stderr)
    return 0


def _row(one: RejectedRow) -> tuple[str, ...]:
    at = one.rejected_at.replace("T", " ")[:19]
    return one.sync, at, BY.get(one.origin, one.origin), one.row_key or "", one.column or "", one.reason
