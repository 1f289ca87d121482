"""BigQuery passes the contract of all warehouses, and what is its own: partitions, pseudo-columns, REST."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.bigquery import RunningBigQuery
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.contract_partitions import PartitionsContract

pytestmark = pytest.mark.long


@pytest.fixture
def ground(bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
    with closing(BigQueryGround(bigquery)) as ground:
        yield ground


class TestBigQuery(WarehouseContract):
    @pytest.fixture
    def ground(self, bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
        with closing(BigQueryGround(bigquery)) as ground:
            yield ground


class TestDividedTables(PartitionsContract):
    @pytest.fixture
    def ground(self, bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
        with closing(BigQueryGround(bigquery)) as ground:
            yield ground

    @pytest.fixture
    def warehouse(self, ground: BigQueryGround) -> Iterator[Warehouse]:
        with closing(ground.open()) as opened:
            yield opened
