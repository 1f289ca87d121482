"""Snowflake passes the contract; and what is special to streams, sessions and types of its own."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    with closing(SnowflakeGround(snowflake)) as ground:
        yield ground


@pytest.fixture
def warehouse(ground: SnowflakeGround) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse


@pytest.mark.long
class TestSnowflake(WarehouseContract):
    """Tables with streams."""

    @pytest.fixture
    def ground(self, snowflake: RunningSnowflake) -> Iterator[Ground]:
        with closing(SnowflakeGround(snowflake)) as ground:
            yield ground


@pytest.mark.long
class TestSnowflakeByHashes(WarehouseContract):
    """No streams at all."""

    @pytest.fixture
    def ground(self, snowflake: RunningSnowflake) -> Iterator[Ground]:
        with closing(SnowflakeGround(snowflake, {"streams": "off"})) as ground:
            yield ground
