"""What a person asked for: one checked, frozen description a sync, made by the config room and read by all others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Mode(StrEnum):
    """How a table is kept in step."""

    MIRROR = "mirror"
    APPEND = "append"
    FULL = "full"
    ONE_TIME = "one_time"


class RecordType(StrEnum):
    """What a row becomes in Mixpanel."""

    EVENT = "event"
    USER = "user"
    GROUP = "group"
    LOOKUP = "lookup"
    HISTORY = "history"


class Identity(StrEnum):
    """The identity system of a Mixpanel project; it cannot change once the project holds events."""

    SIMPLIFIED = "simplified"
    ORIGINAL = "original"


@dataclass(frozen=True)
class TableName:
    """A table or view as its warehouse names it: `parts` from the outermost (catalogue, schema) to the table."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Properties:
    """Which columns become properties, and under which names.

    `allow` empty means every column that has no other role. `hash` names columns sent as the SHA-256 of their
    text. `rename` maps a column to a property name.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)
    send_nulls: bool = False


@dataclass(frozen=True)
class Limit:
    """A guard: at most `rows`, and at most `share` (0 to 1) of the rows in question; None means no such bound."""

    rows: int | None = None
    share: float | None = None

    def allows(self, count: int, total: int) -> bool:
        """Whether `count` rows out of `total` are within the guard."""
        within_rows = self.rows is None or count <= self.rows
        return within_rows and (self.share is None or count <= self.share * total)


@dataclass(frozen=True)
class DefaultRejectLimit(Limit):
    """1 % of the rows, but never fewer than 20 rows: a share means nothing on a small table."""

    share: float | None = 0.01

    def allows(self, count: int, total: int) -> bool:
        """Whether `count` rejections out of `total` rows are within 1 % or 20 rows, whichever is more."""
        return count <= max(20.0, 0.01 * total)


@dataclass(frozen=True)
class Partitions:
    """How the events of a sync are cut for backfills: by the `every` (day or hour) of the moment in `column`, which is
    the event's time or the insert time, from `start` on. Days begin at midnight in the sync's time zone."""

    every: str
    column: str
    start: datetime


@dataclass(frozen=True)
class SyncSpec:
    """A sync: one table kept in step with one record type in one mode.

    Column roles hold column names of the source table; None or empty means the role is not used.
    Event: `event_name` or `event_column`, `time_column`, and `user_id`, `device_id` (simplified identity) or
    `distinct_id` (original identity); `group_keys` maps a column to the group key it fills; `json_column` is
    flattened into properties; `ip_column` is geolocated.
    User: `distinct_id`. Group: `group_key` (the key's name in Mixpanel) and `group_id` (the column).
    Lookup: `lookup_table_id` and `lookup_id` (the column, unique and not empty).
    """

    name: str
    table: TableName
    record: RecordType
    mode: Mode
    warehouse: str = "main"
    destination: str = "main"
    row_key: tuple[str, ...] = ()
    on_duplicate_key: str = "stop"
    event_name: str | None = None
    event_column: str | None = None
    time_column: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    distinct_id: str | None = None
    group_keys: dict[str, str] = field(default_factory=dict)
    group_key: str | None = None
    group_id: str | None = None
    lookup_table_id: str | None = None
    lookup_id: str | None = None
    json_column: str | None = None
    ip_column: str | None = None
    properties: Properties = Properties()
    insert_time: str | None = None
    lookback: timedelta = timedelta(0)
    start_at: datetime | None = None
    timezone: str = "UTC"
    unset_nulls: bool = False
    max_rejected: Limit = DefaultRejectLimit()
    max_deletes: Limit = Limit()
    max_changes: Limit = Limit()
    engine: str = "mixpanel_wh"
    schedule: str | None = None
    description: str | None = None
    group: str | None = None
    owners: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    partitions: Partitions | None = None
    after_upstream: bool = False
    reconciliation: str = "counts"

    @property
    def id_column(self) -> str | None:
        """The column that identifies a profile or lookup row; None for events."""
        return {
            RecordType.USER: self.distinct_id,
            RecordType.GROUP: self.group_id,
            RecordType.LOOKUP: self.lookup_id,
        }.get(self.record)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that identify a row: the row key, else the id column; empty means the row's own hash."""
        return self.row_key or ((self.id_column,) if self.id_column else ())

    @property
    def role_columns(self) -> tuple[str, ...]:
        """The columns that the sync names in a role other than property, without repeats, in a fixed order."""
        named = (
            self.event_column, self.time_column, self.user_id, self.device_id, self.distinct_id,
            self.group_id, self.lookup_id, self.json_column, self.ip_column, *self.group_keys,
        )  # fmt: skip
        return tuple(dict.fromkeys(column for column in named if column))

    def sent_columns(self, columns: Sequence[str]) -> list[str]:
        """Which of the table's columns are sent as properties: the allowed ones, without the denied ones and those
        with another role."""
        left_out = {*self.role_columns, *self.properties.deny}
        chosen = self.properties.allow or columns
        return [column for column in columns if column in chosen and column not in left_out]
