"""A sync against the table as it is now: columns that are missing, and columns that would collide when sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mixpanel_wh.config.mistakes import did_you_mean
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.mixpanel.rules import EVENT_RESERVED

if TYPE_CHECKING:
    from mixpanel_wh.engine.ports import Table

MEND = "deny it, or give it another name under properties.rename"


def check_columns(spec: SyncSpec, table: Table) -> list[str]:
    """Every mistake as a sentence; empty when the sync fits the table."""
    missing = list(_missing(spec, table))
    return missing or [*_same_property(spec, table), *_reserved(spec, table)]


def named_columns(spec: SyncSpec) -> list[tuple[str, str]]:
    """(key of the project file, column) for every column that a sync names."""
    single = {
        "event.column": spec.event_column, "time": spec.time_column, "user_id": spec.user_id,
        "device_id": spec.device_id, "distinct_id": spec.distinct_id, "group_id": spec.group_id,
        "lookup_id": spec.lookup_id, "json": spec.json_column, "ip": spec.ip_column, "insert_time": spec.insert_time,
    }  # fmt: skip
    several = {
        "row_key": spec.row_key, "group_keys": spec.group_keys, "properties.allow": spec.properties.allow,
        "properties.deny": spec.properties.deny, "properties.rename": spec.properties.rename,
        "properties.hash": spec.properties.hash,
    }  # fmt: skip
    found = [(key, column) for key, column in single.items() if column]
    return found + [(key, column) for key, columns in several.items() for column in columns]


def _missing(spec: SyncSpec, table: Table) -> Iterator[str]:
    """One sentence for each column that the table lacks, with all the keys that name it."""
    there = [column.name for column in table.columns]
    keys: dict[str, list[str]] = {}
    for key, column in named_columns(spec):
        if column not in there:
            keys.setdefault(column, []).append(key)
    for column, named in keys.items():
        meant = did_you_mean(column, there) or f"; it has {_listed(there)}"
        verb = "names" if len(named) == 1 else "name"
        yield f"sync {spec.name}: {table.name} has no column '{column}', which {' and '.join(named)} {verb}{meant}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "no columns at all"


def _same_property(spec: SyncSpec, table: Table) -> Iterator[str]:
    """One sentence for each property that two columns would fill, of which Mixpanel would keep only one."""
    by_name: dict[str, list[str]] = {}
    for column, name in _properties(spec, table):
        by_name.setdefault(name, []).append(column)
    for name, columns in by_name.items():
        if len(columns) > 1:
            shown = " and ".join(f"'{column}'" for column in columns)
            yield (
                f"sync {spec.name}: the columns {shown} would become one property, '{name}': deny one of them, or give "
                "it another name under properties.rename"
            )


def _reserved(spec: SyncSpec, table: Table) -> Iterator[str]:
    """One sentence for each column of an event whose property Mixpanel keeps for itself."""
    if spec.record is not RecordType.EVENT:
        return
    for column, name in _properties(spec, table):
        if name in EVENT_RESERVED:
            role = f", or write ip: {column} to place events on the map by it" if name == "ip" else ""
            yield (
                f"sync {spec.name}: the column '{column}' would become the property '{name}', which Mixpanel keeps for "
                f"itself: {MEND}{role}"
            )


def _properties(spec: SyncSpec, table: Table) -> Iterator[tuple[str, str]]:
    """(column, property name) of everything that is sent beside the identity of a record."""
    from mixpanel_wh.mixpanel.records.naming import property_name

    for column in spec.sent_columns([column.name for column in table.columns]):
        yield column, property_name(spec, column)
    yield from spec.group_keys.items()
    if spec.record is RecordType.LOOKUP and spec.lookup_id:
        yield spec.lookup_id, spec.lookup_id
