"""Running a sync under Dagster: what may be asked of a run, what it logs, and how it ends when it cannot go on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import Logger
from typing import Any

import dagster as dg
from pydantic import Field

from mixpanel_wh.config.wiring import verify_columns
from mixpanel_wh.defs.metadata import run_metadata, statement
from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.ports import Mixpanel, Part, Table, Warehouse, Window
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import Preview, Progress, RunOptions, preview_sync, run_sync
from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.engine.stopping import noticed
from mixpanel_wh.mixpanel.endpoints import Purpose, base_url
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.mixpanel.settings import ProjectSettings

LOG_EVERY_SECONDS = 5.0
PREVIEW_ROWS = 5


class SyncConfig(dg.Config):
    """What a person may ask of one run in the launchpad."""

    full_resync: bool = Field(
        default=False, description="Send every row again, whatever was sent before; the insert ids stay the same."
    )
    dry_run: bool = Field(
        default=False, description="Show the first rows as they would be sent; nothing is sent or materialized."
    )
    accept_guards: bool = Field(
        default=False, description="Go on where max_rejected, max_deletes or max_changes would stop the run."
    )
    limit: int | None = Field(
        default=None,
        gt=0,
        description="Send only so many rows, to look at them in Mixpanel; no state moves and nothing is recorded as "
        "materialized. With dry_run: how many rows are shown, 5 by default.",
    )

    @property
    def options(self) -> RunOptions:
        """The same as the engine says it."""
        part = Part(rows=self.limit) if self.limit else None
        return RunOptions(full_resync=self.full_resync, accept_guards=self.accept_guards, part=part)

    @property
    def materializes(self) -> bool:
        """Whether the run brings the whole sync in step."""
        return not self.dry_run and self.limit is None


@dataclass(frozen=True)
class Outcome:
    """What a run did, the table it read, how many rows that has (None for a view, which would be a scan), the Mixpanel
    project it sent to, and the statement that selected the rows."""

    result: RunResult
    table: Table
    table_rows: int | None
    project: ProjectSettings
    sql: str

    def metadata(self, sync: SyncSpec) -> dict[str, Any]:
        """What the materialization shows."""
        counted = {} if self.table_rows is None else {"dagster/row_count": self.table_rows}
        link = {"mixpanel/project": dg.MetadataValue.url(project_page(self.project))}
        shown = {"mixpanel/sql": statement(self.sql)}
        return run_metadata(sync, self.result, self.table) | counted | link | shown


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

    The client has retried what is worth retrying; what a run started stays pending and the next run finishes it. An end
    from outside is one whatever error it arrives as: a driver makes one of its own out of a signal that meets a query.
    """
    with noticed() as stop:
        try:
            yield
        except dg.DagsterExecutionInterruptedError:
            raise _ended(sync) from None
        except Exception as error:
            if stop.asked:
                raise _ended(sync) from None
            if not isinstance(error, MixpanelWhError):
                raise
            result = getattr(error, "result", None)
            metadata = run_metadata(sync, result) if sync and isinstance(result, RunResult) else {}
            raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from None


def _ended(sync: SyncSpec | None) -> dg.Failure:
    name = f"sync {sync.name}" if sync else "the sync"
    return dg.Failure(
        f"{name} was ended from outside; its lease is released and the next run finishes what it started",
        allow_retries=False,
    )


def move(
    log: Logger, sync: SyncSpec, warehouse: Warehouse, mixpanel: MixpanelProject, options: RunOptions
) -> Outcome:
    """Run a sync, logging its progress; raises Failure, without retries, when it cannot be finished."""
    with failures(sync):
        table = verified(sync, warehouse)
        cursor = warehouse.state.load(sync.name).checkpoint.cursor
        result = run_sync(sync, warehouse, mixpanel, options, ProgressLog(log))
        rows = None if table.is_view else warehouse.tables.count(sync)
        since = None if options.full_resync else cursor
        sql = warehouse.tables.explain(sync, options.part or window_of(sync, since, result.cursor))
    log.info(result_line(result))
    return Outcome(result, table, rows, mixpanel.settings, sql)


def window_of(sync: SyncSpec, after: str | None, upto: str | None) -> Window | None:
    """The window of insert times that a run of Append read; None for the other modes, which look at the table."""
    return Window(after, upto, rows=0) if sync.mode is Mode.APPEND else None


def look(sync: SyncSpec, warehouse: Warehouse, mixpanel: Mixpanel, rows: int | None = None) -> Preview:
    """What a run would send of the first rows (5 by default); nothing is sent. Raises Failure like `move`."""
    with failures(sync):
        verified(sync, warehouse)
        return preview_sync(sync, warehouse, mixpanel, rows or PREVIEW_ROWS)


def project_page(settings: ProjectSettings) -> str:
    """The address of the project's page in Mixpanel; the address that stands for Mixpanel's, where one does."""
    page = base_url(Purpose.APP, settings.region, settings.url)
    return page if settings.url else f"{page}/project/{settings.project_id}"


def verified(sync: SyncSpec, warehouse: Warehouse) -> Table:
    """The sync's table; SourceError with every column that the sync names and the table does not have."""
    table = warehouse.tables.describe(sync.table)
    verify_columns(sync, table)
    return table
