"""Databricks: how answers come, from SQL warehouses and from clusters, and types that only a view has."""

from collections.abc import Iterator
from contextlib import closing
from threading import Barrier

import pytest

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.databricks.catalogue import listed_columns
from mixpanel_wh.warehouses.databricks.dialect import DatabricksDialect
from mixpanel_wh.warehouses.databricks.session import MOST_ROWS, RECORD_BATCH_BYTES
from mixpanel_wh.warehouses.databricks.tables import DatabricksProjection
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.stand_ins.databricks.server import CLUSTER_PATH, FILE_ROWS, FILES_A_FETCH
from mixpanel_wh_tests.warehouses.asking import Mirroring, read, user_spec
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround


@pytest.fixture
def ground(databricks: RunningDatabricks) -> Iterator[DatabricksGround]:
    with closing(DatabricksGround(databricks)) as ground:
        yield ground


def test_large_answers_come_as_files_several_at_a_time(ground: DatabricksGround) -> None:
    """The server gives out no file before a second one is asked for."""
    files = 2 * FILES_A_FETCH
    spec, server = user_spec(ground.fill("many", files * FILE_ROWS)), ground.server
    before, server.together = server.files_fetched, Barrier(2)
    try:
        with closing(ground.open()) as warehouse:
            rows = [batch.num_rows for batch in warehouse.tables.read(spec)]
    finally:
        server.together = None
    assert sum(rows) == files * FILE_ROWS
    assert max(rows) <= MOST_ROWS
    assert server.files_fetched - before == files


def test_files_are_fetched_as_far_as_their_rows_are_taken(ground: DatabricksGround) -> None:
    files = 6 * FILES_A_FETCH
    spec, server = user_spec(ground.fill("many", files * FILE_ROWS)), ground.server
    before = server.files_fetched
    with closing(ground.open()) as warehouse:
        batches = warehouse.tables.read(spec)
        first = next(iter(batches))
        assert first.nbytes < RECORD_BATCH_BYTES
        assert server.files_fetched - before <= 2 * FILES_A_FETCH
        batches.close()  # type: ignore[attr-defined]
    assert server.files_fetched - before <= 2 * FILES_A_FETCH


def test_a_cluster_is_spoken_to_like_a_sql_warehouse(ground: DatabricksGround) -> None:
    given = ground.server.settings(staging_schema=ground.staging, http_path=CLUSTER_PATH)
    given["connection"] |= {"_connection_uri": f"{ground.server.address}{CLUSTER_PATH}"}
    spec = user_spec(ground.fill("many", 5_000))
    with closing(open_warehouse("databricks", given)) as warehouse:
        assert len(Mirroring(warehouse, spec).run()) == 5_000


def test_intervals_and_columns_without_a_type_are_text(ground: DatabricksGround) -> None:
    """A Delta table has neither; a view may."""
    ground.fill("many", 2)
    ground.run(f"CREATE VIEW {ground.source('seen')} AS SELECT id, id * INTERVAL '1' DAY AS span FROM {ground.source('many')}")
    spec = user_spec(ground.name("seen"))
    with closing(ground.open()) as warehouse:
        assert [column.type for column in warehouse.tables.describe(spec.table).columns][1] == "interval"
        assert {row["_mp_user"]: row["span"] for row in read(warehouse, spec)} == {"0": "00:00:00", "1": "1 day"}
        assert len(Mirroring(warehouse, spec).run()) == 2
    table = Table(spec.table, (Column("id", "bigint"), Column("none", "void"), Column("span", "interval day to second")))
    shown = DatabricksProjection(spec, table, DatabricksDialect()).select_payload()
    assert shown == ", CAST(`none` AS STRING) AS `none`, CAST(`span` AS STRING) AS `span`"


@pytest.mark.parametrize("type", ["geography(4326)", "geometry(0)", "object<a: int>", "measure"])
def test_types_that_mixpanel_has_no_place_for_are_refused_by_name(type: str) -> None:
    table = Table(TableName(("shops",)), (Column("id", "bigint"), Column("place", type)))
    with pytest.raises(SourceError) as raised:
        _ = DatabricksProjection(user_spec(table.name), table, DatabricksDialect()).payload
    assert f"column place of shops is of type {type}, which Mixpanel has no place for: deny it" in str(raised.value)


def test_what_stands_below_the_columns_of_a_description_is_none() -> None:
    told = [
        ("id", "bigint", None), ("# odd", "string", None), ("Type", "string", None),
        ("# Clustering Information", "", ""), ("# col_name", "data_type", "comment"), ("id", "bigint", None),
        ("", "", ""), ("# Detailed Table Information", "", ""), ("Type", "MANAGED", ""), ("Provider", "delta", ""),
    ]  # fmt: skip
    columns, rest = listed_columns(told)
    assert [column.name for column in columns] == ["id", "# odd", "Type"]
    assert ("Type", "MANAGED") in rest
