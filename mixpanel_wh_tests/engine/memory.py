"""A Mixpanel that stands in this process's memory: a plain encoder, and a project that keeps what it was sent.

Every record is a line of JSON with the row's operation, keys and properties. The project applies it as Mixpanel would:
the last copy of an event counts, a profile is set or deleted, a lookup table is replaced.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Batch, Encoded, Framing
from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.ports import Answer, Table
from mixpanel_wh.engine.spec import RecordType, SyncSpec

Record = dict[str, Any]
RULES = pa.schema([("row", pa.int64()), ("row_key", pa.string()), ("column", pa.string()), ("reason", pa.string())])


def _broken_rule(row: Record) -> str | None:
    """Why a row cannot be sent: what the warehouse found, or no key, or the word `bad` in any property."""
    if row.get(batches.FAULT):
        return str(row[batches.FAULT])
    if row[batches.KEY] is None:
        return "the row key is NULL"
    return "a property is bad" if row.get(batches.OP) != "delete" and "bad" in row.values() else None


@dataclass
class PlainEncoder:
    """A row as one JSON line; a delete of what was never delivered is none."""

    framing: Framing = field(default_factory=Framing)
    dropped: tuple[str, ...] = ()

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Every row encoded, or rejected with a reason."""
        rows = batch.to_pylist()
        broken = [_broken_rule(row) for row in rows]
        lines = [None if why else self._line(row) for row, why in zip(rows, broken, strict=True)]
        refused = [(n, rows[n][batches.KEY], "word", why) for n, why in enumerate(broken) if why]
        columns = [pa.array([one[i] for one in refused], kind.type) for i, kind in enumerate(RULES)]
        return Encoded(pa.array(lines, pa.string()), pa.record_batch(columns, schema=RULES) if refused else None)

    def _line(self, row: Record) -> str:
        op = row.get(batches.OP, "insert")
        if op == "delete" and row[batches.OLD_KEY] is None:
            return ""
        sent = {name: value for name, value in row.items() if not name.startswith(batches.CONTROL_PREFIX)}
        record = {"op": op, "key": row[batches.KEY], "sent": sent, "dropped": self.dropped}
        return json.dumps(record, default=str) + "\n"


@dataclass
class MemoryProject:
    """What was sent, in the order it arrived, and what is held of it.

    Switches: after `fails_after` batches every further one fails, and so does one with the row key `fails_at`;
    `answers_lost` has a failing batch kept all the same; `refuses` says why a record is refused; `waits` lets a test do something before a batch is taken.
    """

    whole: bool = False
    max_records: int = 10
    max_bytes: int = 1 << 20
    concurrency: int = 8
    fails_after: int | None = None
    fails_at: str | None = None
    answers_lost: bool = False
    refuses: Callable[[Record], str | None] = lambda record: None
    waits: Callable[[], None] = lambda: None
    batches: int = 0
    aborted: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    records: list[Record] = field(default_factory=list)
    held: dict[str, Record] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        """Keep the records that are not refused."""
        self.waits()
        if self.ended.is_set():
            raise DestinationUnavailable("the project in memory was cut off")
        with self.lock:
            if self._fails(batch):
                if self.answers_lost:
                    self._keep_all(batch)
                raise DestinationUnavailable("the project in memory takes nothing more")
            self.batches += 1
            refused = self._keep_all(batch)
        found = tuple((row, "word", why) for row, why in refused if why)
        return Answer(found, records=len(refused), requests=1, bytes_sent=batch.size, bytes_raw=batch.size)

    def _fails(self, batch: Batch) -> bool:
        worn_out = self.fails_after is not None and self.batches >= self.fails_after
        return worn_out or (self.fails_at is not None and f'"key": "{self.fails_at}"'.encode() in bytes(batch.payload))

    def abort(self) -> None:
        """Count the calls."""
        self.aborted += 1

    def cut(self) -> None:
        """Nothing arrives any more."""
        self.ended.set()

    def _keep_all(self, batch: Batch) -> tuple[tuple[int, str | None], ...]:
        return tuple(self._keep(batch, row) for row in batch.rows)

    def _keep(self, batch: Batch, row: int) -> tuple[int, str | None]:
        record = json.loads(bytes(batch.data[batch.offsets[row] : batch.offsets[row + 1]]))
        why = self.refuses(record)
        if why is None:
            self.records.append(record)
            if record["op"] == "delete":
                self.held.pop(record["key"], None)
            else:
                self.held[record["key"]] = record["sent"]
        return row, why


@dataclass
class CountingProject:
    """Takes what the project would take, counts it, and keeps nothing."""

    whole: bool
    max_records: int
    max_bytes: int
    concurrency: int = 1

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        """Every record would be taken."""
        return Answer(records=len(batch.rows), requests=1, bytes_raw=batch.size)

    def abort(self) -> None:
        """Nothing waits."""

    def cut(self) -> None:
        """Nothing is under way."""


@dataclass
class MemoryMixpanel:
    """`run.Mixpanel` over one project in memory; `epochs` and `dropped` are what encoders were asked for."""

    project: MemoryProject = field(default_factory=MemoryProject)
    epochs: list[int] = field(default_factory=list)
    dropped: list[tuple[str, ...]] = field(default_factory=list)

    def encoder(self, spec: SyncSpec, table: Table, epoch: int, dropped: tuple[str, ...] = ()) -> PlainEncoder:
        """The plain encoder."""
        self.epochs.append(epoch)
        self.dropped.append(dropped)
        return PlainEncoder(dropped=dropped)

    def destination(self, spec: SyncSpec) -> MemoryProject:
        """The project, which takes lookup tables whole."""
        self.project.whole = spec.record is RecordType.LOOKUP
        if self.project.whole:
            self.project.max_records = 1 << 40
        return self.project

    def counting(self, spec: SyncSpec) -> CountingProject:
        """The project's limits, and nothing of it is touched."""
        project = self.destination(spec)
        return CountingProject(project.whole, project.max_records, project.max_bytes)

    def seconds_at_rate(self, spec: SyncSpec, records: int, size: int) -> float | None:
        """Ten records a second."""
        return records / 10

    @property
    def sent(self) -> Counter[str]:
        """How many records arrived with each row key."""
        return Counter(record["key"] for record in self.project.records)
