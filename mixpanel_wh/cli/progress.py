"""How far a run is: a bar on a terminal, a line every few seconds elsewhere, nothing where JSON is asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixpanel_wh.engine.run import Progress

LINE_SECONDS = 5.0
Show = Callable[["Progress"], None]


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Show]:
    """What a run is to call with its progress. Everything goes to standard error; results go to standard output."""
    if quiet:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """A line now and then."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            print(line(progress), file=sys.stderr, flush=True)


def line(progress: Progress) -> str:
    """`flights: 120,000 of 336,776 rows (36 %), 52,000 rows/s, 3 rejected`."""
    share = f" of {progress.total:,} rows ({100 * progress.rows / progress.total:.0f} %)" if progress.total else " rows"
    rejected = f", {progress.rejected:,} rejected" if progress.rejected else ""
    return f"{progress.sync}: {progress.rows:,}{share}, {progress.rows_per_second:,.0f} rows/s{rejected}"


@contextmanager
def _bars() -> Iterator[Show]:
    """A bar for each sync."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def show(progress: Progress) -> None:
            if progress.sync not in tasks:
                tasks[progress.sync] = bars.add_task(progress.sync, total=progress.total, told="")
            told = line(progress).partition(": ")[2]
            bars.update(tasks[progress.sync], completed=progress.rows, total=progress.total, told=told)  # type: ignore[arg-type]

        yield show
