"""Which record types can be kept in step in which modes, and why the others cannot."""

from mixpanel_wh.engine.spec import Mode, RecordType

EVENT, USER, GROUP, LOOKUP, HISTORY = RecordType
MIRROR, APPEND, FULL, ONE_TIME = Mode

EXISTS = ""
"""What `COMBINATIONS` holds for a combination that exists; every other text is the reason why it does not."""

_FULL_EVENTS = (
    "events cannot be sent in full: Mixpanel neither replaces nor removes events, so every run would send, and bill, "
    "the whole table again; write mirror (only what changed), append (only new rows) or one_time"
)
_APPEND_LOOKUP = (
    "a lookup table cannot be appended to: Mixpanel replaces it whole or not at all; write full, mirror (only when its "
    "content changed) or one_time"
)
_ONLY_MIRROR = "profile history exists in mode mirror only: each period of a profile is a row that may be closed later"

COMBINATIONS: dict[tuple[RecordType, Mode], str] = {
    (EVENT, MIRROR): EXISTS,
    (EVENT, APPEND): EXISTS,
    (EVENT, FULL): _FULL_EVENTS,
    (EVENT, ONE_TIME): EXISTS,
    (USER, MIRROR): EXISTS,
    (USER, APPEND): EXISTS,
    (USER, FULL): EXISTS,
    (USER, ONE_TIME): EXISTS,
    (GROUP, MIRROR): EXISTS,
    (GROUP, APPEND): EXISTS,
    (GROUP, FULL): EXISTS,
    (GROUP, ONE_TIME): EXISTS,
    (LOOKUP, MIRROR): EXISTS,
    (LOOKUP, APPEND): _APPEND_LOOKUP,
    (LOOKUP, FULL): EXISTS,
    (LOOKUP, ONE_TIME): EXISTS,
    (HISTORY, MIRROR): EXISTS,
    (HISTORY, APPEND): _ONLY_MIRROR,
    (HISTORY, FULL): _ONLY_MIRROR,
    (HISTORY, ONE_TIME): _ONLY_MIRROR,
}

NOT_YET: dict[RecordType, str] = {
    HISTORY: (
        "profile history cannot be synced yet: Mixpanel documents it for its own connectors only; write user to keep "
        "the newest values of each profile"
    ),
}


def why_not(record: RecordType, mode: Mode) -> str | None:
    """The reason why a combination cannot be used; None when it can."""
    return COMBINATIONS[record, mode] or None


def modes_of(record: RecordType) -> list[Mode]:
    """The modes that a record type can be kept in step in."""
    return [mode for mode in Mode if not COMBINATIONS[record, mode]]
