"""A plan: what a run of a sync would send now, counted without sending any of it and without moving state.

The rows go through the encoder and are cut into requests as a delivery does it, by the same code; only the requests are
counted where they would be sent. What a run finds is found in the same way too: Mirror stages its changes, which are
thrown away again, so that the next run finds the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from mixpanel_wh.engine.batches import OP
from mixpanel_wh.engine.guards import Passed, passed_by_changes
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.modes import steps_for
from mixpanel_wh.engine.pipeline import Delivery
from mixpanel_wh.engine.ports import Destination, Mixpanel, Table, Warehouse
from mixpanel_wh.engine.result import Rejection
from mixpanel_wh.engine.run import OnProgress, Progress, begun, described, dropped
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.engine.state import Checkpoint, Pending
from mixpanel_wh.engine.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_ENCODED = 100_000
BILLED = (RecordType.EVENT, RecordType.HISTORY)


class Countable(Mixpanel, Protocol):
    """A Mixpanel project as a plan sees it."""

    def counting(self, spec: SyncSpec) -> Destination:
        """A destination that counts what a delivery would send, and sends nothing."""

    def seconds_at_rate(self, spec: SyncSpec, records: int, size: int) -> float | None:
        """How long the rate makes so many records of so many uncompressed bytes wait; None where no rate counts."""


@dataclass(frozen=True)
class PlanOptions:
    """What a person may ask of a plan. At most `rows` rows are encoded, and what is counted in them stands for the
    rest; None encodes all. A table that travels in one request is always encoded whole."""

    rows: int | None = ROWS_ENCODED


@dataclass(frozen=True)
class Unfinished:
    """The pending run that the next run comes upon: `rows_left` of it are to be sent first. One that was `stopped` by
    a guard is not finished: what was delivered of it is kept, and changes are looked for anew."""

    run_id: str
    started_at: str
    rows_left: int
    stopped: bool


@dataclass(frozen=True)
class Plan:
    """What a run would send now.

    `inserted`, `updated` and `deleted` make up `rows`, and are exact. What follows was counted in the first `encoded`
    rows and, unless `exact`, multiplied: `rejected` rows break a rule (Mixpanel itself may refuse more), `records`
    travel in `requests` of `bytes_raw` uncompressed bytes, which take `seconds` at the destination's rate (None where
    no rate counts). `billable_events` are all records that go to Mixpanel as events: it bills each event, each update
    and each delete, and an update of an event that changes its identity is two (profiles and lookup tables are free).
    `guards` would stop the run. With an `unfinished` run nothing else is planned. `committed_at` is when the last run
    was committed, `note` what there is to say of how the rows were found.
    """

    sync: str
    mode: str
    record: str
    table: str
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    encoded: int = 0
    exact: bool = True
    rejected: int = 0
    records: int = 0
    requests: int = 0
    bytes_raw: int = 0
    seconds: float | None = None
    billable_events: int = 0
    guards: tuple[Passed, ...] = ()
    unfinished: Unfinished | None = None
    committed_at: str | None = None
    note: str = ""
    rejections: tuple[Rejection, ...] = field(default=(), repr=False)

    @property
    def would_stop(self) -> bool:
        """Whether a guard would stop the run."""
        return bool(self.guards)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values; at most a sample of the rejections is in it."""
        return asdict(self) | {"would_stop": self.would_stop}


def plan_sync(
    spec: SyncSpec,
    warehouse: Warehouse,
    mixpanel: Countable,
    options: PlanOptions = PlanOptions(),
    on_progress: OnProgress | None = None,
) -> Plan:
    """What a run of the sync would send now; it holds the lease meanwhile, so that no run goes on beside it.

    `on_progress` is told how many rows were encoded. Raises SyncBusy while a run holds the lease, and what a run raises
    before it sends: SourceError, StagingError, ConfigError, or RequestRefused for a lookup table that is too large.
    """
    return _Planning(spec, warehouse, mixpanel, options, on_progress or (lambda progress: None)).planned()


class _Planning:
    """The course of one plan; used once."""

    def __init__(
        self, spec: SyncSpec, warehouse: Warehouse, mixpanel: Countable, options: PlanOptions, on_progress: OnProgress
    ) -> None:
        self.spec, self.warehouse, self.mixpanel = spec, warehouse, mixpanel
        self.options, self.on_progress = options, on_progress
        self.run_id = uuid4().hex
        self.steps = steps_for(spec, warehouse)
        self.tally = Tally(spec, self.run_id)
        self.lease = LeaseKeeper(spec.name, self.run_id, warehouse.state)

    def planned(self) -> Plan:
        """The whole plan."""
        with self.lease:
            table = described(self.spec, self.warehouse)
            state = self.warehouse.state.load(self.spec.name)
            spec, checkpoint = self.spec, state.checkpoint
            empty = Plan(
                spec.name, spec.mode.value, spec.record.value, str(spec.table), committed_at=checkpoint.committed_at
            )  # fmt: skip
            if state.pending and self._is_in_the_way(state.pending):
                return replace(empty, unfinished=_unfinished(state.pending))
            with self._found(table, checkpoint) as found:
                self._count(table, checkpoint, found)
                return self._made(empty, found)

    def _is_in_the_way(self, pending: Pending) -> bool:
        """Whether the next run has to do with the pending run before it looks for anything new."""
        return not self.steps.sends_all and (pending.staged or not pending.stopped)

    @contextmanager
    def _found(self, table: Table, checkpoint: Checkpoint) -> Iterator[Pending]:
        """What a run would send, as long as the block lasts. What a crash leaves of it the next run throws away."""
        found = self.steps.find(checkpoint, begun(table, checkpoint, self.run_id, datetime.now(UTC)))
        try:
            yield found
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                self._discard()
            raise
        self._discard()

    def _discard(self) -> None:
        with self.warehouse.transaction():
            self.steps.discard()

    def _count(self, table: Table, checkpoint: Checkpoint, found: Pending) -> None:
        """Encode rows and count what would be sent of them."""
        if not found.rows:
            return
        destination = self.mixpanel.counting(self.spec)
        encoder = self.mixpanel.encoder(self.spec, table, found.epoch, dropped(table, checkpoint))
        most = found.rows if destination.whole else min(found.rows, self.options.rows or found.rows)
        tally = self.tally
        with closing(Delivery(encoder, destination).run(_first(self.steps.read(found), most))) as parts:
            for part in parts:  # closed in any case: nothing may read any more what is thrown away then
                tally.add(part, counts_ops=OP in part.batch.schema.names)
                self.lease.renew()
                self.on_progress(Progress(self.spec.name, tally.rows_read, most, tally.seconds, tally.rejected))

    def _made(self, empty: Plan, found: Pending) -> Plan:
        counted = self.tally.result("plan", "")
        exact = counted.rows_read >= found.rows

        def all_of(number: int) -> int:
            return number if exact or not counted.rows_read else round(number * found.rows / counted.rows_read)

        rejected, records, size = all_of(counted.rejected), all_of(counted.records), all_of(counted.bytes_raw)
        seconds = self.mixpanel.seconds_at_rate(self.spec, records, size)
        return replace(
            empty, rows=found.rows, inserted=found.inserted, updated=found.updated, deleted=found.deleted,
            encoded=counted.rows_read, exact=exact, rejected=rejected, records=records,
            requests=all_of(counted.requests), bytes_raw=size, seconds=None if seconds is None else round(seconds, 3),
            billable_events=records if self.spec.record in BILLED else 0,
            guards=tuple(self._guards(found, rejected)), note=self.steps.note, rejections=counted.rejections,
        )  # fmt: skip

    def _guards(self, found: Pending, rejected: int) -> Iterator[Passed]:
        yield from passed_by_changes(self.spec, self.warehouse.tables, found)
        if not self.spec.max_rejected.allows(rejected, found.rows):
            yield Passed("max_rejected", rejected, found.rows)


def _unfinished(pending: Pending) -> Unfinished:
    """What is left of a pending run: staged changes go on after the last answer, everything else is sent again."""
    done = pending.acknowledged if pending.staged else 0
    return Unfinished(pending.run_id, pending.started_at, pending.rows - done, pending.stopped)


def _first(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The first `rows` rows."""
    try:
        for batch in batches:
            yield batch.slice(0, rows)
            rows -= batch.num_rows
            if rows <= 0:
                return
    finally:
        if isinstance(batches, Generator):
            batches.close()
