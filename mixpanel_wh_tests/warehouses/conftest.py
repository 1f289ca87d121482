"""What the tests of every warehouse get: the warehouse, open on the ground that a file or a class of theirs gives."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.bigquery_answers import AnsweringBigQuery, answering_bigquery
from mixpanel_wh_tests.warehouses.bigquery_told import COLUMNS
from mixpanel_wh_tests.warehouses.ground import Ground


@pytest.fixture
def warehouse(ground: Ground) -> Iterator[Warehouse]:
    """The warehouse, opened for one test."""
    with closing(ground.open()) as warehouse:
        yield warehouse


@pytest.fixture
def told() -> Iterator[AnsweringBigQuery]:
    """A BigQuery of recorded answers that has one table, shop.people."""
    with answering_bigquery() as told:
        told.table("shop.people", COLUMNS)
        yield told
