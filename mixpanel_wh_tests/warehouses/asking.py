"""What the contract's parts share: specs in a line, rows as dictionaries, and a Mirror run without a Mixpanel."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.pipeline import REJECTED
from mixpanel_wh.engine.ports import Part, Warehouse, Window
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.engine.state import Checkpoint, Lease, Pending
from mixpanel_wh_tests.warehouses.ground import Ground

Row = dict[str, Any]
NOT_STAGED = Pending("none", "never")


def event_spec(table: TableName, **more: Any) -> SyncSpec:
    """A Mirror of events with a static name and a row key `id`, read at `at`."""
    chosen: Row = {"event_name": "Seen", "time_column": "at", "row_key": ("id",)}
    return SyncSpec("seen", table, RecordType.EVENT, Mode.MIRROR, **chosen | more)


def user_spec(table: TableName, **more: Any) -> SyncSpec:
    """A Mirror of user profiles by `id`."""
    return SyncSpec("people", table, RecordType.USER, Mode.MIRROR, **{"distinct_id": "id"} | more)


def append_spec(table: TableName, **more: Any) -> SyncSpec:
    """An Append of events by the insert time `written`."""
    chosen: Row = {"event_name": "Seen", "time_column": "at", "insert_time": "written"}
    return SyncSpec("appended", table, RecordType.EVENT, Mode.APPEND, **chosen | more)


def lookup_spec(table: TableName, **more: Any) -> SyncSpec:
    """A lookup table by `id`."""
    chosen: Row = {"lookup_id": "id", "lookup_table_id": "places"}
    return SyncSpec("places", table, RecordType.LOOKUP, Mode.MIRROR, **chosen | more)


def dictionaries(record_batches: Iterable[pa.RecordBatch]) -> list[Row]:
    """Every row of the batches."""
    return [row for batch in record_batches for row in batch.to_pylist()]


def read(warehouse: Warehouse, spec: SyncSpec, window: Window | Part | None = None) -> list[Row]:
    """The rows that a sync reads."""
    return dictionaries(warehouse.tables.read(spec, window))


@dataclass
class Mirroring:
    """Mirror runs of one sync against one warehouse, step by step, as the engine would take them."""

    warehouse: Warehouse
    spec: SyncSpec
    pending: Pending = NOT_STAGED

    def __post_init__(self) -> None:
        # Every run of the engine begins with its lease, which makes the staging schema where there is none.
        self.warehouse.state.acquire(Lease(self.spec.name, "contract", datetime.now(UTC) + timedelta(minutes=1)))

    def stage(self, part: Part | None = None) -> Pending:
        """Stage and write the pending run."""
        fresh = Pending(uuid4().hex, "2024-01-01T00:00:00+00:00")
        with self.warehouse.transaction():
            self.pending = self.warehouse.snapshots.stage(self.spec, fresh, part)
            self.warehouse.state.save_pending(self.spec.name, self.pending)
        return self.pending

    def look(self) -> list[Row]:
        """The changes that the next run would find, staged and thrown away as a plan does it; `pending` has their
        counts."""
        with self.warehouse.transaction():
            self.pending = self.warehouse.snapshots.stage(self.spec, NOT_STAGED)
        found = self.changes()
        with self.warehouse.transaction():
            self.warehouse.snapshots.discard(self.spec)
        return found

    def changes(self) -> list[Row]:
        """The staged changes that were not acknowledged yet."""
        return dictionaries(self.warehouse.snapshots.read(self.spec, self.pending)) if self.pending.rows else []

    def acknowledge(self, rows: int, rejected: Iterable[str] = ()) -> None:
        """The first `rows` changes were answered, those with the given keys by a rejection."""
        keys = list(rejected)
        columns = [pa.array(keys), *(pa.array([text] * len(keys)) for text in ("name", "no", "rules"))]
        with self.warehouse.transaction():
            if keys:
                refused = pa.record_batch(columns, schema=REJECTED)
                self.warehouse.state.reject(self.spec.name, self.pending.run_id, refused)
            self.pending = self.pending.answered(rows, rows - len(keys), len(keys))
            self.warehouse.state.save_pending(self.spec.name, self.pending)

    def commit(self, settle: bool = False) -> None:
        """Bring the snapshot up to date and commit, or settle what was answered and forget the rest."""
        with self.warehouse.transaction():
            self.warehouse.snapshots.apply(self.spec, self.pending, settle)
            if settle:
                self.warehouse.state.clear_pending(self.spec.name)
            else:
                self.warehouse.state.commit(self.spec.name, Checkpoint())

    def run(self, rejected: Iterable[str] = ()) -> list[Row]:
        """One whole run; the changes it sent."""
        self.stage()
        found = self.changes()
        counted = Counter(row[batches.OP] for row in found)
        counts = (self.pending.inserted, self.pending.updated, self.pending.deleted)
        assert counts == (counted["insert"], counted["update"], counted["delete"])
        assert self.pending.rows == len(found)
        self.acknowledge(len(found), rejected)
        self.commit()
        return found

    def under(self, **changed: Any) -> "Mirroring":
        """The same runs with another spec."""
        return replace(self, spec=replace(self.spec, **changed))


def appended(warehouse: Warehouse, spec: SyncSpec) -> None:
    """Two Append runs."""
    cursor = None
    for _ in range(2):
        window = warehouse.tables.window(spec, cursor)
        warehouse.ledger.start(spec)
        for batch in warehouse.tables.read(spec, window):
            warehouse.ledger.remember(spec, batch)
        warehouse.ledger.settle(spec, window)
        cursor = window.upto
    warehouse.ledger.discard(spec)


def ops(rows: list[Row]) -> dict[str, str]:
    """What became of each row key."""
    assert len({row[batches.KEY] for row in rows}) == len(rows)
    return {row[batches.KEY]: row[batches.OP] for row in rows}


def tally(rows: list[Row]) -> dict[str, int]:
    """How many changes of each kind."""
    return dict(Counter(row[batches.OP] for row in rows))


class Asked:
    """What every part of the contract is given: the fixtures `ground` (of the subclass) and `warehouse` (on it)."""

    @pytest.fixture
    def ground(self) -> Ground:
        """Where tables are made; a subclass for a warehouse gives its own."""
        raise NotImplementedError

    def people(self, ground: Ground, rows: list[tuple[object, ...]], table: str = "people") -> TableName:
        """A table of people: id, name, age."""
        return ground.make(table, self.people_columns(ground), rows)

    def people_columns(self, ground: Ground) -> dict[str, str]:
        return {"id": ground.kinds.text, "name": ground.kinds.text, "age": ground.kinds.integer}

    def visits_columns(self, ground: Ground) -> dict[str, str]:
        kinds = ground.kinds
        return {"id": kinds.integer, "at": kinds.timestamp, "who": kinds.text, "page": kinds.text}

    def visits(self, ground: Ground, rows: list[tuple[object, ...]], table: str = "visits") -> TableName:
        """A table of visits: id, at, who, page."""
        return ground.make(table, self.visits_columns(ground), rows)
