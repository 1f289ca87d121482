"""A sync's section, checked and turned into the `SyncSpec` that the engine reads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mixpanel_wh.config.fields import SYNC, SYNC_FIELDS
from mixpanel_wh.config.kinds import is_empty, is_lost, shown
from mixpanel_wh.config.mistakes import Place, did_you_mean
from mixpanel_wh.config.roles import check_identity, check_roles
from mixpanel_wh.config.sections import Section, read_section
from mixpanel_wh.config.source import Entries, Node
from mixpanel_wh.config.syntax import in_zone
from mixpanel_wh.engine.spec import Identity, Mode, Partitions, Properties, RecordType, SyncSpec
from mixpanel_wh.mixpanel.settings import ProjectSettings

AS_THEY_STAND = (
    "user_id", "device_id", "distinct_id", "group_keys", "group_key", "group_id", "lookup_id", "row_key",
    "unset_nulls", "insert_time", "lookback", "timezone", "on_duplicate_key", "max_rejected",
    "max_deletes", "max_changes", "engine", "schedule", "after_upstream", "reconciliation",
    "description", "group", "owners", "tags",
)  # fmt: skip
RENAMED = {"time": "time_column", "json": "json_column", "ip": "ip_column", "lookup_table": "lookup_table_id"}
SENT_OTHERWISE = ("time", "user_id", "device_id", "distinct_id", "group_id", "lookup_id", "json", "ip")


@dataclass(frozen=True)
class Surroundings:
    """What a sync may refer to: the names of the warehouses, and the destinations (None when one could not be read)."""

    warehouses: tuple[str, ...] = ("main",)
    destinations: dict[str, ProjectSettings | None] = field(default_factory=lambda: {"main": None})


def read_sync(name: str, node: Node, place: Place, around: Surroundings) -> SyncSpec | None:
    """The sync, or None when anything about it is wrong; every mistake is told."""
    if not isinstance(node, Entries):
        if not is_lost(node):
            found = "nothing" if is_empty(node) else shown(node)
            place.wrong(node.line, f"{found} is not a sync; write a mapping with table, record and mode")
        return None
    before = len(place.mistakes.found)
    section = read_section(node, SYNC_FIELDS, place, SYNC)
    check_roles(section)
    _check_event(section)
    _check_properties(section)
    _check_partitions(section)
    warehouse = _referred(section, "warehouse", around.warehouses)
    destination = _referred(section, "destination", tuple(around.destinations))
    if destination and (settings := around.destinations.get(destination)):
        _check_destination(section, settings)
    if len(place.mistakes.found) > before or not section.is_whole or not warehouse or not destination:
        return None
    return spec_of(name, section, warehouse, destination)


def spec_of(name: str, section: Section, warehouse: str, destination: str) -> SyncSpec:
    """The spec of a section without mistakes."""
    plain = {key: section.values[key] for key in AS_THEY_STAND if key in section.values}
    renamed = {ours: section.values[key] for key, ours in RENAMED.items() if key in section.values}
    return SyncSpec(
        name=name,
        table=section.values["table"],
        record=RecordType(section.values["record"]),
        mode=Mode(section.values["mode"]),
        warehouse=warehouse,
        destination=destination,
        properties=_properties(section.get("properties")),
        start_at=_start(section),
        partitions=_partitions(section),
        **plain,
        **renamed,
        **_event(section.get("event")),
    )


def _start(section: Section) -> Any:
    moment = section.get("start_at")
    return in_zone(moment, section.get("timezone", "UTC")) if moment else None


def _partitions(section: Section) -> Partitions | None:
    chosen = section.get("partitions")
    if not isinstance(chosen, Section):
        return None
    column = section.get(_partitioned_by(section, chosen))
    return Partitions(chosen.get("every"), column, in_zone(chosen.get("start"), section.get("timezone", "UTC")))


def _partitioned_by(section: Section, chosen: Section) -> str:
    usual = "insert_time" if section.given("insert_time") else "time"
    return str(chosen.get("by", usual))


def _check_partitions(section: Section) -> None:
    chosen = section.get("partitions")
    if not isinstance(chosen, Section):
        return
    if section.get("after_upstream"):
        section.wrong("after_upstream", "Dagster would run every partition after an update; take this key away, and "
                      "let a schedule or the change sensor run the sync")  # fmt: skip
    by = _partitioned_by(section, chosen)
    if by == "insert_time" and not section.given("insert_time"):
        chosen.wrong("by", "the sync names no insert_time; write by: time, or take this key away")


def _event(value: Any) -> dict[str, Any]:
    """The static name, or the column that holds the names."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"event_name": value}
    return {f"event_{key}": value.values[key] for key in ("name", "column") if key in value.values}


def _properties(section: Section | None) -> Properties:
    return Properties(**section.values) if section else Properties()


def _check_event(section: Section) -> None:
    event = section.get("event")
    if isinstance(event, Section) and (not event.lines or (event.given("name") and event.given("column"))):
        section.wrong("event", "write either name (one name for every event) or column (the column that holds it)")


def _check_properties(section: Section) -> None:
    """Tell where the choice of properties contradicts itself, or names a column that is sent in another role."""
    chosen = section.get("properties")
    if not isinstance(chosen, Section):
        return
    allow, deny = chosen.get("allow", ()), chosen.get("deny", ())
    roles = dict(_roles(section))
    for key in ("allow", "rename", "hash"):
        for column in chosen.get(key, ()):
            if key != "allow" and allow and column not in allow and column not in roles:
                chosen.wrong(key, f"'{column}' is not among the allowed columns; add it to allow, or take it away here")
            if column in deny:
                chosen.wrong(key, f"'{column}' is denied; take it away here or under deny")
            if column in roles:
                chosen.wrong(key, f"'{column}' is sent as {roles[column]} and never as a property; take it away here")
    if chosen.get("send_nulls") and section.get("unset_nulls"):
        section.wrong("unset_nulls", "this contradicts properties.send_nulls; write one of them")


def _roles(section: Section) -> Iterator[tuple[str, str]]:
    """Each column that has a role of its own, with the key that gives it the role."""
    for key in SENT_OTHERWISE:
        if section.get(key):
            yield section.get(key), key
    event = section.get("event")
    if isinstance(event, Section) and event.get("column"):
        yield event.get("column"), "event.column"
    for column in section.get("group_keys", ()):
        yield column, "group_keys"


def _referred(section: Section, key: str, known: tuple[str, ...]) -> str | None:
    """The name under `key`; without one the only one there is, or the one that is called main."""
    if not known:
        return None
    if not section.given(key):
        if len(known) == 1 or "main" in known:
            return "main" if "main" in known else known[0]
        section.wrong(key, f"missing; there are several, so write one of {', '.join(known)}")
        return None
    name = section.get(key)
    if name is not None and name not in known:
        section.wrong(key, f"there is no {key} '{name}'; write one of {', '.join(known)}{did_you_mean(name, known)}")
    return name if name in known else None


def _check_destination(section: Section, settings: ProjectSettings) -> None:
    check_identity(section, Identity(settings.identity))
    if section.get("record") == RecordType.LOOKUP and not settings.service_account:
        section.wrong("record", "Mixpanel takes lookup tables from a service account only: write service_account and "
                      "service_secret at the destination")  # fmt: skip
