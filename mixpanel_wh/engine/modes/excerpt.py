"""A part of a table sent beside the state: a backfill of an Append window, or a sample to look at in Mixpanel.

Nothing is remembered of it but rejections and the result. Its rows carry the insert ids that every other run gives
them, so what a part sent and a later run sends again counts once.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pyarrow as pa

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.engine.state import Checkpoint, Pending


class Excerpt(Steps):
    """The rows of the part, whatever was sent of them before."""

    keeps_state: ClassVar[bool] = False

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """Count the rows of the part."""
        if self.spec.record is RecordType.LOOKUP:
            raise SourceError(f"sync {self.spec.name}: a lookup table is replaced whole and cannot be sent in parts")
        self.warehouse.tables.verify_keys(self.spec, self.part)
        rows = self.warehouse.tables.count(self.spec, self.part)
        return replace(pending, rows=rows, inserted=rows)

    def read(self, pending: Pending) -> Iterator[pa.RecordBatch]:
        """The rows of the part."""
        return self.warehouse.tables.read(self.spec, self.part, self.part.rows if self.part else None)

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Nothing moves."""
        return checkpoint
