"""Reads back what a project holds of one sync, and says what it should hold: the `Reader` port of audits.

Mixpanel's pages: "Raw Export API" (every copy of every event, never deduplicated), "Query API" (profiles by pages),
"Lookup Tables" (a list of them; their rows cannot be read).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from mixpanel_wh.engine.audit_result import Profiles
from mixpanel_wh.engine.comparison import Record
from mixpanel_wh.engine.errors import RequestRefused
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import Identity, Mode, RecordType, SyncSpec
from mixpanel_wh.mixpanel.endpoints import PROFILES_A_PAGE, ReadBack
from mixpanel_wh.mixpanel.fetching import Fetcher
from mixpanel_wh.mixpanel.records.naming import property_names
from mixpanel_wh.mixpanel.rules import EVENT_RESERVED, STRING_BYTES, WIDEST_INTEGER

IMPORT_ID = "$warehouse_import_id"
DAY_MS = 86_400_000
INGESTED = "mp_processing_time_ms"
"""When Mixpanel took a copy in; exports of real projects have it."""


@dataclass(frozen=True)
class ProjectReader:
    """`audit.Reader` for one sync: `owned` are the properties that its columns become."""

    spec: SyncSpec
    owned: frozenset[str]
    identity: Identity
    fetcher: Fetcher

    def expected(self, lines: pa.Array) -> Iterator[Record | None]:
        """For each line the record that Mixpanel holds once it was delivered; None for a line that is NULL or empty."""
        read = self._event if self.spec.record is RecordType.EVENT else self._updated
        for line in lines.to_pylist():
            yield read([orjson.loads(one.removeprefix(",")) for one in line.split("\n") if one]) if line else None

    def events(self, names: Sequence[str] | None, since: int, before: int) -> Iterator[Record]:
        """Every copy of the sync's events, tombstones included, with a time in [since, before).

        Projects made before 2023 read dates in their own zone, so a day more is asked for at either end.
        """
        query = {"from_date": _day(since - DAY_MS), "to_date": _last_day(before)}
        if names is not None:
            query["event"] = json.dumps(list(names))
        for line in self.fetcher.lines(ReadBack.EVENTS, query):
            event = orjson.loads(line) if line.strip() else {}
            properties = event.get("properties", {})
            mine = properties.get(IMPORT_ID) == self.spec.name or properties.get("_deleted") is True
            if mine and since <= int(properties.get("time", -1)) < before:
                yield self._event([event])

    def count(self, name: str, since: int, before: int) -> int:
        """How many of the sync's events of a name are visible on the days of [since, before); tombstones carry no
        import id and are none."""
        mine = f'properties["{IMPORT_ID}"] == {json.dumps(self.spec.name)}'
        asked = {"event": name, "from_date": _day(since), "to_date": _day(before - 1), "unit": "day", "where": mine}
        values = self.fetcher.json(ReadBack.COUNTS, query=asked)["data"]["values"]
        return sum(int(number) for days in values.values() for number in days.values())

    def profiles(self, ids: Sequence[str] | None = None) -> Profiles:
        """The profiles of the sync's kind, page by page; with `ids` only those."""
        group = self._group() if self.spec.record is RecordType.GROUP else {}
        if ids is not None:
            return Profiles(len(ids), self._chosen(group, ids))
        first = self.fetcher.json(ReadBack.PROFILES, {**group, "page": "0"})
        return Profiles(int(first["total"]), self._pages(group, first))

    def has_lookup_table(self) -> bool:
        """Whether the project lists the sync's lookup table."""
        listed = self.fetcher.json(ReadBack.LOOKUP_TABLES).get("results", [])
        return any(str(one.get("id")) == self.spec.lookup_table_id for one in listed)

    def _event(self, sent: list[Mapping[str, Any]]) -> Record:
        """An event by what tells it apart. Ids that it was sent with stay when Mixpanel merges people later."""
        [event] = sent
        properties = event["properties"]
        user, device = properties.get("$user_id"), properties.get("$device_id")
        simplified = self.identity is Identity.SIMPLIFIED and (user or device)
        who = (user or f"$device:{device}") if simplified else properties.get("distinct_id", "")
        identity = (str(event["event"]), str(int(properties["time"])), str(who), str(properties.get("$insert_id", "")))
        deleted = properties.get("_deleted") is True
        kept = {name: _cut(value) for name, value in properties.items() if self._compares(name, value)}
        return Record(identity, {} if deleted else kept, int(properties.get(INGESTED) or 0), deleted)

    def _compares(self, name: str, value: Any) -> bool:
        """Whether a property says something of the row: not what names the event, nor what Mixpanel adds to it."""
        if value is None or name in EVENT_RESERVED:
            return False
        return name in self.owned or not name.startswith(("$", "mp_"))

    def _updated(self, updates: list[Mapping[str, Any]]) -> Record:
        """A profile after its updates; of Mirror, names that are not set must be absent."""
        id_name = "$group_id" if self.spec.record is RecordType.GROUP else "$distinct_id"
        strict = self.spec.mode is Mode.MIRROR or self.spec.unset_nulls
        properties: dict[str, Any] = dict.fromkeys(self.owned) if strict else {}
        for update in updates:
            properties |= {name: _plain(value) for name, value in update.get("$set", {}).items()}
        return Record((str(updates[0][id_name]),), properties)

    def _pages(self, group: Mapping[str, str], first: Any) -> Iterator[Record]:
        page = first
        while True:
            yield from map(_profile, page["results"])
            if len(page["results"]) < int(page.get("page_size") or PROFILES_A_PAGE):
                return
            asked = {**group, "page": str(int(page["page"]) + 1), "session_id": str(first["session_id"])}
            page = self.fetcher.json(ReadBack.PROFILES, asked)

    def _chosen(self, group: Mapping[str, str], ids: Sequence[str]) -> Iterator[Record]:
        for start in range(0, len(ids), PROFILES_A_PAGE):
            asked = {**group, "distinct_ids": json.dumps(list(ids[start : start + PROFILES_A_PAGE]))}
            yield from map(_profile, self.fetcher.json(ReadBack.PROFILES, asked)["results"])

    def _group(self) -> dict[str, str]:
        """Which groups to ask for: Mixpanel has a number for each group key."""
        listed = self.fetcher.json(ReadBack.GROUPS).get("results", [])
        found = next((one["data_group_id"] for one in listed if one.get("property_name") == self.spec.group_key), None)
        if found is None:
            raise RequestRefused(
                f"sync {self.spec.name}: Mixpanel has no group key '{self.spec.group_key}': create it in the project's "
                "settings, under Group Keys"
            )
        return {"data_group_id": str(found)}


def reader_for(spec: SyncSpec, table: Table, identity: Identity, fetcher: Fetcher) -> ProjectReader:
    """The reader of a sync over a table as it is now."""
    owned = property_names(spec, [column.name for column in table.columns]).values()
    return ProjectReader(spec, frozenset(owned), identity, fetcher)


def _profile(found: Mapping[str, Any]) -> Record:
    properties = {name: _plain(value) for name, value in found.get("$properties", {}).items()}
    return Record((str(found["$distinct_id"]),), properties)


def _plain(value: Any) -> Any:
    """A value in the one form of all that are the same to Mixpanel: a whole number has no fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < WIDEST_INTEGER:
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _cut(value: Any) -> Any:
    """The same of an event, whose texts Mixpanel cuts."""
    if isinstance(value, str):
        return value.encode()[:STRING_BYTES].decode(errors="ignore")
    if isinstance(value, list):
        return [_cut(one) for one in value]
    if isinstance(value, dict):
        return {name: _cut(one) for name, one in value.items()}
    return _plain(value)


def _day(ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.date().isoformat()


def _last_day(before: int) -> str:
    """The day after the last moment before `before`, which Mixpanel refuses where it lies in the future."""
    return min(_day(before - 1 + DAY_MS), max(_day(before - 1), datetime.now(UTC).date().isoformat()))
