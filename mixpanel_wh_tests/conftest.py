"""What every test gets: a clean environment, and the markers that `make chaos` and `make warehouses` select by."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, settings

from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh_tests.stand_ins.bigquery import RunningBigQuery, running_bigquery
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks, running_databricks
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres, running_postgres
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift, running_redshift
from mixpanel_wh_tests.stand_ins.s3 import running_s3
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake, running_snowflake

# The contract's modules are no test files of their own; pytest shows the values of their assertions all the same.
PARTS = ("reading", "moments", "windows", "changes", "drift", "settling", "keeping", "partitions", "access", "sessions",
         "statements")  # fmt: skip
for part in PARTS:
    pytest.register_assert_rewrite(f"mixpanel_wh_tests.warehouses.contract_{part}")

HERE = Path(__file__).parent
MARKED = {
    "chaos": "chaos",
    "warehouses": "warehouses",
    "acceptance/test_postgres.py": "warehouses",
    "acceptance/test_redshift.py": "warehouses",
    "mixpanel/test_trouble.py": "chaos",
    "sandbox/test_faults.py": "chaos",
}

STAND_IN_COPIES = "Arrow output on a DB-API result"  # what stands in for Snowflake copies its answers, and is told so

# Two cores under load make deadlines a matter of luck, and a draw of the moment would fail a change that it has nothing to
# do with. The long forms draw anew each time.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """No setting of the person's own reaches a test, and Dagster phones nobody."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MIXPANEL_", "DAGSTER_"))]:
            patch.delenv(name)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        # A shell that runs the tests in the background has them ignore Ctrl-C, which some of them are about.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield


@pytest.fixture(scope="session")
def running_box() -> Iterator[Sandbox]:
    """A sandbox with the default options."""
    with Sandbox.start(SandboxOptions(port=0)) as box:
        yield box


@pytest.fixture
def box(running_box: Sandbox) -> Sandbox:
    """An empty sandbox."""
    requests.post(f"{running_box.url}/sandbox/reset", timeout=30)
    return running_box


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """A Postgres server for all tests; each makes a schema of its own in it."""
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="session")
def bigquery() -> Iterator[RunningBigQuery]:
    """A server that stands in for BigQuery; each test makes datasets of its own in it."""
    with running_bigquery() as running:
        yield running


@pytest.fixture(scope="session")
def snowflake() -> Iterator[RunningSnowflake]:
    """What stands in for Snowflake, for all tests; each makes a schema of its own in it."""
    with running_snowflake() as running:
        yield running


@pytest.fixture(scope="session")
def redshift(postgres: RunningPostgres) -> Iterator[RunningRedshift]:
    """What stands in for Redshift, and an S3 that it unloads to."""
    with running_s3("unloads") as s3, running_redshift(postgres, s3) as running:
        yield running


@pytest.fixture(scope="session")
def databricks() -> Iterator[RunningDatabricks]:
    """What stands in for Databricks, for all tests; each makes a schema of its own in it."""
    with running_databricks() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by the folder or file they stand in."""
    for item in items:
        place = item.path.relative_to(HERE).as_posix()
        if "snowflake" in getattr(item, "fixturenames", ()) or "snowflake" in item.name:
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{STAND_IN_COPIES}"))
        for start, marker in MARKED.items():
            if place == start or place.startswith(f"{start}/"):
                item.add_marker(marker)
