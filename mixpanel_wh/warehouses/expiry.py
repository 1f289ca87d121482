"""How long a warehouse keeps what Mirror compares the table with, and how old the kept snapshot is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.engine.state import Checkpoint

EXPIRES: dict[str, timedelta] = {"snowflake": timedelta(days=14), "databricks": timedelta(days=30)}
"""By kind of warehouse; a warehouse whose snapshots are plain tables keeps them for ever and is not here."""

ALSO_READ_ONLY = frozenset({"databricks"})
"""Those where it is the history of the table itself that is forgotten, which a sync with `staging_path` reads too."""

WARNS_AT = 2 / 3


@dataclass(frozen=True)
class SnapshotAge:
    """How long ago the snapshot was brought up to date (None: there is none yet), and when it expires."""

    age: timedelta | None
    limit: timedelta

    @property
    def is_expired(self) -> bool:
        """Whether the next run may find no snapshot to compare with, and has to compare in another way."""
        return self.age is not None and self.age > self.limit

    @property
    def is_old(self) -> bool:
        """Whether two thirds of the limit have passed."""
        return self.age is not None and self.age >= self.limit * WARNS_AT

    @property
    def sentence(self) -> str:
        """The age in words."""
        if self.age is None:
            return "no snapshot is kept yet"
        days, limit = self.age / timedelta(days=1), self.limit.days
        told = f"the snapshot is {days:.1f} days old"
        if self.is_expired:
            return f"{told}, and the warehouse keeps it for {limit}: run the sync, which may compare every row anew"
        if self.is_old:
            return f"{told} and expires after {limit}: run the sync before that"
        return f"{told} and expires after {limit}"


def expires(kind: str, spec: SyncSpec, in_file: bool = False) -> bool:
    """Whether the sync compares with what its warehouse does not keep for ever; `in_file`: with `staging_path`."""
    forgets = ALSO_READ_ONLY if in_file else EXPIRES.keys()
    return kind in forgets and spec.mode is Mode.MIRROR


def snapshot_age(kind: str, checkpoint: Checkpoint, now: datetime | None = None) -> SnapshotAge:
    """The age of the snapshot that the last committed run kept; only for kinds that are in `EXPIRES`."""
    committed = datetime.fromisoformat(checkpoint.committed_at) if checkpoint.committed_at else None
    return SnapshotAge((now or datetime.now(UTC)) - committed if committed else None, EXPIRES[kind])
