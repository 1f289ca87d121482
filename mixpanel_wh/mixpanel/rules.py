"""What Mixpanel refuses inside a record, as numbers and values.

They come from Mixpanel's pages "Import Events", "User Profiles", "Group Profiles" and "Lookup Tables". A megabyte is
1,048,576 bytes. What a request may hold is in `endpoints`.
"""

from dataclasses import dataclass

NAME_LENGTH = 255
STRING_BYTES = 255
"""Where Mixpanel cuts the texts of an event, in bytes of UTF-8."""
LIST_ELEMENTS = 254
NESTED_KEYS = 254
NESTED_LEVELS = 3
EARLIEST_MS = 31_536_000_000  # 1971-01-01
FUTURE_MS = 3_600_000
WIDEST_INTEGER = 2**53
"""Integers beyond this lose digits in a double, so they travel as text."""

JUNK_IDS = (
    "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
    "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}",
)  # fmt: skip
IDENTITY_EVENTS = ("$identify", "$create_alias", "$merge")

EVENT_RESERVED = frozenset({
    "time", "distinct_id", "$insert_id", "$user_id", "$device_id", "token", "ip",
    "$warehouse_import_id", "$warehouse_type", "$warehouse_table", "_deleted",
})  # fmt: skip
PROFILE_PREFIXED = frozenset({"email", "name", "first_name", "last_name", "phone", "avatar", "created"})
"""Names that Mixpanel shows on a profile when they are written with a `$` in front."""


@dataclass(frozen=True)
class Limits:
    """What one record may hold: `bytes` of JSON, `properties`, and `nested_bytes` a list or object value.

    `levels` and `elements` bound nested values where Mixpanel bounds them (events), else None.
    """

    bytes: int
    properties: int
    nested_bytes: int
    levels: int | None = None
    elements: int | None = None


EVENT = Limits(
    bytes=1_048_575, properties=254, nested_bytes=8 * 1024, levels=NESTED_LEVELS, elements=LIST_ELEMENTS
)
PROFILE = Limits(bytes=1_048_576, properties=2_000, nested_bytes=256 * 1024)
LOOKUP = Limits(bytes=100 * 1_048_576, properties=2_000, nested_bytes=100 * 1_048_576)
"""A lookup table is bounded as a whole, so a row of it cannot be larger than that either."""
