"""Mirror of a lookup table: replaced whole, and only when its content changed."""

from dataclasses import replace

from mixpanel_wh.engine.modes.full import Full
from mixpanel_wh.engine.state import Checkpoint, Pending


class Replace(Full):
    """A content hash of the table decides whether it travels."""

    def find(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """The whole table when its content hash moved, nothing otherwise."""
        fingerprint = self.warehouse.tables.fingerprint(self.spec)
        fixed = replace(pending, fingerprint=fingerprint)
        return fixed if fingerprint == checkpoint.fingerprint else super().find(checkpoint, fixed)

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Remember what was sent."""
        return replace(super().finish(checkpoint, pending), fingerprint=pending.fingerprint)

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """Send it whatever its content."""
        return replace(checkpoint, fingerprint=None)
