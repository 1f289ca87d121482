"""A sandbox for all of these tests, an open project on it, and a DuckDB file for each."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround


@pytest.fixture(scope="session")
def running_box() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(port=0, lookup_replacements_per_day=None)) as box:
        yield box


@pytest.fixture
def url(running_box: Sandbox) -> str:
    """The address of a sandbox that holds nothing."""
    requests.post(f"{running_box.url}/sandbox/reset", timeout=60).raise_for_status()
    return running_box.url


@pytest.fixture
def project(url: str) -> Iterator[MixpanelProject]:
    with MixpanelProject(settings(url)) as project:
        yield project


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[DuckDBGround]:
    with closing(DuckDBGround(tmp_path / "warehouse.duckdb")) as ground:
        yield ground


@pytest.fixture
def warehouse(ground: DuckDBGround) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse
