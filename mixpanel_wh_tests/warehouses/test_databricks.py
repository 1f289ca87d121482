"""Databricks passes the contract: Delta tables by their change data feed, and without one by hashes alone."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.asking import Asked
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround
from mixpanel_wh_tests.warehouses.ground import Ground


@pytest.fixture
def warehouse(ground: Ground) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse


class TestDatabricksBriefly(Asked):
    """Those tests of the contract that show most of what is special to Databricks."""

    @pytest.fixture
    def ground(self, databricks: RunningDatabricks) -> Iterator[Ground]:
        with closing(DatabricksGround(databricks)) as ground:
            yield ground

    crowd, given_up = WarehouseContract.crowd, WarehouseContract.given_up
    test_types_are_read = WarehouseContract.test_every_column_type_is_read_and_null_stays_null
    test_changes = WarehouseContract.test_inserts_updates_and_deletes_are_found_and_nothing_else
    test_identities = WarehouseContract.test_an_update_and_a_delete_carry_the_identity_of_what_was_delivered
    test_a_new_table = WarehouseContract.test_a_table_that_is_dropped_and_made_again_with_the_same_rows_has_no_changes
    test_equal_rows = WarehouseContract.test_equal_rows_without_a_row_key_are_as_many_events
    test_settling = WarehouseContract.test_settling_keeps_what_was_answered_and_brings_the_rest_again
    test_there_and_back = WarehouseContract.test_a_change_there_and_back_between_two_runs_is_none
    test_names = WarehouseContract.test_nasty_names_serve_in_every_role


@pytest.mark.long
class TestDatabricks(WarehouseContract):
    """Delta tables with a change data feed."""

    @pytest.fixture
    def ground(self, databricks: RunningDatabricks) -> Iterator[Ground]:
        with closing(DatabricksGround(databricks)) as ground:
            yield ground


@pytest.mark.long
class TestDatabricksWithoutFeed(WarehouseContract):
    """Delta tables without one."""

    @pytest.fixture
    def ground(self, databricks: RunningDatabricks) -> Iterator[Ground]:
        with closing(DatabricksGround(databricks, feeds=False)) as ground:
            yield ground
