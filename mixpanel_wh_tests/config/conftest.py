"""A warehouse of a few tables, and a sandbox that takes what is sent of them."""

from pathlib import Path

import duckdb
import pytest

TABLES = """
CREATE TABLE flights AS SELECT TIMESTAMP '2013-01-01 10:00:00' + to_hours(i) AS departure_at, i AS flight,
    'N' || (i % 7) AS tailnum FROM range(50) AS r(i);
CREATE TABLE planes AS SELECT 'N' || i AS tailnum, 'Airbus' AS manufacturer FROM range(7) AS r(i);
CREATE TABLE airlines AS SELECT 'A' || i AS carrier, 'Air ' || i AS name FROM range(3) AS r(i);
CREATE TABLE airports AS SELECT 'P' || i AS faa, 'Port ' || i AS name FROM range(4) AS r(i);
CREATE TABLE weather AS SELECT TIMESTAMP '2013-01-01' + to_hours(i) AS time_hour,
    TIMESTAMP '2013-01-01' + to_hours(i) AS written_at, i AS temp FROM range(20) AS r(i);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `flights.duckdb` in it."""
    with duckdb.connect(str(tmp_path / "flights.duckdb")) as connection:
        connection.execute(TABLES)
    return tmp_path
