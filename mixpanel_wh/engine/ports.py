"""The engine's ports: small protocols that the warehouse and Mixpanel rooms fill.

The engine knows no SQL, no driver and no HTTP; what implements a port knows nothing of modes, leases or threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mixpanel_wh.engine.batches import Batch, Encoded, Framing
from mixpanel_wh.engine.spec import SyncSpec, TableName
from mixpanel_wh.engine.state import Checkpoint, Lease, Pending, SyncState

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A source column; `type` is the warehouse's own name for its type."""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """What a warehouse says of a source table without reading it.

    `rows` is about how many there are, `size` about how many bytes they take, and `layout` how the warehouse divides or
    orders them, in its own words; each is None where the warehouse does not know.
    """

    name: TableName
    columns: tuple[Column, ...]
    is_view: bool = False
    rows: int | None = None
    size: int | None = None
    layout: str | None = None


@dataclass(frozen=True)
class Window:
    """An Append window: insert times in (after, upto], plus late rows down to `after - lookback`; `rows` in all.

    `unread` counts the rows whose insert time is NULL, which no window ever holds. An `upto` of None: no row yet.
    """

    after: str | None
    upto: str | None
    rows: int
    unread: int = 0


@dataclass(frozen=True)
class Part:
    """A part of a table, for backfills, samples and audits: rows whose moment in `column` lies in [since, before), and
    at most `rows` of them, of those that the Append window `within` holds. `since` and `before` are milliseconds since
    the epoch; None means no such bound."""

    column: str | None = None
    since: int | None = None
    before: int | None = None
    rows: int | None = None
    within: Window | None = None


@dataclass(frozen=True)
class Answer:
    """What became of one batch. `refused` holds (row position, field or None, reason) for rows Mixpanel refused."""

    refused: tuple[tuple[int, str | None, str], ...] = ()
    records: int = 0
    requests: int = 1
    retries: int = 0
    bytes_sent: int = 0
    bytes_raw: int = 0


class Encoder(Protocol):
    """Turns a record batch into request-ready records; safe to call from several threads; knows no HTTP.

    A batch has the control columns of `batches` (`_mp_key`, `_mp_op`, …) before the source columns.
    """

    framing: Framing

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Every row encoded, or rejected with a reason."""


class Destination(Protocol):
    """Takes one batch to a Mixpanel project; safe to call from several threads; knows no warehouse.

    Transient failures are retried inside; what it raises is final for this run (`errors.DestinationError`).
    """

    max_records: int
    max_bytes: int
    whole: bool  # everything must travel in one request (a lookup table is replaced whole or not at all)

    @property
    def concurrency(self) -> int:
        """How many deliveries at a time are useful now."""

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        """Send the batch and read the answer record by record."""

    def abort(self) -> None:
        """Stop waiting: what is under way ends soon, with an answer or a DestinationError."""

    def cut(self) -> None:
        """Break off what is still under way after `abort`: it ends at once, and nothing of it arrives later."""


class Mixpanel(Protocol):
    """A Mixpanel project as the engine sees it."""

    def encoder(self, spec: SyncSpec, table: Table, epoch: int, dropped: tuple[str, ...] = ()) -> Encoder:
        """The encoder of a sync; `dropped` are property names that the table no longer has, to be unset."""

    def destination(self, spec: SyncSpec) -> Destination:
        """Where the records of a sync go."""


class Tables(Protocol):
    """Reads source tables; `read` and `window` never hold more than a few record batches in memory."""

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""

    def count(self, spec: SyncSpec, part: Part | None = None) -> int:
        """How many rows the table, or a part of it, has."""

    def verify_keys(self, spec: SyncSpec, window: Window | Part | None = None) -> None:
        """DuplicateKeys when a row key that must be unique is not, unless the sync rejects such rows."""

    def window(self, spec: SyncSpec, after: str | None) -> Window:
        """The window from `after` to the high-water mark of now; its bounds are the column's values as text."""

    def read(
        self, spec: SyncSpec, window: Window | Part | None = None, sample: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream the table (or a window or a part of it, or its first `sample` rows), control columns in front."""

    def explain(self, spec: SyncSpec, window: Window | Part | None = None) -> str:
        """The statement by which `read` selects rows, for a person to read, after the values of its parameters."""

    def fingerprint(self, spec: SyncSpec) -> str:
        """A 128-bit content hash of what would be sent, independent of row order, stable between releases."""

    def change_token(self, table: TableName) -> str:
        """A cheap token that differs whenever the table may have changed."""

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table: sentences, each with the statement that grants it."""

    def advice(self, spec: SyncSpec) -> list[str]:
        """What would let runs of the sync read less, or faster: sentences, each with its statement. None of it
        stops a run."""

    def span(self, spec: SyncSpec, column: str) -> tuple[int, int] | None:
        """The oldest and the newest moment in a column, in milliseconds since the epoch; None where there is none."""

    def values(self, spec: SyncSpec, column: str, part: Part | None, most: int) -> tuple[int, dict[str, int]]:
        """How many different values a column has in the table or a part of it, and the rows of the most frequent ones,
        at most `most` of them; NULL is no value."""


class Snapshots(Protocol):
    """Finds what changed in a table since the last committed snapshot, and keeps the snapshot."""

    def stage(self, spec: SyncSpec, pending: Pending, part: Part | None = None) -> Pending:
        """Write the changes to the change table of the sync; returns `pending` with its counts. With a `part`, which
        is cut by the event's time, only changes to events inside it: what moved out of it stays as it was.

        DuplicateKeys when the row key is not unique, unless the sync rejects such rows.
        """

    def forget(self, spec: SyncSpec) -> None:
        """Make the next `stage` find every row changed, without losing what was delivered."""

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""

    def apply(self, spec: SyncSpec, pending: Pending, settle: bool = False) -> None:
        """Bring the snapshot to what was sent. With `settle`, rows that were not surely delivered will come again."""

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too."""


class Ledger(Protocol):
    """Remembers which rows near an Append cursor were sent, so that late and boundary-equal rows are found."""

    def start(self, spec: SyncSpec) -> None:
        """Make the ledger where there is none, and forget the pending part that a broken run left."""

    def remember(self, spec: SyncSpec, rows: pa.RecordBatch) -> None:
        """Add sent rows (`_mp_key`, `_mp_insert_time`) to the pending part."""

    def settle(self, spec: SyncSpec, window: Window) -> None:
        """Make the pending part committed and drop what is older than `window.upto - lookback`."""

    def discard(self, spec: SyncSpec) -> None:
        """Drop everything remembered."""


class StateStore(Protocol):
    """Keeps checkpoints, pending runs, leases, rejections and run results; every verb is durable when it returns,
    or at the end of the transaction around it."""

    def load(self, sync: str) -> SyncState:
        """The state of a sync; an empty one when there is none."""

    def save_pending(self, sync: str, pending: Pending) -> None:
        """Write the pending run."""

    def commit(self, sync: str, checkpoint: Checkpoint) -> None:
        """Write the checkpoint and clear the pending run."""

    def clear_pending(self, sync: str) -> None:
        """Forget the pending run."""

    def reject(self, sync: str, run_id: str, rejected: pa.RecordBatch) -> None:
        """Add rejections: `row_key`, `column`, `reason`, `origin` (text)."""

    def acquire(self, lease: Lease) -> Lease | None:
        """Take or renew the lease; None when taken, else the lease that somebody else holds."""

    def release(self, sync: str, holder: str) -> None:
        """Give the lease back."""

    def record(self, result: dict[str, Any], started_at: str) -> None:
        """Add the result of a run to the history."""

    def last_result(self, sync: str) -> dict[str, Any] | None:
        """The result of the newest run of a sync, with its `started_at`."""

    def rejections(self, sync: str, run_id: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest rejections of a sync, at most `limit`."""


class Warehouse(Protocol):
    """One open warehouse: its parts, and transactions that span snapshots, ledger and state."""

    kind: str
    tables: Tables
    snapshots: Snapshots
    ledger: Ledger
    state: StateStore

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all."""

    def close(self) -> None:
        """Give every connection back."""
