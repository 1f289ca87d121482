"""What a mode does: plan what to send, read it, and move the state once all of it was answered."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from mixpanel_wh.engine.pipeline import Answered
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Checkpoint, Pending


@dataclass
class Steps(ABC):
    """One sync's steps in one run. Plans are durable when `plan` returns, where the steps keep state at all."""

    spec: SyncSpec
    warehouse: Warehouse
    part: Part | None = None
    """The rows that the run is about; None for all of them."""
    keeps_state: ClassVar[bool] = True
    sends_all: ClassVar[bool] = False
    """Whether each plan sends every row anyhow, so that a pending run need not be finished first."""
    forgets_nothing: ClassVar[bool] = False
    """Whether a pending run must be finished even before a full resync: what Mixpanel took of it without an answer
    being read is known from its plan alone, and has to be deleted one day."""
    note: str = ""
    """A sentence for the result, when the numbers alone would puzzle a reader."""

    @abstractmethod
    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Fix what to send. What it writes, if anything, no later run relies on, and `discard` throws away."""

    def discard(self) -> None:  # noqa: B027
        """Throw away what `find` wrote, where no run is to send it. Runs inside a transaction."""

    def plan(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Fix what to send and write it down as the pending run."""
        found = self.find(checkpoint, pending)
        if self.keeps_state:
            self.warehouse.state.save_pending(self.spec.name, found)
        return found

    @abstractmethod
    def read(self, pending: Pending) -> Iterator[pa.RecordBatch]:
        """What is still to be sent of a pending run."""

    def resume(self, pending: Pending) -> Pending:
        """What to do with a pending run that a crash left: by default all of it is sent again."""
        return pending.answered(0, 0, 0)

    def answered(self, pending: Pending, part: Answered) -> None:  # noqa: B027
        """A part of the pending run was answered; by default nothing is to be remembered of it."""

    @abstractmethod
    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Move what stands beside the checkpoint; returns the new checkpoint. Runs inside the commit."""

    def settle(self, pending: Pending) -> None:  # noqa: B027
        """Give up a pending run that a guard stopped, keeping what was delivered. Runs inside a transaction."""

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint from which everything is sent again, for a full resync."""
        return checkpoint
