"""Mirror: only what changed since the last run is sent, deletes included."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.state import Checkpoint, Pending


class Mirror(Steps):
    """The warehouse finds the changes and keeps them staged until they are answered."""

    forgets_nothing = True

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Stage the changes. Nothing of them counts until a pending run names them."""
        with self.warehouse.transaction():
            staged = self.warehouse.snapshots.stage(self.spec, pending, self.part)
        self.note = staged.note
        return staged

    def discard(self) -> None:
        """Drop the change table; the snapshot stands as it was, so the next plan finds the same changes."""
        self.warehouse.snapshots.discard(self.spec)

    def plan(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Stage the changes and write the pending run in one transaction."""
        with self.warehouse.transaction():
            return super().plan(checkpoint, pending)

    def read(self, pending: Pending) -> Iterator[pa.RecordBatch]:
        """The staged changes that were not answered yet."""
        return self.warehouse.snapshots.read(self.spec, pending)

    def resume(self, pending: Pending) -> Pending:
        """The change table stands as it was, so sending goes on after the last answer."""
        return pending

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Bring the snapshot to what was sent."""
        self.warehouse.snapshots.apply(self.spec, pending)
        return replace(checkpoint, properties=pending.properties)

    def settle(self, pending: Pending) -> None:
        """Keep what was delivered; the rest is found again by the next plan."""
        self.warehouse.snapshots.apply(self.spec, pending, settle=True)

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """Every row counts as changed; what was delivered is still known, so deletes are found too."""
        self.warehouse.snapshots.forget(self.spec)
        return checkpoint
