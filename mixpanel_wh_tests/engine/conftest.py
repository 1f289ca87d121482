"""A DuckDB database in memory with a table of words, and a project that stands in memory too."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround


@pytest.fixture
def ground() -> Iterator[DuckDBGround]:
    with closing(DuckDBGround()) as ground:
        yield ground


@pytest.fixture
def warehouse(ground: DuckDBGround) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse


@pytest.fixture
def mixpanel() -> MemoryMixpanel:
    return MemoryMixpanel()
