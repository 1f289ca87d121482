"""What is made of BigQuery's metadata: tokens of partitions and tables, pseudo-columns, and conditions that prune."""

import datetime as dt
import re

import pytest

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh_tests.stand_ins.bigquery_answers import Answer, AnsweringBigQuery
from mixpanel_wh_tests.warehouses.asking import append_spec, event_spec, user_spec
from mixpanel_wh_tests.warehouses.bigquery_told import COLUMNS, NOW, PEOPLE, micros, opened


def metadata(rows: list[tuple[str | None, int, dt.datetime, int]]) -> Answer:
    """INFORMATION_SCHEMA.PARTITIONS, asked at noon."""
    columns = {"partition_id": "STRING", "total_rows": "INTEGER", "last_modified_time": "TIMESTAMP",
               "total_logical_bytes": "INTEGER", "f0_": "TIMESTAMP"}  # fmt: skip
    return Answer("INFORMATION_SCHEMA.PARTITIONS", columns,
                  [(id, count, micros(moved), size, micros(NOW)) for id, count, moved, size in rows])  # fmt: skip


def test_partitions_have_tokens_from_the_metadata_but_for_those_that_moved_just_now(told: AnsweringBigQuery) -> None:
    told.table("shop.visits", {"at": "TIMESTAMP"}, timePartitioning={"type": "DAY", "field": "at"})
    earlier, just_now = NOW - dt.timedelta(hours=1), NOW - dt.timedelta(seconds=59)
    told.answers = [metadata([("20261123", 5, earlier, 500), ("20261124", 6, just_now, 600), ("__NULL__", 1, earlier, 10),
                              ("__UNPARTITIONED__", 2, earlier, 20)])]  # fmt: skip
    with opened(told) as warehouse:
        found = warehouse.tables.catalogue.partitions(TableName(("shop", "visits")))
    assert found is not None
    assert {number: token is not None for number, token in found.tokens.items()} == {
        20261123: True,
        20261124: False,
        1: True,
        2: True,
    }
    assert found.sizes == {20261123: 500, 20261124: 600, 1: 10, 2: 20}
    assert found.columns == ("at",)
    chosen = found.source([20261123, 20261124, 1])
    assert "FOR SYSTEM_TIME AS OF TIMESTAMP '2026-11-24 12:00:00.000000+00'" in chosen
    assert "(`at` >= TIMESTAMP '2026-11-23 00:00:00.000000+00' AND `at` < TIMESTAMP '2026-11-25" in chosen
    assert "OR `at` IS NULL)" in chosen


def test_a_partition_that_the_metadata_tells_in_two_rows_has_one_token_of_both(told: AnsweringBigQuery) -> None:
    told.table("shop.visits", {"at": "TIMESTAMP"}, timePartitioning={"type": "DAY", "field": "at"})
    earlier, just_now = NOW - dt.timedelta(days=100), NOW - dt.timedelta(seconds=5)

    def asked(*rows: tuple[str | None, int, dt.datetime, int], table: str = "visits") -> Partitions:
        told.answers = [metadata(list(rows))]
        with opened(told) as warehouse:
            found = warehouse.tables.catalogue.partitions(TableName(("shop", table)))
        assert isinstance(found, Partitions)
        return found

    old, active = ("__UNPARTITIONED__", 2, earlier, 20), ("__UNPARTITIONED__", 5, NOW - dt.timedelta(hours=2), 50)
    both = asked(old, active)
    assert both.sizes == {2: 70}
    assert both.tokens == asked(active, old).tokens
    assert both.tokens != asked(old, ("__UNPARTITIONED__", 6, NOW - dt.timedelta(hours=1), 60)).tokens
    assert asked(("__UNPARTITIONED__", 6, just_now, 60), old).tokens == {2: None}
    assert asked((None, 10, earlier, 1), ("__UNPARTITIONED__", 1, just_now, 1), table="people").tokens == {0: None}


def test_a_partition_column_in_other_letters_and_an_unheard_of_partition_id_are_understood(
    told: AnsweringBigQuery,
) -> None:
    told.table("shop.visits", {"Day": "DATE"}, timePartitioning={"type": "DAY", "field": "day"})
    earlier = NOW - dt.timedelta(hours=1)
    told.answers = [metadata([("20261123", 5, earlier, 500), ("__SOON_SOMEWHERE__", 2, earlier, 20)])]
    with opened(told) as warehouse:
        found = warehouse.tables.catalogue.partitions(TableName(("shop", "visits")))
    assert list(found.tokens) == [20261123, 2]
    assert found.columns == ("Day",)
    assert "`Day` >= DATE '2026-11-23'" in found.source([20261123])


def test_a_table_without_partitions_is_one_and_views_are_none(told: AnsweringBigQuery) -> None:
    told.table("shop.seen", COLUMNS, type="VIEW")
    told.table("shop.outside", COLUMNS, type="EXTERNAL")
    told.answers = [metadata([(None, 10, NOW - dt.timedelta(days=1), 1000)])]
    with opened(told) as warehouse:
        found = warehouse.tables.catalogue.partitions(PEOPLE)
        assert found is not None
        assert found.whole
        assert list(found.tokens) == [0]
        assert found.source([]).endswith("WHERE FALSE)")
        for name in ("seen", "outside"):
            assert warehouse.tables.catalogue.partitions(TableName(("shop", name))) is None


def test_a_change_token_moves_with_the_metadata_and_costs_no_query(told: AnsweringBigQuery) -> None:
    with opened(told) as warehouse:
        tokens = [warehouse.tables.change_token(PEOPLE)]
        for change in ({"lastModifiedTime": "1700000000002"}, {"numRows": "11"}, {"creationTime": "1700000000003"},
                       {"streamingBuffer": {"estimatedRows": "3", "oldestEntryTime": "1700000000000"}}):  # fmt: skip
            told.tables["shop.people"] |= change
            tokens.append(warehouse.tables.change_token(PEOPLE))
        assert warehouse.tables.change_token(PEOPLE) == tokens[-1]
    assert len(set(tokens)) == 5
    assert told.jobs == []


def test_the_change_token_of_an_external_table_is_a_hash_in_which_equal_rows_do_not_cancel_out(
    told: AnsweringBigQuery,
) -> None:
    told.table("shop.outside", COLUMNS, type="EXTERNAL")
    tokens = set()
    with opened(told) as warehouse:
        for total in ("1", "2"):
            told.answers = [Answer("SUM", {"n": "INTEGER", "total": "INTEGER"}, [["2", total]])]
            tokens.add(warehouse.tables.change_token(TableName(("shop", "outside"))))
    assert len(tokens) == 2
    assert "BIT_XOR" not in told.statements[0]


def test_a_window_over_the_ingestion_time_names_the_pseudo_column_alone(told: AnsweringBigQuery) -> None:
    told.table("shop.raw", {"id": "STRING", "at": "TIMESTAMP"}, timePartitioning={"type": "DAY"})
    told.answers = [Answer("max", {"top": "STRING", "unread": "INTEGER"}, [["2026-11-24 00:00:00+00", 3]]),
                    Answer("count", {"n": "INTEGER"}, [[5]])]  # fmt: skip
    spec = append_spec(TableName(("shop", "raw")), insert_time="_PARTITIONTIME")
    with opened(told) as warehouse:
        assert "_PARTITIONTIME" in [column.name for column in warehouse.tables.describe(spec.table).columns]
        window = warehouse.tables.window(spec, "2026-11-20 00:00:00+00")
        assert (window.upto, window.rows, window.unread) == ("2026-11-24 00:00:00+00", 5, 3)
        with pytest.raises(SourceError, match="_PARTITIONTIME is no column of the table, it can only be insert_time"):
            warehouse.tables.count(event_spec(spec.table, time_column="_PARTITIONTIME"))
    assert (
        "`_PARTITIONTIME` > CAST(@mp_after AS TIMESTAMP) AND `_PARTITIONTIME` <= CAST(@mp_upto" in told.statements[-1]
    )


def test_a_pseudo_column_of_dates_is_there_where_partitions_are_days(told: AnsweringBigQuery) -> None:
    for unit, pseudo in (("DAY", ["_PARTITIONTIME", "_PARTITIONDATE"]), ("HOUR", ["_PARTITIONTIME"])):
        told.table("shop.raw", {"id": "STRING"}, timePartitioning={"type": unit})
        with opened(told) as warehouse:
            found = warehouse.tables.describe(TableName(("shop", "raw")))
        assert [column.name for column in found.columns] == ["id", *pseudo]


def test_the_high_water_mark_is_looked_for_in_the_partitions_from_the_cursor_on(told: AnsweringBigQuery) -> None:
    told.table("shop.visits", {"id": "STRING", "at": "TIMESTAMP", "day": "DATE"})
    told.answers = [Answer("max", {"top": "STRING", "unread": "INTEGER"}, [["2026-11-24 00:00:00+00", 0]]),
                    Answer("count", {"n": "INTEGER"}, [[5]])]  # fmt: skip
    start = dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC)

    def asked(insert_time: str, after: str | None, start_at: dt.datetime | None = None) -> tuple[str, str, dict[str, str]]:
        told.jobs.clear()
        spec = append_spec(TableName(("shop", "visits")), insert_time=insert_time, start_at=start_at)
        with opened(told) as warehouse:
            warehouse.tables.window(spec, after)
        top, counted = (job["query"] for job in told.jobs)
        given = {one["name"]: one["parameterValue"]["value"] for one in counted["queryParameters"]}
        return top["query"].partition(" WHERE ")[2], counted["query"].partition(" WHERE ")[2], given

    assert asked("at", "2026-11-20 00:00:00+00")[0] == "`at` >= CAST(@mp_after AS TIMESTAMP) OR `at` IS NULL"
    assert asked("at", None)[0] == ""
    above, where, given = asked("at", None, start)
    assert above == "`at` >= CAST(@mp_start AS TIMESTAMP) OR `at` IS NULL"
    assert where.endswith("AND `at` >= CAST(@mp_start AS TIMESTAMP)")
    assert given["mp_start"] == "2026-01-01 03:00:00.000000+00:00"
    above, where, given = asked("day", None, start)
    assert above == "`day` >= CAST(@mp_start AS DATE) OR `day` IS NULL"
    assert given["mp_start"] == "2025-12-31"  # a day more than it seems, whatever the zone


def test_a_table_that_demands_a_condition_on_its_partitions_gets_one_in_every_statement(told: AnsweringBigQuery) -> None:
    told.table("shop.visits", COLUMNS | {"day": "DATE"}, timePartitioning={"type": "DAY", "field": "day"},
               requirePartitionFilter=True)  # fmt: skip
    told.table("shop.raw", {"id": "STRING", "at": "TIMESTAMP"}, timePartitioning={"type": "HOUR"},
               requirePartitionFilter=True)  # fmt: skip
    told.answers = [metadata([("20261123", 5, NOW - dt.timedelta(hours=1), 500)]),
                    Answer(r"min\(", {"oldest": "INTEGER", "newest": "INTEGER"}, [[1, 2]]),
                    Answer("max", {"top": "STRING", "unread": "INTEGER"}, [["2026-11-24 00:00:00+00", 0]]),
                    Answer("count", {"n": "INTEGER"}, [[5]]), Answer("", {"h": "STRING"}, [["x"]])]  # fmt: skip
    spec, raw = user_spec(TableName(("shop", "visits"))), append_spec(TableName(("shop", "raw")), insert_time="_PARTITIONTIME")
    with opened(told) as warehouse:
        warehouse.tables.count(spec)
        warehouse.tables.fingerprint(spec)
        assert "WHERE (`day` >= DATE '0001-01-01' OR `day` IS NULL)" in warehouse.tables.catalogue.partitions(
            spec.table
        ).source(None)
        warehouse.tables.count(raw)
        warehouse.tables.window(raw, None)
        warehouse.tables.span(raw, "at")
    mine = [sql for sql in told.statements if "`shop`.`visits`" in sql or "`shop`.`raw`" in sql]
    assert len(mine) == 6
    for sql in mine:
        assert re.search(r"WHERE .*(`day` >= DATE '0001|`_PARTITIONTIME` (>= TIMESTAMP '0001|<=))", sql), sql


@pytest.mark.parametrize("type", ["GEOGRAPHY", "JSON"])
def test_a_row_key_of_a_type_that_cannot_be_compared_is_refused_by_name(told: AnsweringBigQuery, type: str) -> None:
    told.table("shop.places", {"id": "STRING", "spot": type, "at": "TIMESTAMP"})
    spec = event_spec(TableName(("shop", "places")), row_key=("id", "spot"))
    with opened(told) as warehouse, pytest.raises(SourceError, match=f"column spot of shop.places is of type {type}"):
        warehouse.tables.count(spec)
