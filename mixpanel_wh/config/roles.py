"""Where each key of a sync has a meaning, as a table, and what record types and modes cannot do without."""

from dataclasses import dataclass

from mixpanel_wh.config.combinations import NOT_YET, why_not
from mixpanel_wh.config.sections import Section
from mixpanel_wh.engine.spec import Identity, Mode, RecordType

EVENT, USER, GROUP, LOOKUP, HISTORY = RecordType
PROFILES = (USER, GROUP)
ALL = tuple(RecordType)


@dataclass(frozen=True)
class Fits:
    """In which record types and modes a key means something, and what to say where it means nothing."""

    records: tuple[RecordType, ...] = ALL
    modes: tuple[Mode, ...] = tuple(Mode)
    why: str = ""
    whys: tuple[tuple[RecordType, str], ...] = ()

    def reason(self, record: RecordType) -> str:
        """Why the key means nothing to this record type."""
        return dict(self.whys).get(record, self.why)


_ID_IS_KEY = (
    (USER, "the distinct_id identifies a user profile, so there is no other row key"),
    (GROUP, "the group_id identifies a group profile, so there is no other row key"),
    (LOOKUP, "the lookup_id identifies a row of a lookup table, so there is no other row key"),
)
_USER_IDS = ((USER, "a user profile is identified by distinct_id: write the column there"),)
_APPEND = "only append reads by the time a row was written: write mode: append, or take this key away"
_WHOLE = ((LOOKUP, "a lookup table is replaced whole"),)
_DELETES = "only mirror finds updates and deletes: write mode: mirror, or take this key away"
_EVENTS = "only events have one"

PLACES: dict[str, Fits] = {
    "event": Fits((EVENT,), why=_EVENTS),
    "time": Fits((EVENT,), why=_EVENTS),
    "user_id": Fits((EVENT,), why=_EVENTS, whys=_USER_IDS),
    "device_id": Fits((EVENT,), why=_EVENTS),
    "distinct_id": Fits((EVENT, USER), why="only events and user profiles have one", whys=(
        (GROUP, "a group profile is identified by group_id: write the column there"),
        (LOOKUP, "a lookup table's rows are identified by lookup_id: write the column there"),
    )),
    "group_keys": Fits((EVENT,), why="only events belong to groups", whys=(
        (GROUP, "a group profile has one group_key: write its name there and the column under group_id"),
    )),
    "group_key": Fits((GROUP,), why="only group profiles have one", whys=((EVENT, "events take group_keys"),)),
    "group_id": Fits((GROUP,), why="only group profiles have one"),
    "lookup_table": Fits((LOOKUP,), why="only lookup tables have one"),
    "lookup_id": Fits((LOOKUP,), why="only lookup tables have one"),
    "row_key": Fits((EVENT,), whys=_ID_IS_KEY),
    "json": Fits((EVENT,), why="only events are flattened from JSON"),
    "ip": Fits((EVENT,), why="only events are located by address"),
    "unset_nulls": Fits(PROFILES, why="only profiles have properties that stay until they are removed"),
    "insert_time": Fits(modes=(Mode.APPEND,), why=_APPEND),
    "lookback": Fits(modes=(Mode.APPEND,), why=_APPEND),
    "start_at": Fits(modes=(Mode.APPEND,), why=_APPEND),
    "partitions": Fits((EVENT,), why="only events are cut by time"),
    "max_deletes": Fits((EVENT, USER, GROUP), (Mode.MIRROR,), _DELETES, _WHOLE),
    "max_changes": Fits((EVENT, USER, GROUP), (Mode.MIRROR,), _DELETES, _WHOLE),
}  # fmt: skip

NEEDED: dict[RecordType, dict[str, str]] = {
    EVENT: {
        "event": "an event needs a name: write event: Signed Up, or event: {column: ...} for a column that holds it",
        "time": "an event needs a time: name the column that says when it happened",
    },
    USER: {"distinct_id": "a user profile needs an id: name the column that holds it"},
    GROUP: {
        "group_key": "a group profile needs its group key, as it is called in Mixpanel",
        "group_id": "a group profile needs an id: name the column that holds it",
    },
    LOOKUP: {
        "lookup_table": "write the id of the lookup table in Mixpanel",
        "lookup_id": "a lookup table needs an id: name the column that holds it",
    },
    HISTORY: {},
}
NEEDS_INSERT_TIME = "append needs the column that says when a row was written"
NO_CONNECTOR = (
    "handing a sync over to Mixpanel's own connector is not possible yet; take this key away to let mixpanel_wh move "
    "the rows"
)
SIMPLIFIED = (
    "the destination has simplified identity, in which Mixpanel computes the distinct_id: write user_id and device_id, "
    "or identity: original at the destination"
)
ORIGINAL = "the destination has original identity: write distinct_id here, or identity: simplified at the destination"
ENGINES = ("mixpanel_wh", "mixpanel_connector")


def check_roles(section: Section) -> None:
    """Tell what does not fit the record type and mode of a sync."""
    record = RecordType(section.get("record")) if section.get("record") else None
    mode = Mode(section.get("mode")) if section.get("mode") else None
    if record in NOT_YET:
        section.wrong("record", NOT_YET[record])
        return
    if record and mode and (reason := why_not(record, mode)):
        section.wrong("mode", reason)
        mode = None
    for name, fits in PLACES.items():
        _check_place(section, name, fits, record, mode)
    for name, reason in NEEDED[record].items() if record else ():
        if not section.given(name):
            section.wrong(name, f"missing; {reason}")
    if mode is Mode.APPEND and not section.given("insert_time"):
        section.wrong("insert_time", f"missing; {NEEDS_INSERT_TIME}")
    _check_duplicate_keys(section, record, mode)
    _check_engine(section)


def _check_place(section: Section, name: str, fits: Fits, record: RecordType | None, mode: Mode | None) -> None:
    if not section.given(name):
        return
    if record and record not in fits.records:
        section.wrong(name, f"this key has no place in a sync of record {record}: {fits.reason(record)}")
    elif mode and mode not in fits.modes:
        section.wrong(name, f"this key has no place in mode {mode}: {fits.why}")


def _check_duplicate_keys(section: Section, record: RecordType | None, mode: Mode | None) -> None:
    if not section.given("on_duplicate_key"):
        return
    if record is EVENT and not section.given("row_key"):
        section.wrong("on_duplicate_key", "this key needs a row_key: without one, equal rows are told apart")
    if record in PROFILES and mode and mode is not Mode.MIRROR:
        section.wrong("on_duplicate_key", f"this key has no place in mode {mode} of profiles: the last row wins")


def _check_engine(section: Section) -> None:
    engine = section.get("engine", ENGINES[0])
    if engine == "mixpanel_connector":
        section.wrong("engine", NO_CONNECTOR)
    elif engine not in ENGINES:
        section.wrong("engine", f"'{engine}' is not an engine; take this key away, or write mixpanel_wh")


def check_identity(section: Section, identity: Identity) -> None:
    """Tell which id columns of an event do not fit the identity of its destination."""
    if section.get("record") != EVENT:
        return
    if identity is Identity.SIMPLIFIED and section.given("distinct_id"):
        section.wrong("distinct_id", SIMPLIFIED)
    for name in ("user_id", "device_id") if identity is Identity.ORIGINAL else ():
        if section.given(name):
            section.wrong(name, ORIGINAL)
