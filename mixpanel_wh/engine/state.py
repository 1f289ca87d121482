"""What is remembered of a sync between runs: the committed checkpoint and the pending run."""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Checkpoint:
    """What is committed. `cursor` is the high-water mark of Append as ISO 8601 text, in the column's own terms.

    `properties` are the property names last sent (a dropped column is unset from them), `fingerprint` is the
    content hash of a lookup table, `done` says that a one-time sync has run.
    """

    epoch: int = 0
    cursor: str | None = None
    properties: tuple[str, ...] = ()
    fingerprint: str | None = None
    done: bool = False
    run_id: str | None = None
    committed_at: str | None = None
    rows: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Checkpoint":
        """The checkpoint that `as_dict` wrote; keys that a newer version added are left out."""
        known = {key: value for key, value in values.items() if key in cls.__dataclass_fields__}
        return cls(**{**known, "properties": tuple(known.get("properties", ()))})


@dataclass(frozen=True)
class Pending:
    """What was started and not yet committed: enough to finish exactly that range after a crash.

    `after` and `upto` bound an Append window (after, upto]. `staged` says that the changes to send stand in the
    warehouse's change table, with `rows` in it and the three counts. `acknowledged` is how many staged rows, from
    the first on, Mixpanel has answered; `accepted` and `rejected` divide them. `stopped` says that a guard ended
    the run: the next one settles what was answered and starts anew. `partial` says that only the changes of a part
    of the table are staged. `note` is a sentence about how the changes were found, where there is something to say.
    """

    run_id: str
    started_at: str
    epoch: int = 0
    after: str | None = None
    upto: str | None = None
    staged: bool = False
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    acknowledged: int = 0
    accepted: int = 0
    rejected: int = 0
    fingerprint: str | None = None
    properties: tuple[str, ...] = ()
    stopped: bool = False
    partial: bool = False
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Pending":
        """The pending run that `as_dict` wrote; keys that a newer version added are left out."""
        known = {key: value for key, value in values.items() if key in cls.__dataclass_fields__}
        return cls(**{**known, "properties": tuple(known.get("properties", ()))})

    def answered(self, acknowledged: int, accepted: int, rejected: int) -> "Pending":
        """The same run, with more of it answered."""
        return replace(self, acknowledged=acknowledged, accepted=accepted, rejected=rejected)


@dataclass(frozen=True)
class SyncState:
    """Everything remembered of one sync."""

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    pending: Pending | None = None


@dataclass(frozen=True)
class Lease:
    """A run's claim on a sync; it expires by itself so that a killed run blocks nobody for long."""

    sync: str
    holder: str
    expires_at: datetime
