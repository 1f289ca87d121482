"""Running a sync under Dagster: what may be asked of a run, what it logs, and how it ends when it cannot go on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import Logger

import dagster as dg
from pydantic import Field

from mixpanel_wh.defs.metadata import run_metadata
from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.ports import Mixpanel, Table, Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import Preview, Progress, RunOptions, preview_sync, run_sync
from mixpanel_wh.engine.spec import SyncSpec

LOG_EVERY_SECONDS = 5.0


class SyncConfig(dg.Config):
    """What a person may ask of one run in the launchpad."""

    full_resync: bool = Field(
        default=False, description="Send every row again, whatever was sent before; the insert ids stay the same."
    )
    dry_run: bool = Field(
        default=False, description="Encode the first rows and show them; nothing is sent or recorded as materialized."
    )
    accept_guards: bool = Field(
        default=False, description="Go on where max_rejected, max_deletes or max_changes would stop the run."
    )

    @property
    def options(self) -> RunOptions:
        """The same as the engine says it."""
        return RunOptions(full_resync=self.full_resync, accept_guards=self.accept_guards)


@dataclass(frozen=True)
class Outcome:
    """What a run did, and the table it read."""

    result: RunResult
    table: Table


@dataclass
class ProgressLog:
    """Logs how far a run is, at most once every few seconds."""

    log: Logger
    last: float = field(default_factory=time.monotonic)

    def __call__(self, progress: Progress) -> None:
        """Log a line when the last one is old enough."""
        now = time.monotonic()
        if now - self.last >= LOG_EVERY_SECONDS:
            self.last = now
            self.log.info(progress_line(progress))


def progress_line(progress: Progress) -> str:
    """Rows, share, rate, time left and rejections in one line."""
    rate = progress.rows_per_second
    share = left = ""
    if progress.total:
        share = f" of {progress.total:,} ({100 * progress.rows / progress.total:.0f} %)"
        remaining = (progress.total - progress.rows) / rate if rate else 0
        left = f", about {remaining:,.0f} s left"
    rejected = f", {progress.rejected:,} rejected" if progress.rejected else ""
    return f"{progress.sync}: {progress.rows:,}{share} rows, {rate:,.0f} rows/s{left}{rejected}"


def result_line(result: RunResult) -> str:
    """A run's numbers in one line."""
    rejected = f", {result.rejected:,} rejected" if result.rejected else ""
    return (
        f"{result.sync}: {result.rows_read:,} rows read ({result.inserted:,} inserted, {result.updated:,} updated, "
        f"{result.deleted:,} deleted), {result.accepted:,} accepted{rejected}, {result.requests:,} requests, "
        f"{result.bytes_sent:,} bytes, {result.seconds:.1f} s"
    )


@contextmanager
def failures(sync: SyncSpec | None = None) -> Iterator[None]:
    """Turn what stops a run into one sentence, the numbers so far, and no retry of the whole step.

    The client has retried what is worth retrying; what a run started stays pending and the next run finishes it.
    """
    try:
        yield
    except MixpanelWhError as error:
        result = getattr(error, "result", None)
        metadata = run_metadata(sync, result) if sync and isinstance(result, RunResult) else {}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from None
    except dg.DagsterExecutionInterruptedError:
        name = f"sync {sync.name}" if sync else "the sync"
        raise dg.Failure(
            f"{name} was ended from outside; its lease is released and the next run finishes what it started",
            allow_retries=False,
        ) from None


def move(log: Logger, sync: SyncSpec, warehouse: Warehouse, mixpanel: Mixpanel, options: RunOptions) -> Outcome:
    """Run a sync, logging its progress; raises Failure, without retries, when it cannot be finished."""
    with failures(sync):
        table = warehouse.tables.describe(sync.table)
        result = run_sync(sync, warehouse, mixpanel, options, ProgressLog(log))
    log.info(result_line(result))
    return Outcome(result, table)


def look(sync: SyncSpec, warehouse: Warehouse, mixpanel: Mixpanel) -> Preview:
    """What a run would send of the first rows; nothing is sent. Raises Failure like `move`."""
    with failures(sync):
        return preview_sync(sync, warehouse, mixpanel)
