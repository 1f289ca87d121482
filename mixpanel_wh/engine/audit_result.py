"""What an audit is asked and what it came to, and the ports through which it reads Mixpanel back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from mixpanel_wh.engine.comparison import KINDS, Difference, Record
from mixpanel_wh.engine.spec import SyncSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpanel_wh.engine.ports import Encoder, Table

DAYS = 7


class Compare(StrEnum):
    """What is compared: numbers of records alone, or each record with all it says."""

    COUNTS = "counts"
    CONTENT = "content"


@dataclass(frozen=True)
class AuditOptions:
    """What a person may ask of an audit.

    `since` and `before` bound the events' time, in milliseconds since the epoch. Without `since`, contents are compared
    over the last `days` days that the table has events of, and counts over all of them.
    """

    compare: Compare = Compare.CONTENT
    since: int | None = None
    before: int | None = None
    days: int = DAYS


class Reader(Protocol):
    """Reads back what a project holds of one sync; it knows no warehouse. Raises DestinationError."""

    def expected(self, lines: pa.Array) -> Iterator[Record | None]:
        """For each line of the sync's encoder the record that Mixpanel holds once it was delivered; None for a line
        that is NULL or empty."""

    def events(self, names: Sequence[str] | None, since: int, before: int) -> Iterator[Record]:
        """Every copy of the sync's events with one of the names (None: any) and a time in [since, before), in
        milliseconds since the epoch."""

    def count(self, name: str, since: int, before: int) -> int:
        """How many of the sync's events of a name are visible on the days of [since, before), which begin at midnight
        in the project's own zone."""

    def profiles(self, ids: Sequence[str] | None = None) -> Profiles:
        """The profiles of the sync's kind, whoever made them; with `ids` only those."""

    def has_lookup_table(self) -> bool:
        """Whether the project lists the sync's lookup table."""


@dataclass(frozen=True)
class Profiles:
    """How many profiles a project holds, and those that were asked for."""

    total: int
    records: Iterator[Record]


class Readable(Protocol):
    """A Mixpanel project as an audit sees it."""

    def encoder(self, spec: SyncSpec, table: Table, epoch: int, dropped: tuple[str, ...] = ()) -> Encoder:
        """The encoder of a sync."""

    def reader(self, spec: SyncSpec, table: Table) -> Reader:
        """What reads the sync's records back; ConfigError when the settings cannot."""


@dataclass(frozen=True)
class AuditResult:
    """What an audit came to.

    `rows` were read or counted in the table. `rejected` of them break Mixpanel's rules, or were rejected by runs, and
    are not expected; `excused` ones were refused by Mixpanel itself. `since` and `before` bound the events' time (ISO
    8601 UTC). `missing`, `extra` and `differing` count records. `total` is how many profiles the project holds, those
    that others made included; extra ones are none of the sync's business.
    """

    sync: str
    record: str
    mode: str
    compare: str
    rows: int = 0
    rejected: int = 0
    excused: int = 0
    expected: int = 0
    held: int | None = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    share: float = 1.0
    since: str | None = None
    before: str | None = None
    total: int | None = None
    note: str = ""
    differences: tuple[Difference, ...] = field(default=(), repr=False)

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, extra or different in what was compared."""
        return not (self.missing or self.extra or self.differing)

    @property
    def sentence(self) -> str:
        """What the audit came to, in a sentence."""
        span = f" with a time from {self.since} to {self.before}" if self.since else ""
        part = "" if self.share == 1 else f" (a sample of {self.share:.2%} was compared)"
        what = f"{self.expected:,} records of the table{span}{part} and Mixpanel"
        found = ", ".join(f"{getattr(self, kind):,} {kind}" for kind in KINDS if getattr(self, kind))
        told = f"{what} differ: {found}" if found else f"{what} agree"
        counted = " in number" if self.compare == Compare.COUNTS and not found else ""
        others = "" if self.total is None else f"; the project holds {self.total:,} profiles in all"
        return f"{told}{counted}{others}{'; ' if self.note else ''}{self.note}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self) | {"agrees": self.agrees, "message": self.sentence}


def iso(ms: int) -> str:
    """A moment in milliseconds since the epoch as ISO 8601 in UTC."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
