"""Names: which column becomes which property, and which names Mixpanel refuses."""

from collections.abc import Sequence

from mixpanel_wh.engine.errors import ConfigError, SourceError
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.mixpanel.rules import EVENT_RESERVED, IDENTITY_EVENTS, NAME_LENGTH, PROFILE_PREFIXED

_PROFILES = (RecordType.USER, RecordType.GROUP)


def property_name(spec: SyncSpec, column: str) -> str:
    """The property that a column is sent as: its new name, or its own, with a `$` where profiles want one."""
    renamed = spec.properties.rename.get(column)
    if renamed is not None:
        return renamed
    return f"${column}" if spec.record in _PROFILES and column in PROFILE_PREFIXED else column


def property_names(spec: SyncSpec, columns: Sequence[str]) -> dict[str, str]:
    """The property of each sent column, group keys included; SourceError where two would collide or one is reserved."""
    names = {column: property_name(spec, column) for column in spec.sent_columns(columns)}
    if spec.record is RecordType.EVENT:
        names |= {column: key for column, key in spec.group_keys.items() if column in columns}
    # The first field of a lookup table has the name of the id column.
    taken = {spec.id_column: spec.id_column} if spec.record is RecordType.LOOKUP and spec.id_column else {}
    for column, name in names.items():
        _refuse_reserved(spec, column, name)
        if name in taken:
            raise SourceError(
                f"sync {spec.name}: columns '{taken[name]}' and '{column}' would both be sent as property '{name}': "
                "rename one under properties: rename, or leave one out under properties: deny"
            )
        taken[name] = column
    return names


def check_event_name(spec: SyncSpec, simplified: bool) -> None:
    """ConfigError where every event of a sync has one name that Mixpanel refuses; names from a column are checked
    row by row."""
    name = spec.event_name or ""
    if spec.event_column is not None:
        return
    if len(name) > NAME_LENGTH:
        raise ConfigError([f"sync {spec.name}: the event name '{name[:40]}…' is longer than {NAME_LENGTH} characters: "
                           "write a shorter one under event"])  # fmt: skip
    if simplified and name in IDENTITY_EVENTS:
        raise ConfigError([f"sync {spec.name}: the event name {name} is of the original identity system, but the "
                           "project has the simplified one: write another one under event"])  # fmt: skip


def _refuse_reserved(spec: SyncSpec, column: str, name: str) -> None:
    mend = "rename it under properties: rename, or leave it out under properties: deny"
    if spec.record is RecordType.EVENT and name in EVENT_RESERVED:
        role = ", or write `ip: ip` to place events on the map by it" if name == "ip" else ""
        raise SourceError(
            f"sync {spec.name}: column '{column}' would be sent as property '{name}', which Mixpanel keeps for "
            f"itself: {mend}{role}"
        )
    if len(name) > NAME_LENGTH:
        raise SourceError(
            f"sync {spec.name}: the property name '{name[:40]}…' is longer than {NAME_LENGTH} characters: {mend}"
        )
