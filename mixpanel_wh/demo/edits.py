"""What happens to the source tables between the demo's two runs: corrections, reschedulings, deletions, late rows."""

from dataclasses import dataclass
from pathlib import Path

from mixpanel_wh.demo.database import opened


@dataclass(frozen=True)
class Edit:
    """One statement on the table of a sync. `kind` is what a run will make of each row: insert, update or delete.

    `moves` says that it changes the time or the user of events, so that the old ones become tombstones.
    """

    sync: str
    kind: str
    what: str
    sql: str
    moves: bool = False


@dataclass(frozen=True)
class Edited:
    """An edit that was made, and how many rows it touched."""

    edit: Edit
    rows: int


# No two edits touch the same row, so the rows add up to what the second run has to send.
EDITS = (
    Edit("flights", "update", "arrivals of 31 December corrected by a minute", """
        UPDATE flights SET arr_delay = arr_delay + 1 WHERE month = 12 AND day = 31 AND arr_delay IS NOT NULL
    """),
    Edit("flights", "update", "Hawaiian's November departures rescheduled by a quarter of an hour", """
        UPDATE flights SET departure_at = departure_at + INTERVAL 15 MINUTE WHERE carrier = 'HA' AND month = 11
    """, moves=True),
    Edit("flights", "update", "planes named for flights of January that had none", """
        UPDATE flights SET tailnum = 'N' || flight || carrier WHERE tailnum IS NULL AND month = 1
    """, moves=True),
    Edit("flights", "delete", "cancelled flights of the February blizzard deleted", """
        DELETE FROM flights WHERE dep_time IS NULL AND month = 2 AND day IN (8, 9)
    """),
    Edit("flights", "insert", "JetBlue's timetable of 1 January 2014 added", """
        INSERT INTO flights BY NAME
        SELECT * REPLACE (
            2014 AS year, 1 AS month, 1 AS day, departure_at + INTERVAL 1 DAY AS departure_at,
            time_hour + INTERVAL 1 DAY AS time_hour, NULL AS dep_time, NULL AS dep_delay, NULL AS arr_time,
            NULL AS arr_delay, NULL AS air_time)
        FROM flights WHERE carrier = 'B6' AND month = 12 AND day = 31
    """),
    Edit("weather", "insert", "the observations of 31 December arrived", """
        INSERT INTO weather BY NAME
        SELECT * REPLACE (31 AS day, time_hour + INTERVAL 1 DAY AS time_hour)
        FROM weather WHERE month = 12 AND day = 30
    """),
    Edit("weather", "insert", "second readings of 30 December, older than the last row sent, arrived late", """
        INSERT INTO weather BY NAME
        SELECT * REPLACE (temp + 0.5 AS temp) FROM weather WHERE month = 12 AND day = 30 AND hour >= 12
    """),
    Edit("planes", "update", "seats of one model corrected", """
        UPDATE planes SET seats = 186 WHERE model = '737-824'
    """),
    Edit("planes", "insert", "planes that fly but were not registered added", """
        INSERT INTO planes (tailnum)
        SELECT DISTINCT tailnum FROM flights ANTI JOIN planes USING (tailnum)
        WHERE carrier = 'US' AND tailnum IS NOT NULL
    """),
    Edit("airlines", "update", "an airline renamed", """
        UPDATE airlines SET name = 'Endeavor Air' WHERE carrier = '9E'
    """),
    Edit("airlines", "update", "an airline lost its name", """
        UPDATE airlines SET name = NULL WHERE carrier = 'YV'
    """),
    Edit("airlines", "delete", "an airline deleted", """
        DELETE FROM airlines WHERE carrier = 'OO'
    """),
    Edit("airlines", "insert", "an airline added", """
        INSERT INTO airlines VALUES ('NK', 'Spirit Air Lines')
    """),
    Edit("airports", "update", "an airport renamed", """
        UPDATE airports SET name = 'Harry Reid International Airport' WHERE faa = 'LAS'
    """),
    Edit("airports", "delete", "airports that no flight goes to, north of the polar circle, deleted", """
        DELETE FROM airports WHERE lat > 66.56
    """),
)  # fmt: skip


def edit(database: Path) -> list[Edited]:
    """Makes every edit in the demo's DuckDB file; returns how many rows each touched."""
    with opened(database) as connection:
        return [Edited(one, int(connection.execute(one.sql).fetchall()[0][0])) for one in EDITS]


def expected(edited: list[Edited], sync: str, kind: str) -> int:
    """How many rows of a sync the edits inserted, updated or deleted."""
    return sum(one.rows for one in edited if one.edit.sync == sync and one.edit.kind == kind)


def expected_tombstones(edited: list[Edited]) -> int:
    """How many flights Mixpanel must hide: those deleted, and the old copies of those that moved."""
    flights = [one for one in edited if one.edit.sync == "flights"]
    return sum(one.rows for one in flights if one.edit.moves or one.edit.kind == "delete")
