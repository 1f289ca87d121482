"""The table that acceptance tests sync in every legal way, and what Mixpanel should hold of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mixpanel_wh.engine.spec import Limit, Mode, RecordType, SyncSpec, TableName
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

TABLE = TableName(("main", "visits"))
COLUMNS = {
    "id": "VARCHAR", "at": "TIMESTAMP", "who": "VARCHAR", "label": "VARCHAR", "amount": "BIGINT", "ratio": "DOUBLE",
    "price": "DECIMAL(12,2)", "active": "BOOLEAN", "born": "DATE", "seen": "TIMESTAMPTZ", "tags": "VARCHAR[]",
    "place": "STRUCT(city VARCHAR, lat DOUBLE)", "raw": "BLOB", "written": "TIMESTAMP",
}  # fmt: skip
MAKE = """
CREATE OR REPLACE TABLE visits AS SELECT
    'v' || n AS id, TIMESTAMP '2024-03-01' + to_seconds(n * 977) AS at,
    CASE WHEN n % 5 <> 0 THEN 'user ' || (n % 7) END AS who,
    CASE WHEN n % 3 = 0 THEN 'naïve "' || n || E'"\\n\\\\ 🙂' END AS label,
    CASE WHEN n % 4 = 0 THEN 9007199254740992 + n ELSE n END AS amount,
    CASE WHEN n % 6 = 0 THEN 'NaN'::DOUBLE ELSE n / 3 END AS ratio, CAST(n / 4 AS DECIMAL(12,2)) AS price,
    CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END AS active, DATE '1999-12-31' + CAST(n AS INTEGER) AS born,
    TIMESTAMPTZ '2024-03-01 12:00:00.25+02' + to_hours(n) AS seen,
    CASE WHEN n % 2 = 0 THEN ['a', NULL, 'b' || n] END AS tags, {'city': 'c' || n, 'lat': n / 8} AS place,
    CASE WHEN n % 4 = 1 THEN '\\x00\\xFF'::BLOB END AS raw, TIMESTAMP '2024-03-01' + to_minutes(n // 4) AS written
FROM range(FIRST, LAST) AS r(n)
"""
Counted = Mapping[str, Any]


def make(ground: DuckDBGround, rows: int) -> None:
    """The table, with so many rows of every type."""
    ground.run(MAKE.replace("FIRST", "0").replace("LAST", str(rows)))


def more(ground: DuckDBGround, first: int, last: int) -> None:
    """Rows of the same kind."""
    made = MAKE.replace("CREATE OR REPLACE TABLE visits AS", "INSERT INTO visits")
    ground.run(made.replace("FIRST", str(first)).replace("LAST", str(last)))


def table_rows(ground: DuckDBGround, table: str = "visits") -> list[dict[str, Any]]:
    """Every row of the table."""
    relation = ground.connection.sql(f"FROM {table}")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


EVENT = SyncSpec("visits", TABLE, RecordType.EVENT, Mode.MIRROR, event_name="Visit", time_column="at", user_id="who",
                 max_rejected=Limit())  # fmt: skip
USER = SyncSpec("visitors", TABLE, RecordType.USER, Mode.MIRROR, distinct_id="id", max_rejected=Limit())
GROUP = SyncSpec("cities", TABLE, RecordType.GROUP, Mode.MIRROR, group_key="city", group_id="id", max_rejected=Limit())
LOOKUP = SyncSpec("places", TABLE, RecordType.LOOKUP, Mode.FULL, lookup_table_id="places", lookup_id="id")


@dataclass(frozen=True)
class Way:
    """A legal way to sync the table; `held` reads what Mixpanel holds and `wanted` what the rows say it should."""

    spec: SyncSpec
    held: Callable[[str], Counted]
    wanted: Callable[[list[dict[str, Any]]], Counted]

    @property
    def label(self) -> str:
        """A name for reports."""
        keyed = "" if self.spec.record is not RecordType.EVENT else " keyed" if self.spec.row_key else " keyless"
        return f"{self.spec.record} {self.spec.mode}{keyed}"


def wanted_events(rows: list[dict[str, Any]]) -> Counter[str]:
    """The events of the rows."""
    return Counter(event_of(row) for row in rows if not holding.refusable(row))


def event_of(row: dict[str, Any]) -> str:
    """The event of one row."""
    return holding.expected_event("Visit", row["at"], row["who"], holding.sent(row, ("at", "who")))


def wanted_profiles(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The profiles of the rows, by their id."""
    return {row["id"]: holding.sent(row, ("id",)) for row in rows}


def wanted_lookup(rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The lookup rows, by their id; what is empty is undefined, as if its column were not there."""
    texts = {row["id"]: {name: holding.as_csv(value) for name, value in row.items() if name != "id"} for row in rows}
    return {key: {name: text for name, text in row.items() if text} for key, row in texts.items()}


def held_cities(url: str) -> dict[str, Any]:
    """The group profiles."""
    return holding.groups(url, "city")


def held_places(url: str) -> dict[str, dict[str, str]]:
    """The lookup rows."""
    rows = holding.lookup_rows(url, "places")
    return {key: {name: text for name, text in row.items() if text} for key, row in rows.items()}


def ways() -> list[Way]:
    """Every legal combination of record type and mode, events with and without a row key."""
    appending = {"mode": Mode.APPEND, "insert_time": "written", "lookback": timedelta(days=1)}
    found = [Way(replace(EVENT, row_key=row_key, **changed), holding.events, wanted_events)
             for row_key in (("id",), ()) for changed in ({}, appending, {"mode": Mode.ONE_TIME})]  # fmt: skip
    for spec, held in ((USER, holding.profiles), (GROUP, held_cities)):
        for changed in ({}, appending, {"mode": Mode.FULL}, {"mode": Mode.ONE_TIME}):
            found.append(Way(replace(spec, **changed), held, wanted_profiles))
    for mode in (Mode.MIRROR, Mode.FULL, Mode.ONE_TIME):
        found.append(Way(replace(LOOKUP, mode=mode), held_places, wanted_lookup))
    return found
