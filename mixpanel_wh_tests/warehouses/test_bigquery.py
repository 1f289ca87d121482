"""BigQuery passes the contract of all warehouses, and what is its own: partitions, pseudo-columns, REST."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from google.cloud.bigquery import PartitionRange, RangePartitioning, SchemaField, Table

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Properties
from mixpanel_wh.warehouses.bigquery import BigQueryWarehouse
from mixpanel_wh.warehouses.bigquery.jobs import Jobs
from mixpanel_wh_tests.stand_ins.bigquery import PROJECT, RunningBigQuery
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, ops, read, tally, user_spec
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.contract_partitions import PartitionsContract

pytestmark = pytest.mark.long


@pytest.fixture
def ground(bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
    with closing(BigQueryGround(bigquery)) as ground:
        yield ground


def sources(ground: BigQueryGround, table: str, since: int) -> list[str]:
    """The statements of the warehouse that read a table, from one of its jobs on."""
    name = f"`{ground.dataset}`.`{table}`"
    return [job.query for job in ground.jobs()[since:] if name in job.query]


def test_of_a_hundred_partitions_only_the_three_that_were_touched_are_read(ground: BigQueryGround) -> None:
    table = ground.divide("visits", [])
    ground.run(
        "INSERT INTO visits SELECT n, DATE_ADD(DATE '2024-01-01', INTERVAL DIV(n, 5) DAY), CONCAT('w', CAST(n AS STRING)) "
        "FROM UNNEST(GENERATE_ARRAY(0, 499)) AS n"
    )
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        assert tally(sync.run()) == {"insert": 500}
        ground.run("UPDATE visits SET word = 'new' WHERE id = 101")
        ground.run("DELETE FROM visits WHERE id = 107")
        ground.run("INSERT INTO visits VALUES (1000, DATE '2024-03-01', 'more')")
        before = len(ground.jobs())
        assert ops(sync.run()) == {"101": "update", "107": "delete", "1000": "insert"}
        assert sync.pending.note == "97 of 100 partitions (48,500 bytes) did not change and were not read"
        read = sources(ground, "visits", before)
        assert len(read) >= 3
        for statement in read:
            assert statement.count("FROM `") >= 1
            bounds = re.findall(r"\(`day` >= DATE '([\d-]+)' AND `day` < DATE '([\d-]+)'\)", statement)
            assert set(bounds) == {("2024-01-21", "2024-01-23"), ("2024-03-01", "2024-03-02")}
        before = len(ground.jobs())
        assert sync.run() == []
        assert sources(ground, "visits", before) == []


@pytest.mark.parametrize(
    ("column", "partition", "values"),
    [
        ("TIMESTAMP", "TIMESTAMP_TRUNC(c, HOUR)", ("2024-03-01 23:30:00+00", "2024-12-31 23:59:59.999999+00", None)),
        ("TIMESTAMP", "DATE(c)", ("2024-02-29 00:00:00+00", "2024-03-01 00:00:00+00", None)),
        ("DATETIME", "DATETIME_TRUNC(c, MONTH)", ("2024-01-31 12:00:00", "2024-12-01 00:00:00", None)),
        ("DATE", "DATE_TRUNC(c, YEAR)", ("2023-12-31", "2024-01-01", None)),
        ("INT64", "", (-20, -11, -1, 0, 99, 100, -21, None)),
    ],
)
def test_every_kind_of_partition_is_numbered_and_chosen_as_its_metadata_says(
    ground: BigQueryGround, column: str, partition: str, values: tuple[object, ...]
) -> None:
    if partition:
        ground.run(f"CREATE TABLE parts (id INT64, c {column}) PARTITION BY {partition}")
    else:  # the stand-in knows ranges by its API only
        by_tens = Table(f"{PROJECT}.{ground.dataset}.parts", [SchemaField(one, "INT64") for one in ("id", "c")])
        by_tens.range_partitioning = RangePartitioning(PartitionRange(-20, 100, 10), "c")
        ground.client.create_table(by_tens)
    ground.add("parts", {"id": "INT64", "c": column}, list(enumerate(values)))
    with closing(ground.open()) as warehouse:
        found = warehouse.tables.catalogue.partitions(ground.name("parts"))  # type: ignore[attr-defined]
        assert found is not None
        whole = ground.rows(f"SELECT id, _mp_partition FROM {found.source(None)} AS t ORDER BY id")
        assert {number for _, number in whole} == set(found.tokens)
        for number in found.tokens:
            chosen = ground.rows(f"SELECT id FROM {found.source([number])} AS t ORDER BY id")
            assert chosen == [(id,) for id, its in whole if its == number]


def test_a_row_that_goes_to_another_partition_with_nothing_of_it_sent_stays_the_same_row(
    ground: BigQueryGround,
) -> None:
    table = ground.divide("visits", [])
    ground.put("visits", [(n, f"2024-01-0{n + 1}", f"w{n}") for n in range(8)])
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table, properties=Properties(deny=("day",))))
        assert tally(sync.run()) == {"insert": 8}
        ground.run("UPDATE visits SET day = DATE '2024-01-07' WHERE id = 2")
        assert sync.run() == []
        ground.put("visits", [(9, "2024-01-03", "more")])
        assert ops(sync.run()) == {"9": "insert"}
        ground.run("DELETE FROM visits WHERE id = 2")
        assert ops(sync.run()) == {"2": "delete"}


def test_a_view_and_a_table_without_partitions_are_mirrored_and_an_unchanged_table_is_not_read(
    ground: BigQueryGround,
) -> None:
    table = ground.fill("many", 20)
    ground.run(f"CREATE VIEW seen AS SELECT * FROM {ground.source('many')} WHERE id < 10")
    with closing(ground.open()) as warehouse:
        sync, view = Mirroring(warehouse, user_spec(table)), Mirroring(warehouse, user_spec(ground.name("seen")))
        view = view.under(name="seen")
        assert (len(sync.run()), len(view.run())) == (20, 10)
        before = len(ground.jobs())
        assert (sync.run(), view.run()) == ([], [])
        assert sources(ground, "many", before) == []
        ground.change("many", "word", "new", "STRING", "id = 3")
        assert ops(sync.run()) == ops(view.run()) == {"3": "update"}


def test_a_clustered_table_that_demands_a_condition_on_its_partitions_is_mirrored_and_appended(
    ground: BigQueryGround,
) -> None:
    ground.run(
        "CREATE TABLE visits (id INT64, day DATE, word STRING) PARTITION BY day CLUSTER BY id "
        "OPTIONS (require_partition_filter = TRUE)"
    )
    table = ground.name("visits")
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        assert sync.run() == []
        ground.put("visits", [(n, f"2024-01-0{n + 1}", f"w{n}") for n in range(8)] + [(9, None, "no day")])  # type: ignore[list-item]
        assert tally(sync.run()) == {"insert": 9}
        ground.run("UPDATE visits SET word = 'new' WHERE day = DATE '2024-01-03'")
        ground.run("DELETE FROM visits WHERE day IS NULL")
        assert ops(sync.run()) == {"2": "update", "9": "delete"}
        spec = append_spec(table, time_column="day", insert_time="day", row_key=("id",))
        window = warehouse.tables.window(spec, None)
        assert (window.upto, len(read(warehouse, spec, window))) == ("2024-01-08", 8)
        ground.put("visits", [(10, "2024-01-09", "more")])
        window = warehouse.tables.window(spec, window.upto)
        assert [row["_mp_key"] for row in read(warehouse, spec, window)] == ["10"]


def test_lists_are_read_and_mirrored_and_no_list_is_an_empty_one(ground: BigQueryGround) -> None:
    columns = {"id": "INT64", "l": "ARRAY<STRING>", "s": "ARRAY<STRUCT<k STRING, v ARRAY<INT64>>>", "j": "ARRAY<JSON>"}
    table = ground.make("lists", columns)
    ground.run(
        """INSERT INTO lists VALUES (1, ['a', 'b'], [STRUCT('x' AS k, [1] AS v)], [JSON '{"a": 1}']), (2, NULL, NULL, NULL)"""
    )
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        rows = {row["_mp_key"]: row for row in sync.run()}
        assert (rows["1"]["l"], rows["1"]["s"]) == (["a", "b"], [{"k": "x", "v": [1]}])
        assert json.loads(rows["1"]["j"]) == [{"a": 1}]
        assert (rows["2"]["l"], rows["2"]["s"]) == ([], [])
        ground.run("DELETE FROM lists WHERE id = 1")  # the stand-in takes no list in an UPDATE
        ground.run("""INSERT INTO lists VALUES (1, ['a'], [STRUCT('x' AS k, [1] AS v)], [JSON '{"a": 1}'])""")
        assert ops(sync.run()) == {"1": "update"}


def test_rows_come_over_rest_as_they_come_over_the_storage_read_api(ground: BigQueryGround) -> None:
    columns = {"id": "INT64"} | {f"c{n}": typed.type for n, typed in enumerate(ground.every_type)}
    table = ground.make("typed", columns)
    for n, values in enumerate(zip(*((typed.one, typed.other, "NULL") for typed in ground.every_type), strict=True)):
        ground.run(f"INSERT INTO typed VALUES ({n}, {', '.join(values)})")
    with closing(ground.open()) as warehouse:
        over_storage = sorted(read(warehouse, user_spec(table)), key=lambda row: str(row["_mp_key"]))
        staged = sorted(Mirroring(warehouse, user_spec(table)).run(), key=lambda row: str(row["_mp_key"]))
    ground.settings = {"storage_api": False}
    with closing(ground.open()) as warehouse:
        assert sorted(read(warehouse, user_spec(table)), key=lambda row: str(row["_mp_key"])) == over_storage
        again = Mirroring(warehouse, user_spec(table)).under(name="again")
        assert sorted(again.run(), key=lambda row: str(row["_mp_key"])) == staged


class Died(BaseException):
    """The end of a process."""


@contextmanager
def dying_after(jobs: Jobs, statements: int) -> Iterator[None]:
    """The process dies, as far as the warehouse can tell, once so many more statements were run."""
    left, run = iter(range(statements)), jobs.run

    def counted(*given: Any, **more: Any) -> Any:
        if next(left, None) is None:
            raise Died
        return run(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "run", counted)
        with suppress(Died):
            yield


def test_a_run_that_dies_between_any_two_statements_leaves_nothing_that_counts(ground: BigQueryGround) -> None:
    spec = user_spec(ground.fill("many", 30))
    with closing(ground.open()) as warehouse:
        assert isinstance(warehouse, BigQueryWarehouse)
        Mirroring(warehouse, spec).run()
        ground.change("many", "word", "new", "STRING", "id < 5")
        for statements in range(1, 15, 2):
            with dying_after(warehouse.session.jobs, statements):
                Mirroring(warehouse, spec).stage()
        moved = replace(spec, timezone="Asia/Tokyo", properties=Properties(rename={"word": "Word"}))
        for statements in range(3, 12, 2):
            with dying_after(warehouse.session.jobs, statements):
                Mirroring(warehouse, moved).stage()
        assert warehouse.state.load(spec.name).pending is None
        assert tally(Mirroring(warehouse, spec).run()) == {"update": 5}
        assert Mirroring(warehouse, spec).run() == []


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
