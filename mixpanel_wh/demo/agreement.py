"""Whether both ends agree: every record that the sandbox holds against SQL over the source tables, value by value."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpanel_wh.demo.database import opened
from mixpanel_wh.demo.edits import Edited, expected, expected_tombstones
from mixpanel_wh.demo.held import Held
from mixpanel_wh.demo.runs import SyncRun

Summary = dict[str, Any]
KINDS = ("insert", "update", "delete")


@dataclass(frozen=True)
class Comparison:
    """How the records of one sync are found at both ends, as selects with the same columns.

    `counted` finds the number in the sandbox's summary, `path` and `columns` say how its records are fetched into a
    table of the sync's name.
    """

    sync: str
    what: str
    counted: Callable[[Summary], int]
    path: str
    columns: dict[str, str]
    held: str
    source: str


@dataclass(frozen=True)
class Agreement:
    """The two ends of one sync: rows in the table, records in the summary, and rows that only one end has."""

    sync: str
    what: str
    rows: int
    counted: int
    differing: int

    @property
    def holds(self) -> bool:
        """Whether the ends are equal."""
        return self.rows == self.counted and self.differing == 0


def _events(name: str) -> Callable[[Summary], int]:
    return lambda summary: int(summary["events"]["by_name"].get(name, {}).get("visible", 0))


def _event_columns(properties: str) -> dict[str, str]:
    return {"event": "VARCHAR", "properties": f'STRUCT("time" BIGINT, distinct_id VARCHAR, {properties})'}


_LOCAL_TIME = "epoch_ms(timezone('America/New_York', departure_at))"

COMPARISONS = (
    Comparison(
        "flights", "events: Flight", _events("Flight"), "/sandbox/events?event=Flight",
        _event_columns("airline VARCHAR, flight BIGINT, origin VARCHAR, dest VARCHAR, sched_dep_time BIGINT, "
                       "dep_time BIGINT, dep_delay BIGINT, sched_arr_time BIGINT, arr_time BIGINT, arr_delay BIGINT, "
                       "air_time BIGINT, distance BIGINT, time_hour TIMESTAMPTZ"),
        "SELECT unnest(properties) FROM flights",
        f"""SELECT {_LOCAL_TIME}, coalesce(tailnum, ''), carrier, flight, origin, dest, sched_dep_time, dep_time,
            dep_delay, sched_arr_time, arr_time, arr_delay, air_time, distance, time_hour FROM source.main.flights""",
    ),
    Comparison(
        "weather", "events: Weather", _events("Weather"), "/sandbox/events?event=Weather",
        _event_columns('"origin" VARCHAR, temp DOUBLE, dewp DOUBLE, humid DOUBLE, wind_dir BIGINT, wind_speed DOUBLE, '
                       "wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, visib DOUBLE"),
        "SELECT unnest(properties) FROM weather",
        """SELECT epoch_ms(time_hour), '', origin, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip,
            pressure, visib FROM source.main.weather""",
    ),
    Comparison(
        "route_openings", "events: Route opened", _events("Route opened"), "/sandbox/events?event=Route%20opened",
        _event_columns("origin VARCHAR, dest VARCHAR, airline VARCHAR, distance BIGINT"),
        "SELECT unnest(properties) FROM route_openings",
        f"SELECT {_LOCAL_TIME}, '', origin, dest, carrier, distance FROM source.main.route_openings",
    ),
    Comparison(
        "planes", "user profiles", lambda summary: int(summary["profiles"]), "/sandbox/profiles",
        {"$distinct_id": "VARCHAR", "$properties": 'STRUCT("year" BIGINT, "type" VARCHAR, manufacturer VARCHAR, '
         "model VARCHAR, engines BIGINT, seats BIGINT, speed BIGINT, engine VARCHAR)"},
        'SELECT "$distinct_id", unnest("$properties") FROM planes',
        "SELECT tailnum, year, type, manufacturer, model, engines, seats, speed, engine FROM source.main.planes",
    ),
    Comparison(
        "airlines", "group profiles", lambda summary: int(summary["groups"].get("airline", 0)), "/sandbox/groups",
        # A profile's name is Mixpanel's own property $name.
        {"$group_key": "VARCHAR", "$group_id": "VARCHAR", "$properties": 'STRUCT("$name" VARCHAR)'},
        'SELECT "$group_key", "$group_id", "$properties"."$name" FROM airlines',
        "SELECT 'airline', carrier, name FROM source.main.airlines",
    ),
    Comparison(
        "airports", "lookup table", lambda summary: int(summary["lookup_tables"].get("airports", 0)),
        "/sandbox/lookup-tables/airports",
        {"faa": "VARCHAR", "name": "VARCHAR", "lat": "DOUBLE", "lon": "DOUBLE", "alt": "BIGINT", "tz": "BIGINT",
         "dst": "VARCHAR", "tzone": "VARCHAR"},
        "FROM airports",
        "FROM source.main.airports",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """Both ends of every sync, and how many events the sandbox hides as tombstones."""

    agreements: list[Agreement]
    tombstones: int


def compare(url: str, warehouse: Path, folder: Path) -> Compared:
    """Fetches everything that the sandbox holds and compares it with the source tables, sync by sync."""
    with opened() as connection:
        held = Held(connection, url, warehouse, folder)
        summary = held.summary()
        return Compared([_agreement(one, held, summary) for one in COMPARISONS], int(summary["tombstones"]))


def _agreement(one: Comparison, held: Held, summary: Summary) -> Agreement:
    held.fetch(one.sync, one.path, one.columns)
    surplus, missing = (f"(({a}) EXCEPT ALL ({b}))" for a, b in ((one.held, one.source), (one.source, one.held)))
    differing = held.count(f"SELECT count(*) FROM ({surplus} UNION ALL {missing})")
    rows = held.count(f"SELECT count(*) FROM source.main.{one.sync}")
    return Agreement(one.sync, one.what, rows, one.counted(summary), differing)


def surprises(runs: list[SyncRun], edited: list[Edited], tombstones: int) -> list[str]:
    """What is not as it must be in the numbers of both runs, one sentence each.

    Every row read was accepted, the second run of Mirror, Append and One-Time moved exactly the rows that were edited,
    and the sandbox hides the events that were deleted or took another identity.
    """
    found = [_rejecting(run) for run in runs if run.read != run.accepted or run.rejected]
    found += [_straying(run, edited) for run in runs if run.run == 2 and run.mode != "full" and _strays(run, edited)]
    wanted = expected_tombstones(edited)
    hidden = f"the edits make {wanted:,} tombstones, and the sandbox holds {tombstones:,}"
    return found if tombstones == wanted else [*found, hidden]


def _rejecting(run: SyncRun) -> str:
    return f"run {run.run}, {run.sync}: {run.read:,} rows read, {run.accepted:,} accepted, {run.rejected:,} rejected"


def _strays(run: SyncRun, edited: list[Edited]) -> bool:
    return (run.inserted, run.updated, run.deleted) != _edits(run.sync, edited)


def _straying(run: SyncRun, edited: list[Edited]) -> str:
    inserted, updated, deleted = _edits(run.sync, edited)
    return (
        f"run 2, {run.sync}: {inserted:,} rows were inserted, {updated:,} updated, {deleted:,} deleted in the table, "
        f"and {run.inserted:,}, {run.updated:,} and {run.deleted:,} travelled"
    )


def _edits(sync: str, edited: list[Edited]) -> tuple[int, ...]:
    return tuple(expected(edited, sync, kind) for kind in KINDS)
