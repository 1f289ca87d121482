"""A warehouse of a few tables, and a sandbox that takes what is sent of them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import requests

from mixpanel_wh.sandbox import Sandbox, SandboxOptions

TABLES = """
CREATE TABLE flights AS SELECT TIMESTAMP '2013-01-01 10:00:00' + to_hours(i) AS departure_at, i AS flight,
    'N' || (i % 7) AS tailnum FROM range(50) AS r(i);
CREATE TABLE planes AS SELECT 'N' || i AS tailnum, 'Airbus' AS manufacturer FROM range(7) AS r(i);
CREATE TABLE airlines AS SELECT 'A' || i AS carrier, 'Air ' || i AS name FROM range(3) AS r(i);
CREATE TABLE airports AS SELECT 'P' || i AS faa, 'Port ' || i AS name FROM range(4) AS r(i);
CREATE TABLE weather AS SELECT TIMESTAMP '2013-01-01' + to_hours(i) AS time_hour,
    TIMESTAMP '2013-01-01' + to_hours(i) AS written_at, i AS temp FROM range(20) AS r(i);
"""


@pytest.fixture(scope="session")
def running_box() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(port=0)) as box:
        yield box


@pytest.fixture
def box(running_box: Sandbox) -> Sandbox:
    """An empty sandbox."""
    requests.post(f"{running_box.url}/sandbox/reset", timeout=30)
    return running_box


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `flights.duckdb` in it."""
    with duckdb.connect(str(tmp_path / "flights.duckdb")) as connection:
        connection.execute(TABLES)
    return tmp_path
