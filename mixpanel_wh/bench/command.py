"""`mixpanel-wh bench`: run the cases, print them, and write them down with the machine's description."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mixpanel_wh.bench.cases import CASES
from mixpanel_wh.bench.measure import Measurement, as_json, measure
from mixpanel_wh.bench.own import measure_sync

ROWS = 1_000_000
HEADS = ("case", "rows", "seconds", "rows/s", "CPU µs/row", "peak MB", "ratio")


def _row(one: Measurement) -> tuple[str, ...]:
    return (
        one.name, f"{one.rows:,}", f"{one.seconds:.2f}", f"{one.rows_per_second:,.0f}", f"{one.cpu_us_per_row:.2f}",
        f"{one.peak_rss_mb:.0f}", f"{one.ratio_to_floor:.2f}" if one.ratio_to_floor else "-",
    )  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return f"{cells[0]:22}" + "".join(f"{cell:>13}" for cell in cells[1:])


def machine() -> str:
    """What the figures were measured on."""
    model = next((line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")), "CPU")
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "isal", "requests"))
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def markdown(found: list[Measurement]) -> str:
    """The measurements as a page section."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (HEADS, ("---",) * len(HEADS), *map(_row, found))]
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.\n\n" + "\n".join(rows) + "\n"


def _measured(chosen: argparse.Namespace) -> Iterator[Measurement]:
    if chosen.sync:
        yield measure_sync(chosen.project, chosen.sync, chosen.rows, chosen.url)
    else:
        yield from measure(chosen.rows or ROWS, chosen.case, chosen.url, chosen.repeat, chosen.profile)


def main(arguments: Sequence[str]) -> int:
    """Run the bench; exit status 0, or 2 for an unknown case."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser("mixpanel-wh bench", description=__doc__)
    parser.add_argument("--rows", type=int, help="rows of the event table (default 1,000,000)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each case; the median is kept (default 3)")
    parser.add_argument("--case", action="append", choices=names, help="only this case and the yardsticks; repeatable")
    parser.add_argument("--url", help="send to this server instead of the discarding one")
    parser.add_argument("--project", default="mixpanel_wh.yaml", help="the project file of --sync")
    parser.add_argument(
        "--sync", help="measure this sync of a project in place of the cases, all rows or the first --rows; nothing "
        "reaches Mixpanel",
    )  # fmt: skip
    parser.add_argument("--profile", action="store_true", help="name the slowest stages of each case")
    parser.add_argument("--markdown", type=Path, help="write the results to this file")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    chosen = parser.parse_args(arguments)
    found: list[Measurement] = []
    for one in _measured(chosen):
        if not chosen.json and not found:
            print(_line(HEADS))
        found.append(one)
        if not chosen.json:
            print(_line(_row(one)), flush=True)
    if chosen.json:
        print(as_json(found))
    if chosen.markdown:
        chosen.markdown.write_text(markdown(found))
        print(f"written to {chosen.markdown}", file=sys.stderr)
    return 0
