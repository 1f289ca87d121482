"""What the demo prints: plain tables that are as wide as their content."""

import json
from collections.abc import Iterable, Sequence

from mixpanel_wh.demo.agreement import Agreement
from mixpanel_wh.demo.edits import Edited
from mixpanel_wh.demo.runs import SyncRun
from mixpanel_wh.demo.tables import Loaded

RUN_HEADS = (
    "sync", "mode", "read", "inserted", "updated", "deleted", "accepted", "rejected", "requests", "bytes", "seconds",
    "events/s",
)  # fmt: skip


def loaded_table(loaded: Iterable[Loaded]) -> str:
    """The source tables and their sizes."""
    return _table(("table", "rows"), [(one.table, f"{one.rows:,}") for one in loaded], texts=1)


def run_table(runs: Iterable[SyncRun]) -> str:
    """The numbers of one run, a line a sync."""
    return _table(RUN_HEADS, [_run_cells(run) for run in runs], texts=2)


def edit_table(edited: Iterable[Edited]) -> str:
    """What was changed in the source tables."""
    cells = [(one.edit.sync, f"{one.rows:,}", one.edit.kind, one.edit.what) for one in edited]
    return _table(("table", "rows", "change", "what happened"), cells, texts=1, last_texts=2)


def agreement_table(agreements: Iterable[Agreement]) -> str:
    """Both ends side by side."""
    heads = ("table", "in Mixpanel", "rows in the table", "in the summary", "differing rows", "verdict")
    return _table(heads, [_agreement_cells(one) for one in agreements], texts=2, last_texts=1)


def travelled_line(runs: Sequence[SyncRun]) -> str:
    """How much less the second run sent, without the syncs that send everything every time."""
    first, second = (sum(run.read for run in runs if run.run == number and run.mode != "full") for number in (1, 2))
    return (
        f"Without the Full syncs, which send everything every time: {first:,} rows travelled in the first run, "
        f"{second:,} in the second."
    )


def runs_json(runs: Iterable[SyncRun]) -> str:
    """Both runs as a JSON list."""
    return json.dumps([run.as_dict() for run in runs], indent=2)


def _agreement_cells(one: Agreement) -> tuple[str, ...]:
    counts = (one.rows, one.counted, one.differing)
    return (one.sync, one.what, *(f"{count:,}" for count in counts), "equal" if one.holds else "DIFFERENT")


def _run_cells(run: SyncRun) -> tuple[str, ...]:
    counts = (run.read, run.inserted, run.updated, run.deleted, run.accepted, run.rejected, run.requests, run.bytes)
    rates = (f"{run.seconds:.2f}", f"{run.events_per_second:,.0f}")
    return (run.sync, run.mode, *(f"{count:,}" for count in counts), *rates)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int, last_texts: int = 0) -> str:
    """Columns two spaces apart; the first `texts` and the last ones are text, those between them numbers."""
    lines = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    left = [*range(texts), *range(len(heads) - last_texts, len(heads))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(_line(line, widths, left) for line in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
