"""What is printed: JSON, and tables that are drawn on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

GAP = 2


@dataclass(frozen=True)
class Heading:
    """A column of a table; numbers stand on the right. Columns with a `spare` number above 0 are left out on a narrow
    terminal, the largest number first."""

    name: str
    right: bool = False
    spare: int = 0


def print_json(value: Any) -> None:
    """The value as JSON, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(headings: Sequence[Heading], rows: Sequence[Sequence[str]]) -> None:
    """A table, drawn where a person looks at it."""
    if sys.stdout.isatty():
        _drawn(headings, rows)
    else:
        print("\n".join(plain_table(headings, rows)))


def plain_table(headings: Sequence[Heading], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose columns stand under each other."""
    lines = [[heading.name for heading in headings], *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(headings))]

    def cell(text: str, n: int) -> str:
        return text.rjust(widths[n]) if headings[n].right else text.ljust(widths[n])

    return ["  ".join(cell(text, n) for n, text in enumerate(line)).rstrip() for line in lines]


def _drawn(headings: Sequence[Heading], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    kept = fitting(headings, rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for n in kept:
        table.add_column(headings[n].name, justify="right" if headings[n].right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[n], style=STYLES.get(row[n], "")) for n in kept))
    console.print(table)


def fitting(headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The positions of the columns to show within `width` characters; columns that are empty in every row go first."""
    lines = [[heading.name for heading in headings], *rows]
    widths = [max(len(line[n]) for line in lines) + GAP for n in range(len(headings))]
    spare = {n: headings[n].spare + 100 * (not any(row[n] for row in rows)) for n in range(len(headings))}
    kept = list(range(len(headings)))
    for n in sorted((n for n in kept if headings[n].spare), key=lambda n: -spare[n]):
        if sum(widths[n] for n in kept) <= width + GAP:
            break
        kept.remove(n)
    return kept


STYLES = {
    "succeeded": "green", "ok": "green", "failed": "red", "stopped": "yellow", "unfinished": "yellow",
    "unknown": "yellow", "never ran": "dim", "wrong": "red",
}  # fmt: skip


def count(number: float | None) -> str:
    """A number with commas between thousands."""
    return "" if number is None else f"{number:,.0f}"


def size(octets: int) -> str:
    """A number of bytes in the unit that suits it."""
    scaled = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if scaled < 1000 or unit == "GB":
            return f"{scaled:,.0f} {unit}" if unit == "B" else f"{scaled:,.1f} {unit}"
        scaled /= 1000
    return ""


def span(seconds: float | None) -> str:
    """A span of time in the two largest units that suit it: `3 h 20 min`."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"-{span(-seconds)}"
    left = round(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= length or (unit == "s" and not parts):
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])


def rejected_row(key: str | None, column: str | None, reason: str) -> str:
    """Which row was rejected and why: `row N123, column tailnum: the id is empty`."""
    named = "a row without a key" if key is None else f"row {key}"
    return f"{named}, column {column}: {reason}" if column else f"{named}: {reason}"
