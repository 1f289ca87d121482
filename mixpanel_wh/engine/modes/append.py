"""Append: rows written since the last run are sent, found by their insert time; late rows by the ledger."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.pipeline import Answered
from mixpanel_wh.engine.ports import Window
from mixpanel_wh.engine.state import Checkpoint, Pending


class Append(Steps):
    """A window of insert times is fixed first, then read, then the cursor moves to its end."""

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """The window (cursor, high-water mark]."""
        window = self.warehouse.tables.window(self.spec, checkpoint.cursor)
        self.warehouse.tables.verify_keys(self.spec, window)
        if window.unread:
            self.note = f"{window.unread:,} rows have no {self.spec.insert_time} and are never read by append"
        return replace(pending, after=window.after, upto=window.upto, rows=window.rows, inserted=window.rows)

    def plan(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Fix the window and write it down, and begin a new part of the ledger."""
        found = self.find(checkpoint, pending)
        with self.warehouse.transaction():
            self.warehouse.ledger.start(self.spec)
            self.warehouse.state.save_pending(self.spec.name, found)
        return found

    def resume(self, pending: Pending) -> Pending:
        """The whole window again: its rows carry the same insert ids."""
        self.warehouse.ledger.start(self.spec)
        return pending.answered(0, 0, 0)

    def read(self, pending: Pending) -> Iterator[pa.RecordBatch]:
        """The window's rows."""
        return self.warehouse.tables.read(self.spec, self._window(pending))

    def answered(self, pending: Pending, part: Answered) -> None:
        """Remember the rows near the window's end, rejected ones too: they are not to be read again."""
        if not pc.any(part.batch.column(batches.NEAR)).as_py():
            return
        named = part.batch.select([batches.KEY, batches.INSERT_TIME])
        named = named.filter(pc.and_(part.batch.column(batches.NEAR), pc.is_valid(named.column(batches.KEY))))
        if named.num_rows:
            self.warehouse.ledger.remember(self.spec, named)

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Commit the ledger and move the cursor."""
        if pending.upto is not None:
            self.warehouse.ledger.settle(self.spec, self._window(pending))
        return replace(checkpoint, cursor=pending.upto)

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """From the beginning."""
        self.warehouse.ledger.discard(self.spec)
        return replace(checkpoint, cursor=None)

    def _window(self, pending: Pending) -> Window:
        return Window(pending.after, pending.upto, pending.rows)
