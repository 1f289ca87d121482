"""A small warehouse, a running sandbox and a Dagster instance for each test."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.defs.looking import Box

DAGSTERS_OWN = (
    # Dagster reads its own deprecated attribute whenever a resource with a life cycle is made.
    r"ignore:.*InitResourceContext.dagster_run.*",
    # Matching a dependency by dagster/table_name is Dagster's own doing, and it calls that beta.
    r"ignore:.*because the table name matches.*",
    # Dagster loads components with functions of pydantic 1.
    r"ignore:.*parse_obj_as.*",
    r"ignore:.*__fields__.*",
    # Dagster links the assets of a component to its defs.yaml by classes that it calls beta.
    r"ignore:.*(LocalFileCodeReference|CodeReferencesMetadata).*",
    # What evaluates automation conditions in tests asks for all assets by an argument that Dagster calls beta.
    r"ignore:.*Parameter `include_sources`.*",
    # It copies the sensors and schedules of a component with an argument of its own that it calls beta.
    r"ignore:.*Parameter `owners` of initializer.*",
    # It copies the checks of a component with an argument of its own that it calls beta.
    r"ignore:.*Parameter `execution_type` of function `AssetsDefinition.__init__`.*",
)
"""The warnings of Dagster about itself; every other deprecation and beta warning fails a test."""

FLIGHTS = """
    SELECT i AS flight, 'N' || (i % 7 + 10) AS tailnum, i * 10 AS distance, i % 3 AS carrier_id,
        TIMESTAMP '2024-01-01 06:00:00' + i * INTERVAL 3 HOUR AS departed,
        TIMESTAMP '2024-01-01 07:00:00' + i * INTERVAL 3 HOUR AS written
    FROM range(80) AS t(i)
"""
PLANES = "SELECT 'N' || (i + 10) AS tailnum, 100 + i AS seats FROM range(7) AS t(i)"
AIRPORTS = "SELECT 'A' || i AS faa, 'Airport ' || i AS name FROM range(5) AS t(i)"

PROJECT = """\
version: 1
warehouse: {{type: duckdb, path: air.duckdb, lock_timeout: 120}}
destination:
  project_id: "1"
  token: the-token
  service_account: robot
  service_secret: ${{SECRET:-the-secret}}
  url: {url}
  rate: off
syncs:
  flights:
    table: main.flights
    record: event
    mode: mirror
    event: Flight
    row_key: [flight]
    time: departed
    user_id: tailnum
    schedule: hourly
    owners: [team:air]
    tags: {{domain: air}}
  arrivals:
    table: main.flights
    record: event
    mode: append
    event: Arrival
    row_key: [flight]
    time: departed
    insert_time: written
    user_id: tailnum
  planes: {{table: main.planes, record: user, mode: full, distinct_id: tailnum, group: fleet}}
  airports: {{table: airports, record: lookup, mode: full, lookup_table: airports, lookup_id: faa}}
  opening:
    table: main.flights
    record: event
    mode: one_time
    event: Opening
    row_key: [flight]
    time: departed
    description: Flights, once.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Dagster's warnings about itself pass in this folder only."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for allowed in DAGSTERS_OWN:
                item.add_marker(pytest.mark.filterwarnings(allowed))


@pytest.fixture
def box(running_box: Sandbox) -> Box:
    """An empty sandbox."""
    requests.post(f"{running_box.url}/sandbox/reset", timeout=30)
    return Box(running_box.url)


@pytest.fixture
def air(tmp_path: Path) -> Path:
    """A DuckDB file with flights, planes and airports."""
    path = tmp_path / "air.duckdb"
    with duckdb.connect(str(path)) as connection:
        for table, sql in (("flights", FLIGHTS), ("planes", PLANES), ("airports", AIRPORTS)):
            connection.execute(f"CREATE TABLE {table} AS {sql}")
    return path


@pytest.fixture
def project_file(air: Path, box: Box) -> Path:
    """A project file with a sync of each mode."""
    path = air.with_name("project.yaml")
    path.write_text(PROJECT.format(url=box.url))
    return path


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
