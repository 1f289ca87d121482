"""A throw-away project with its sandbox and the Dagster UI over it, and a browser to look at both."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from selenium import webdriver

from mixpanel_wh.demo.box import running_sandbox
from mixpanel_wh.demo.folder import environment, fresh_folder
from mixpanel_wh.demo.screens import dagster_ui
from mixpanel_wh_tests.browser.chromium import NoBrowser, chromium
from mixpanel_wh_tests.browser.person import Person
from mixpanel_wh_tests.defs.conftest import AIRPORTS, FLIGHTS, PLANES, PROJECT
from mixpanel_wh_tests.stand_ins.ports import free_port


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """The browser; tests that need it are skipped where there is none."""
    try:
        browser = chromium()
        opened = browser.__enter__()
    except NoBrowser as missing:
        pytest.skip(str(missing))
    try:
        yield opened
    finally:
        browser.__exit__(None, None, None)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with flights, planes (one of them without its key) and airports."""
    path = tmp_path_factory.mktemp("browser") / "air.duckdb"
    with duckdb.connect(str(path)) as connection:
        for table, sql in (("flights", FLIGHTS), ("planes", PLANES), ("airports", AIRPORTS)):
            connection.execute(f"CREATE TABLE {table} AS {sql}")
        connection.execute("UPDATE planes SET tailnum = NULL WHERE tailnum = 'N10'")
    return path


@pytest.fixture(scope="module")
def sandbox(driver: webdriver.Chrome, warehouse: Path) -> Iterator[str]:
    """The address of a sandbox of its own; not started where nobody could look at it."""
    with running_sandbox(warehouse.with_name("sandbox.duckdb")) as url:
        yield url


@pytest.fixture(scope="module")
def dagster(driver: webdriver.Chrome, warehouse: Path, sandbox: str) -> Iterator[str]:
    """The address of the Dagster UI over the project."""
    project = warehouse.with_name("project.yaml")
    project.write_text(PROJECT.format(url=sandbox))
    with (
        fresh_folder(warehouse.parent / "home") as folder,
        environment(folder.environment(sandbox) | {"MIXPANEL_WH_PROJECT": str(project)}),
        dagster_ui(folder, free_port()) as url,
    ):
        yield url


@pytest.fixture
def person(driver: webdriver.Chrome, dagster: str) -> Person:
    """Somebody who looks at the Dagster UI."""
    return Person(driver, dagster)
