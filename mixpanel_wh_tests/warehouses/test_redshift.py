"""Redshift passes the contract, through a cursor and through S3; and what is special to it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround


class TestRedshift(WarehouseContract):
    """Answers through a cursor."""

    @pytest.fixture
    def ground(self, redshift: RunningRedshift) -> Iterator[Ground]:
        with closing(RedshiftGround(redshift)) as ground:
            yield ground


@pytest.mark.long
class TestRedshiftUnloading(WarehouseContract):
    """Every answer through S3."""

    @pytest.fixture
    def ground(self, redshift: RunningRedshift) -> Iterator[Ground]:
        with closing(RedshiftGround(redshift, unload=True)) as ground:
            yield ground
