"""Mirror of a lookup table: replaced whole, and only when its content changed."""

from dataclasses import replace

from mixpanel_wh.engine.modes.full import Full
from mixpanel_wh.engine.state import Checkpoint, Pending


class Replace(Full):
    """A content hash of the table decides whether it travels."""

    def plan(self, checkpoint: Checkpoint, pending: Pending) -> Pending:
        """The whole table when its content hash moved, nothing otherwise."""
        fingerprint = self.warehouse.tables.fingerprint(self.spec)
        fixed = replace(pending, fingerprint=fingerprint)
        if fingerprint != checkpoint.fingerprint:
            return super().plan(checkpoint, fixed)
        self.warehouse.state.save_pending(self.spec.name, fixed)
        return fixed

    def finish(self, checkpoint: Checkpoint, pending: Pending) -> Checkpoint:
        """Remember what was sent."""
        return replace(super().finish(checkpoint, pending), fingerprint=pending.fingerprint)

    def restart(self, checkpoint: Checkpoint) -> Checkpoint:
        """Send it whatever its content."""
        return replace(checkpoint, fingerprint=None)
