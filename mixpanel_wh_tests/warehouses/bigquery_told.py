"""A BigQuery that gives recorded answers, as ground for tests: one table, and how the warehouse is opened on it."""

import datetime as dt
from contextlib import closing
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.bigquery import BigQueryWarehouse
from mixpanel_wh_tests.stand_ins.bigquery_answers import AnsweringBigQuery

PEOPLE = TableName(("shop", "people"))
COLUMNS = {"id": "STRING", "name": "STRING"}
READ = {"_mp_key": "STRING", "_mp_user": "STRING", "name": "STRING"}
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def opened(told: AnsweringBigQuery, **more: Any) -> Any:
    """The warehouse, open; it never waits between tries."""
    warehouse = open_warehouse("bigquery", told.settings(**more))
    assert isinstance(warehouse, BigQueryWarehouse)
    warehouse.session.jobs.pause = lambda seconds: None
    return closing(warehouse)


def micros(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
