"""`mixpanel-wh preview`: the records of a table's first rows as they would be sent, with the token left out."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import print_json, rejected_row
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import preview


def execute(options: Namespace) -> int:
    """Print the records, then the rejections among the same rows; exit status 0."""
    project = load_project(project_file(options))
    spec = project.sync(options.sync)
    found = preview(project, spec.name, options.rows)
    lines = [plain(line, project.destination_of(spec).token) for line in found.lines]
    header = found.framing_prefix.removeprefix("[").rstrip("\r\n")
    if options.json:
        records = [record for line in lines for record in values(line)]
        shown = {"sync": found.sync, "records": records, "rejections": list(found.rejections)}
        statement = {"sql": found.sql} if options.sql else {}
        print_json(shown | ({"header": header} if header else {}) | statement)
        return 0
    if options.sql:
        print(found.sql, end="\n\n")
    for line in [header, *lines] if header else lines:
        print(line)
    _tell_rejections(found.rejections)
    if not lines and not found.rejections:
        print(f"{spec.table} has no rows", file=sys.stderr)
    return 0


def plain(line: str, secret: str) -> str:
    """The records of a row, one a line: without the commas before them, the last line end, and the token in them."""
    return line.removeprefix(",").rstrip("\r\n").replace("}\n,{", "}\n{").replace(json.dumps(secret), '"***"')


def values(line: str) -> list[Any]:
    """The records that a row became, as JSON values; a line of a CSV table stays text."""
    if not line.startswith("{"):
        return [line]
    found: list[Any] = json.loads(f"[{line}]".replace("}\n{", "},{"))
    return found


def _tell_rejections(rejections: tuple[dict[str, Any], ...]) -> None:
    for one in rejections:
        print(f"rejected: {rejected_row(one['row_key'], one['column'], one['reason'])}", file=sys.stderr)
