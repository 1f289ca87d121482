"""One run of one sync: take the lease, finish what a broken run left, plan, deliver, commit last."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa

from mixpanel_wh.engine.batches import CONTROL_PREFIX, OP
from mixpanel_wh.engine.errors import GuardStopped, MixpanelWhError, SourceError
from mixpanel_wh.engine.guards import passed_by_changes
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.modes import steps_for
from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.pipeline import Answered, Delivery
from mixpanel_wh.engine.ports import Mixpanel, Part, Table, Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.engine.state import Checkpoint, Pending
from mixpanel_wh.engine.tally import Tally

SAVE_EVERY_SECONDS = 5.0
REJECTIONS_HELD = 50_000


@dataclass(frozen=True)
class RunOptions:
    """What a person may ask of one run. `accept_guards` lets it pass the limits on deletes, changes and rejections.

    With a `part` only those rows are looked at, and no cursor moves; with `full_resync` too, they are sent whether they
    changed or not.
    """

    full_resync: bool = False
    accept_guards: bool = False
    part: Part | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is. `total` is None where nobody knows; `seconds` since the run started."""

    sync: str
    rows: int
    total: int | None
    seconds: float
    rejected: int

    @property
    def rows_per_second(self) -> float:
        """The rate so far."""
        return self.rows / self.seconds if self.seconds else 0.0


OnProgress = Callable[[Progress], None]


def described(spec: SyncSpec, warehouse: Warehouse) -> Table:
    """The table of a sync; SourceError when there is none, or when it has columns under names of our own."""
    table = warehouse.tables.describe(spec.table)
    reserved = [column.name for column in table.columns if column.name.startswith(CONTROL_PREFIX)]
    if reserved:
        raise SourceError(
            f"sync {spec.name}: columns that begin with {CONTROL_PREFIX} are reserved and {spec.table} "
            f"has {', '.join(reserved)}: rename them in a view"
        )
    return table


def begun(table: Table, checkpoint: Checkpoint, run_id: str, started_at: datetime) -> Pending:
    """A run as it begins, before anybody looked for what it has to send."""
    properties = tuple(column.name for column in table.columns)
    return Pending(run_id, started_at.isoformat(), epoch=checkpoint.epoch, properties=properties)


def dropped(table: Table, checkpoint: Checkpoint) -> tuple[str, ...]:
    """The properties sent before whose columns are gone."""
    names = {column.name for column in table.columns}
    return tuple(name for name in checkpoint.properties if name not in names)


def run_sync(
    spec: SyncSpec,
    warehouse: Warehouse,
    mixpanel: Mixpanel,
    options: RunOptions = RunOptions(),
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Bring Mixpanel in step with the table; returns the numbers of the run.

    Raises a MixpanelWhError whose `result` holds the numbers so far; what was started stays pending, and the next
    run finishes it. Every other exception leaves the same state behind.
    """
    return _Run(spec, warehouse, mixpanel, options, on_progress or (lambda progress: None)).execute()


class _Run:
    """The course of one run; used once."""

    def __init__(
        self, spec: SyncSpec, warehouse: Warehouse, mixpanel: Mixpanel, options: RunOptions, on_progress: OnProgress
    ) -> None:
        self.spec, self.warehouse, self.mixpanel = spec, warehouse, mixpanel
        self.options, self.on_progress = options, on_progress
        self.run_id = uuid4().hex
        self.started_at = datetime.now(UTC)
        self.steps: Steps = steps_for(spec, warehouse, options.part, options.full_resync)
        self.tally = Tally(spec, self.run_id)
        self.lease = LeaseKeeper(spec.name, self.run_id, warehouse.state)
        self._saved = time.monotonic()
        self._held: list[pa.RecordBatch] = []

    def execute(self) -> RunResult:
        """The whole run."""
        with self.lease, self._reported():
            table = described(self.spec, self.warehouse)
            state = self.warehouse.state.load(self.spec.name)
            checkpoint, pending = state.checkpoint, state.pending
            if not self.steps.keeps_state:
                return self._sent_apart(table, checkpoint)
            if pending:
                checkpoint = self._settled(table, checkpoint, pending)
            if self.options.full_resync:
                checkpoint = self.steps.restart(checkpoint)
            self._pass(table, checkpoint, self._planned(table, checkpoint))
            return self.tally.result("succeeded", self.steps.note)

    def _settled(self, table: Table, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """The checkpoint once the pending run is out of the way: finished, or given up where nothing is lost by it."""
        self.tally.resumed = not pending.stopped
        sent_again = self.steps.sends_all or (self.options.full_resync and not self.steps.forgets_nothing)
        if pending.stopped or sent_again:
            self._give_up(pending)
            return checkpoint
        return self._pass(table, checkpoint, self._resumed(pending), resumed=True)

    def _resumed(self, pending: Pending) -> Pending:
        """What is left of a pending run. One that begins anew is this run's own: it finds its rejections again."""
        left = self.steps.resume(pending)
        if not left.acknowledged:
            return replace(left, run_id=self.run_id)
        self.tally.resumed_run_id = left.run_id
        return left

    def _sent_apart(self, table: Table, checkpoint: Checkpoint) -> RunResult:
        """Send rows beside the state: whatever was pending stays pending."""
        pending = self._planned(table, checkpoint)
        if pending.rows:
            self._deliver(table, checkpoint, pending)
        return self.tally.result("succeeded", self.steps.note)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Writes the result down however the run ends, and hangs it on the error."""
        try:
            yield
        except MixpanelWhError as error:
            status = "stopped" if isinstance(error, GuardStopped) else "failed"
            error.result = self.tally.result(status, str(error))
            self._record(error.result)
            raise
        except BaseException as error:
            self._record(self.tally.result("failed", f"interrupted by {type(error).__name__}"))
            raise
        self._record(self.tally.result("succeeded", self.steps.note))

    def _record(self, result: RunResult) -> None:
        self.warehouse.state.record(result.as_dict(), self.started_at.isoformat(timespec="milliseconds"))

    def _give_up(self, pending: Pending) -> None:
        with self.warehouse.transaction():
            self.steps.settle(pending)
            self.warehouse.state.clear_pending(self.spec.name)

    def _planned(self, table: Table, checkpoint: Checkpoint) -> Pending:
        pending = self.steps.plan(checkpoint, begun(table, checkpoint, self.run_id, self.started_at))
        self._guard_plan(pending)
        return pending

    def _guard_plan(self, pending: Pending) -> None:
        """Stop before anything is sent when far more than usual would be."""
        if self.options.accept_guards:
            return
        for passed in passed_by_changes(self.spec, self.warehouse.tables, pending):
            self._give_up(replace(pending, acknowledged=0))
            raise GuardStopped(
                f"sync {self.spec.name}: {passed.rows:,} rows of {passed.total:,} pass {passed.guard}; nothing was "
                f"sent: find out why, then run again with --accept-guards or raise {passed.guard}"
            )

    def _pass(self, table: Table, checkpoint: Checkpoint, pending: Pending, resumed: bool = False) -> Checkpoint:
        """Deliver a pending run and commit it."""
        if pending.rows > pending.acknowledged:
            pending = self._deliver(table, checkpoint, pending, resumed)
        with self.warehouse.transaction():
            moved = self.steps.finish(checkpoint, pending)
            moved = replace(moved, run_id=self.run_id, committed_at=datetime.now(UTC).isoformat(timespec="seconds"))
            self.warehouse.state.commit(self.spec.name, moved)
        self.tally.cursor = moved.cursor
        self.tally.snapshot = moved.committed_at if self.spec.mode is Mode.MIRROR else None
        return moved

    def _deliver(self, table: Table, checkpoint: Checkpoint, pending: Pending, resumed: bool = False) -> Pending:
        """Send what is left of a pending run. A resumed one is read to its end even where a guard will stop it: any of
        it may have been taken already, and only an answer tells. It is marked as stopped once every request is
        answered."""
        encoder = self.mixpanel.encoder(self.spec, table, pending.epoch, dropped(table, checkpoint))
        delivery = Delivery(encoder, self.mixpanel.destination(self.spec))
        base, stopping = self.tally.rows_read, False
        for part in delivery.run(self.steps.read(pending)):
            pending = self._take(pending, part)
            self.lease.renew()
            self.on_progress(Progress(self.spec.name, self.tally.rows_read - base, pending.rows or None,
                                      self.tally.seconds, self.tally.rejected))  # fmt: skip
            if not stopping and not self._within_rejections(pending):
                stopping = True
                if not resumed:
                    delivery.stop()
        pending = replace(pending, stopped=stopping)
        self._save(pending)
        self._guard_rejections(pending)
        return pending

    def _take(self, pending: Pending, part: Answered) -> Pending:
        """Count an answered part, and remember it now and then."""
        self.tally.add(part, counts_ops=OP in part.batch.schema.names)
        pending = pending.answered(
            pending.acknowledged + part.batch.num_rows,
            pending.accepted + part.accepted,
            pending.rejected + part.rejected.num_rows,
        )
        self.steps.answered(pending, part)
        if part.rejected.num_rows:
            self._held.append(part.rejected)
        held = sum(rows.num_rows for rows in self._held)
        if held > REJECTIONS_HELD or time.monotonic() - self._saved > SAVE_EVERY_SECONDS:
            self._save(pending)
        return pending

    def _save(self, pending: Pending) -> None:
        """Rejections and progress in one transaction, so that a resumed run writes none of them twice."""
        with self.warehouse.transaction():
            for rows in self._held:
                self.warehouse.state.reject(self.spec.name, pending.run_id, rows)
            if self.steps.keeps_state:
                self.warehouse.state.save_pending(self.spec.name, pending)
        self._held.clear()
        self._saved = time.monotonic()

    def _within_rejections(self, pending: Pending) -> bool:
        return self.options.accept_guards or self.spec.max_rejected.allows(pending.rejected, pending.rows)

    def _guard_rejections(self, pending: Pending) -> None:
        if not pending.stopped:
            return
        first = self.tally.samples[0] if self.tally.samples else None
        reason = f"; the first: {first.reason} (row key {first.row_key})" if first else ""
        raise GuardStopped(
            f"sync {self.spec.name}: {pending.rejected:,} of {pending.acknowledged:,} rows were rejected, more than "
            f"max_rejected allows{reason}; nothing was committed: mend the rows or the sync and run again, or run with "
            "--accept-guards"
        )


@dataclass(frozen=True)
class Preview:
    """What a run would send of the first rows: the record lines, the rejections among those rows, and the statement
    that selects them."""

    sync: str
    framing_prefix: str
    lines: tuple[str, ...]
    rejections: tuple[dict[str, Any], ...]
    sql: str = ""


def preview_sync(spec: SyncSpec, warehouse: Warehouse, mixpanel: Mixpanel, rows: int = 5) -> Preview:
    """Encode the first rows of the table; nothing is sent and no state is touched."""
    table = warehouse.tables.describe(spec.table)
    encoder = mixpanel.encoder(spec, table, warehouse.state.load(spec.name).checkpoint.epoch)
    lines: list[str] = []
    rejections: list[dict[str, Any]] = []
    for batch in warehouse.tables.read(spec, sample=rows):
        encoded = encoder.encode(batch)
        lines += [line for line in encoded.lines.to_pylist() if line]
        rejections += encoded.rejected.to_pylist() if encoded.rejected is not None else []
    return Preview(spec.name, encoder.framing.prefix.decode(), tuple(lines), tuple(rejections),
                   warehouse.tables.explain(spec))  # fmt: skip
