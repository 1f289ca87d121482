"""Mixpanel's limits as numbers, and the values it refuses.

They come from Mixpanel's pages on importing events, on user and group profiles and on lookup tables. A megabyte is
1,048,576 bytes, as in the 413 example of Mixpanel's OpenAPI file (2,097,152 bytes for 2 MB).
"""

import re

BATCH_RECORDS = 2_000
BATCH_BYTES = 10 * 1_048_576

NAME_LENGTH = 255
STRING_BYTES = 255
EVENT_BYTES = 1_048_576
EVENT_PROPERTIES = 255
NESTED_KEYS = 255
NESTED_LEVELS = 3
LIST_ELEMENTS = 255
NESTED_VALUE_BYTES = 8 * 1_024

EARLIEST_SECOND = 31_536_000
FUTURE_SECONDS = 3_600

JUNK_IDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
    }
)
INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
IDENTITY_EVENTS = frozenset({"$identify", "$create_alias", "$merge"})

PROFILE_PROPERTIES = 2_000
PROFILE_UPDATE_BYTES = 1_048_576
PROFILE_VALUE_BYTES = 256 * 1_024

LOOKUP_BYTES = 100 * 1_048_576
LOOKUP_REPLACEMENTS_PER_DAY = 100
LOOKUP_ERRORS_SHOWN = 10

ENGAGE_PAGE = 1_000
EXPORTS_PER_HOUR, EXPORTS_PER_SECOND, EXPORTS_AT_ONCE = 60, 3, 100
QUERIES_PER_HOUR, QUERIES_AT_ONCE = 60, 5
