"""Snowflake passes the contract, with streams and without."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround


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
