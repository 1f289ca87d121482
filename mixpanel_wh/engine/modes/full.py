"""Full sends the whole table at each run; One-Time sends it once and never again."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.state import Checkpoint, Pending


class Full(Steps):
    """Everything, every time."""

    sends_all = True

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """The whole table."""
        self.warehouse.tables.verify_keys(self.spec)
        rows = self.warehouse.tables.count(self.spec)
        return replace(pending, rows=rows, inserted=rows)

    def read(self, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Every row."""
        return self.warehouse.tables.read(self.spec)

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Nothing stands beside the checkpoint."""
        return replace(checkpoint, properties=pending.properties)


class OneTime(Full):
    """Everything, once."""

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """The whole table, unless it has been sent before."""
        if not checkpoint.done:
            return super().find(checkpoint, pending)
        self.note = f"sent once already, at {checkpoint.committed_at}; a full resync sends it again"
        return pending

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """It is done."""
        return replace(super().finish(checkpoint, pending), done=True)

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """Once more."""
        return replace(checkpoint, done=False)
