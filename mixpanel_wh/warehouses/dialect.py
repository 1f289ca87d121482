"""What differs between SQL dialects, as small expressions; each warehouse writes its own by hand."""

from enum import StrEnum
from typing import Protocol

from mixpanel_wh.engine.ports import Column


class Kind(StrEnum):
    """What a column's type means to us."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMP_NS = "timestamp_ns"
    TIMESTAMP_TZ = "timestamp_tz"
    BINARY = "binary"
    JSON = "json"
    NESTED = "nested"
    OTHER = "other"


MOMENTS = (Kind.TIMESTAMP, Kind.TIMESTAMP_NS, Kind.TIMESTAMP_TZ, Kind.DATE)
NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)
MILLISECONDS_FROM = "100000000000"
"""A number is seconds since the epoch below this, and milliseconds from here on, as in Mixpanel's /import."""
FARTHEST_MS = 9_000_000_000_000_000
"""A number beyond this is no moment."""
SUM_MODULUS = 1 << 62
"""Sums of fast hashes are kept below this, so that they fit a signed number of 64 bits."""


def number_as_ms(sql: str, times_1000: str = "") -> str:
    """A number that is a moment, in milliseconds; `times_1000` is how the warehouse multiplies it without overflow."""
    return f"CASE WHEN ABS({sql}) < {MILLISECONDS_FROM} THEN {times_1000 or f'{sql} * 1000'} ELSE {sql} END"


def number_earlier(sql: str, seconds: float) -> str:
    """A number that is a moment, `seconds` before, in the unit that it has."""
    return f"{sql} - CASE WHEN ABS({sql}) < {MILLISECONDS_FROM} THEN {round(seconds)} ELSE {round(seconds * 1000)} END"


class Dialect(Protocol):
    """SQL expressions of one warehouse. Every `sql` argument and result is an expression, not a statement."""

    name: str

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""

    def literal(self, text: str) -> str:
        """A text literal, for names that the project file gives; never for values of rows."""

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter `name`; text, unless it is cast."""

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same text for the same value in every release and session."""

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out."""

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none.

        A timestamp without a zone is read in the zone given as parameter `timezone`. Numbers are seconds, or
        milliseconds from 10^11 on, as in Mixpanel's /import.
        """

    def hash_text(self, sql: str) -> str:
        """A stable 128-bit hash of a text, as 32 hex characters."""

    def hash_value(self, sql: str) -> str:
        """A stable 128-bit hash of a text, in the cheapest type of the warehouse; `hash_type` names it."""

    text_type: str  # a text of any length
    hash_type: str
    zero_hash: str  # a constant of that type
    fast_type: str  # the type of `fast_total`
    row_number: str  # a column that numbers the rows of a table made by us from 0, in the order they were written
    numbers_rows: bool  # whether every table has that column by itself; else whoever writes a table fills it
    release: str  # the warehouse's release, within which fast hashes hold
    longest_name: int | None  # how many bytes a table's name may have, where the warehouse cuts longer ones

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema of parameter `schema` is there (in `catalogue`, a parameter too), and
        this user may know."""

    def made(self, table: str, ordered: bool) -> list[str]:
        """Statements for a table of ours that was written just now; `ordered`: it is read by `row_number`."""

    def hashable(self, column: Column) -> str:
        """The column, as fast hashes take it: equal only where it is the same for Mixpanel."""

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment, NULL where it is infinite."""

    def hash_total(self, sql: str) -> str:
        """An aggregate: a stable 128-bit hash over all rows of a text, independent of their order, as text."""

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; the moment itself for kinds that are no time."""

    def fast_total(self, sql: str, repeats: bool) -> str:
        """An aggregate over fast hashes, independent of order; with `repeats`, equal rows must not cancel out."""

    def fast_hash(self, columns: list[str]) -> str:
        """A fast 64-bit hash of several `hashable` columns, stable only within one release of the warehouse."""

    def bucket(self, columns: list[str], buckets: int) -> str:
        """A bucket number from 0 to `buckets - 1` (a power of two) by fast hash of `hashable` columns."""
