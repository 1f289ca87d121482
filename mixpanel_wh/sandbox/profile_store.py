"""User and group profiles, each a row of JSON that updates are applied to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from mixpanel_wh.sandbox.calls import Refusal
from mixpanel_wh.sandbox.profile_operations import Properties, updated
from mixpanel_wh.sandbox.profile_rules import too_many_properties
from mixpanel_wh.sandbox.store import Store, insert

Key = tuple[str, str]
"""Group key ('' for user profiles) and the profile's id."""

_KEYS = pa.schema([("group_key", pa.string()), ("id", pa.string())])
_ROWS = _KEYS.append(pa.field("properties", pa.string()))
_WHOLE = "WHERE (group_key = '') = ?"


def key_of(update: Mapping[str, Any], group: bool) -> Key:
    """Which profile the update is for."""
    return (update["$group_key"], update["$group_id"]) if group else ("", update["$distinct_id"])


class ProfileStore:
    """The profiles of one sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def apply(self, updates: Sequence[tuple[Key, Mapping[str, Any]]]) -> dict[int, Refusal]:
        """Applies updates in order; returns those refused for what the profile would become, by their place."""
        refused: dict[int, Refusal] = {}
        if not updates:
            return refused
        with self._store.writing() as database:
            profiles = _found(database, {key for key, _ in updates})
            for place, (key, update) in enumerate(updates):
                profile = updated(profiles.get(key), update)
                if profile is not None and (refusal := too_many_properties(profile)):
                    refused[place] = refusal
                else:
                    profiles[key] = profile
            _save(database, profiles)
        return refused

    def counts(self) -> dict[str, int]:
        """How many profiles there are by group key; users under ''."""
        return dict(self._store.rows("SELECT group_key, count(*) FROM profiles GROUP BY 1 ORDER BY 1"))

    def page(
        self, number: int, size: int, ids: list[str] | None = None, group_key: str = ""
    ) -> list[tuple[str, Properties]]:
        """Profiles of one group key, of users where it is '', in the order of their ids, `size` at a time."""
        wanted = "" if ids is None else " AND list_contains(?, id)"
        sql = f"SELECT id, properties FROM profiles WHERE group_key = ?{wanted} ORDER BY id LIMIT ? OFFSET ?"
        values = [group_key, *([] if ids is None else [ids]), size, number * size]
        return [(id, orjson.loads(text)) for id, text in self._store.rows(sql, values)]

    def users(self, limit: int | None = None) -> Iterator[bytes]:
        """User profiles as JSON lines, in the order of their ids."""
        return self._lines(True, lambda key, id: {"$distinct_id": id}, limit)

    def groups(self, limit: int | None = None) -> Iterator[bytes]:
        """Group profiles as JSON lines, in the order of their keys and ids."""
        return self._lines(False, lambda key, id: {"$group_key": key, "$group_id": id}, limit)

    def _lines(self, users: bool, named: Callable[[str, str], Properties], limit: int | None) -> Iterator[bytes]:
        cut = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT group_key, id, properties FROM profiles {_WHOLE} ORDER BY ALL{cut}"
        for batch in self._store.batches(sql, [users]):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield b"".join(_line(named(key, id), properties) for key, id, properties in rows)


def _line(names: Properties, properties: str) -> bytes:
    return orjson.dumps(names | {"$properties": orjson.Fragment(properties)}) + b"\n"


def _found(database: duckdb.DuckDBPyConnection, keys: set[Key]) -> dict[Key, Properties | None]:
    database.register("wanted", _table(list(keys), _KEYS))
    try:
        rows = database.execute("SELECT p.* FROM profiles p SEMI JOIN wanted USING (group_key, id)").fetchall()
    finally:
        database.unregister("wanted")
    return {(group_key, id): orjson.loads(properties) for group_key, id, properties in rows}


def _save(database: duckdb.DuckDBPyConnection, profiles: Mapping[Key, Properties | None]) -> None:
    kept = [(*key, orjson.dumps(properties)) for key, properties in profiles.items() if properties is not None]
    gone = [key for key, properties in profiles.items() if properties is None]
    if kept:
        insert(database, "profiles", _table(kept, _ROWS), "INSERT OR REPLACE")
    if gone:
        database.register("gone", _table(gone, _KEYS))
        database.execute("DELETE FROM profiles WHERE (group_key, id) IN (SELECT (group_key, id) FROM gone)")
        database.unregister("gone")


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
