"""Events as Mixpanel keeps them: every copy that was sent, and the latest copy of each as the visible one.

Events with the same name, distinct id, time and insert id are copies of one event; the copy ingested last counts, and
is hidden when it is a tombstone (`_deleted` true).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from mixpanel_wh.sandbox.plain_events import Row
from mixpanel_wh.sandbox.store import Store, schema_of

_SCHEMA = schema_of(
    {
        "event": pa.string(),
        "distinct_id": pa.string(),
        "time_ms": pa.int64(),
        "insert_id": pa.string(),
        "deleted": pa.bool_(),
        "whole": pa.bool_(),
        "properties": pa.string(),
        "seq": pa.int64(),
    }
)

_SAME_EVENT = "event, distinct_id, time_ms, insert_id"

# Whole properties hold no backslash and nothing nested, so these patterns can only meet names and their values.
_AS_JSON = r"""
SELECT '{{"event":' || CAST(to_json(event) AS VARCHAR) || ',"properties":{{"time":' || CAST({time} AS VARCHAR)
    || ',"distinct_id":' || CAST(to_json(distinct_id) AS VARCHAR)
    || ',"$insert_id":' || CAST(to_json(insert_id) AS VARCHAR)
    || CASE WHEN regexp_full_match(others, '\{{\s*\}}') THEN '' ELSE ',' END || substr(others, 2) || '}}' AS line
FROM (SELECT *, CASE WHEN whole
        THEN regexp_replace(regexp_replace(properties,
            '"(time|distinct_id|\$insert_id)"\s*:\s*("[^"]*"|[^,}}\s]+)\s*,?\s*', '', 'g'), ',\s*\}}$', '}}')
        ELSE properties END AS others
      FROM events)
"""


@dataclass(frozen=True)
class EventFilter:
    """Which events to read; None leaves a part open. Times are milliseconds, `until_ms` is the first one left out."""

    events: tuple[str, ...] | None = None
    distinct_id: str | None = None
    insert_id: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None

    def condition(self) -> tuple[str, list[object]]:
        """The filter as SQL and its parameters."""
        parts = {
            "list_contains(?, event)": list(self.events) if self.events is not None else None,
            "distinct_id = ?": self.distinct_id,
            "insert_id = ?": self.insert_id,
            "time_ms >= ?": self.from_ms,
            "time_ms < ?": self.until_ms,
        }
        given = {sql: value for sql, value in parts.items() if value is not None}
        return " AND ".join(given) or "true", list(given.values())


@dataclass(frozen=True)
class NameCount:
    """How many events of one name and period: copies sent, those visible, those hidden by a tombstone."""

    event: str
    period_ms: int
    raw: int
    visible: int
    tombstones: int


class EventStore:
    """The events of one sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next = 0
        self.continue_counting()

    def continue_counting(self) -> None:
        """Numbers the next event after the last one stored."""
        self._next = int(self._store.rows("SELECT coalesce(max(seq) + 1, 0) FROM events")[0][0])

    def add(self, rows: list[Row]) -> None:
        """Stores events in the order given, after every one stored before."""
        if not rows:
            return
        columns = [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), _SCHEMA, strict=False)]
        with self._store.lock:
            numbers = pa.array(range(self._next, self._next + len(rows)), pa.int64())
            self._next += len(rows)
            self._store.append("events", pa.RecordBatch.from_arrays([*columns, numbers], schema=_SCHEMA))

    def counts(self, period_ms: int | None = None) -> list[NameCount]:
        """Events by name and by period of their time (all times together when None)."""
        period = "0" if period_ms is None else f"time_ms // {int(period_ms)} * {int(period_ms)}"
        sql = f"""
            SELECT event, {period} AS period, sum(copies), count(*) FILTER (NOT hidden), count(*) FILTER (hidden)
            FROM (SELECT event, time_ms, count(*) AS copies, arg_max(deleted, seq) AS hidden
                  FROM events GROUP BY {_SAME_EVENT})
            GROUP BY ALL ORDER BY ALL
        """
        return [NameCount(event, when, int(raw), seen, gone) for event, when, raw, seen, gone in self._store.rows(sql)]

    def span_ms(self) -> tuple[int, int] | None:
        """The earliest and latest time of any event, or None without events."""
        first, last = self._store.rows("SELECT min(time_ms), max(time_ms) FROM events")[0]
        return None if first is None else (first, last)

    def visible(self, wanted: EventFilter, limit: int | None = None, tombstones: bool = False) -> Iterator[bytes]:
        """The visible events as JSON lines, in the order they came, times in ms; with `limit` the latest ones first."""
        condition, values = wanted.condition()
        latest = f"SELECT max(seq) FROM events WHERE {condition} GROUP BY {_SAME_EVENT}"
        hidden = "" if tombstones else " HAVING NOT arg_max(deleted, seq)"
        if limit is not None:
            latest = f"SELECT * FROM ({latest}{hidden}) ORDER BY 1 DESC LIMIT {int(limit)}"
            hidden = ""
        order = " ORDER BY seq DESC" if limit is not None else ""
        return self._lines(f"{_AS_JSON.format(time='time_ms')} WHERE seq IN ({latest}{hidden}){order}", values)

    def by_day(self, wanted: EventFilter, equal: tuple[str, str] | None = None) -> dict[int, int]:
        """How many visible events there are by the start of their day (UTC, in ms), of those whose property `equal[0]`
        is the text `equal[1]`."""
        condition, values = wanted.condition()
        path = f'$."{equal[0]}"' if equal else None
        asked = " AND json_extract_string(held, ?) = ?" if equal else ""
        sql = f"""
            SELECT time_ms // 86400000 * 86400000 AS day, count(*)
            FROM (SELECT time_ms, arg_max(deleted, seq) AS hidden, arg_max(properties, seq) AS held
                  FROM events WHERE {condition} GROUP BY {_SAME_EVENT})
            WHERE NOT hidden{asked} GROUP BY 1
        """
        given = [*values, path, equal[1]] if equal else values
        return {int(day): int(seen) for day, seen in self._store.rows(sql, given)}

    def raw(self, wanted: EventFilter, time_in_ms: bool, limit: int | None = None) -> Iterator[bytes]:
        """Every copy ever sent as JSON lines, as Mixpanel's raw export gives them; times in seconds or ms."""
        condition, values = wanted.condition()
        cut = "" if limit is None else f" LIMIT {int(limit)}"
        time = "time_ms" if time_in_ms else "time_ms // 1000"
        return self._lines(f"{_AS_JSON.format(time=time)} WHERE {condition}{cut}", values)

    def _lines(self, sql: str, values: list[object]) -> Iterator[bytes]:
        for batch in self._store.batches(sql, values):
            yield "".join(f"{line}\n" for line in batch.column(0).to_pylist()).encode()
