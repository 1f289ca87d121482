"""A person's own assets through the IO managers: a table by name, a DuckDB relation, Arrow, pandas or Polars rows."""

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixpanel_wh.defs.io_managers import io_managers
from mixpanel_wh.defs.relation import Relation
from mixpanel_wh.defs.resources import MixpanelResource
from mixpanel_wh.defs.settings import mixpanel_sync
from mixpanel_wh_tests.defs.looking import Box, change, metadata, run, sentence

ROWS: dict[str, list[Any]] = {"id": ["a", "b", "c"], "age": [1, 2, 3]}
USERS = mixpanel_sync("user", distinct_id="id")
MODES = ("mirror", "append", "full", "one_time")


def of(
    box: Box, warehouse: Path | None, staging: Path, value: Any, mode: str = "mirror", **sync: Any
) -> dg.Definitions:
    """A code location with the asset `people`, which returns `value`."""

    @dg.asset(io_manager_key=f"{mode}_io_manager", metadata=mixpanel_sync("user", distinct_id="id", **sync))
    def people() -> Any:
        return value() if callable(value) else value

    where = {"type": "duckdb", "path": str(warehouse)} if warehouse else {}
    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url, warehouse=where)
    return dg.Definitions(assets=[people], resources=io_managers(mixpanel, staging=str(staging)))


PEOPLE = dg.AssetKey(["people"])
KINDS = {
    "an Arrow table": lambda: pa.table(ROWS),
    "an Arrow reader": lambda: pa.table(ROWS).to_reader(),
    "a pandas DataFrame": lambda: pd.DataFrame(ROWS),
    "a Polars DataFrame": lambda: pl.DataFrame(ROWS),
    "a DuckDB relation": lambda: duckdb.connect().from_arrow(pa.table(ROWS)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_memory_travel_whatever_holds_them(
    kind: str, box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    result = run(of(box, None, tmp_path, KINDS[kind]), instance, PEOPLE)
    assert result.success
    found = {one["distinct_id"]: one["properties"]["age"] for one in profiles(box)}
    assert found == {"a": 1, "b": 2, "c": 3}
    assert metadata(result, PEOPLE)["mixpanel/inserted"] == 3


def profiles(box: Box) -> list[dict[str, Any]]:
    """The sandbox's user profiles in one shape."""
    return [{"distinct_id": one["$distinct_id"], "properties": one["$properties"]} for one in box.profiles()]


def test_a_pandas_index_without_a_name_is_no_property(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run(of(box, None, tmp_path, pd.DataFrame(ROWS, index=[7, 8, 9])), instance, PEOPLE)
    assert all("index" not in name for one in profiles(box) for name in one["properties"])


@pytest.mark.parametrize("value", ["main.people", Relation("main.people")], ids=["text", "Relation"])
def test_a_table_by_name_is_read_in_the_warehouse(
    value: object, box: Box, air: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    change(air, "CREATE TABLE people AS SELECT 'x' AS id, 4 AS age")
    assert run(of(box, air, tmp_path, value), instance, PEOPLE).success
    assert [one["distinct_id"] for one in profiles(box)] == ["x"]


def test_mirror_of_rows_in_memory_sends_only_what_changed(
    box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    run(of(box, None, tmp_path, pd.DataFrame(ROWS)), instance, PEOPLE)
    second = run(of(box, None, tmp_path, pd.DataFrame({"id": ["a", "b"], "age": [1, 9]})), instance, PEOPLE)
    numbers = metadata(second, PEOPLE)
    assert [numbers[f"mixpanel/{name}"] for name in ("rows_read", "inserted", "updated", "deleted")] == [2, 0, 1, 1]


def test_one_time_sends_once_and_full_sends_always(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    read = {
        mode: [
            metadata(run(of(box, None, tmp_path / mode, pa.table(ROWS), mode), instance, PEOPLE), PEOPLE)[
                "mixpanel/rows_read"
            ]
            for _ in range(2)
        ]
        for mode in ("one_time", "full")
    }
    assert read == {"one_time": [3, 0], "full": [3, 3]}


def test_append_of_rows_in_memory_moves_its_cursor(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    def rows(*ids: int) -> pa.Table:
        return pa.table({"id": [f"u{one}" for one in ids], "at": pa.array(ids, pa.timestamp("s"))})

    read = []
    for held in (rows(1, 2), rows(1, 2, 3)):
        result = run(of(box, None, tmp_path, held, "append", insert_time="at"), instance, PEOPLE)
        read.append(metadata(result, PEOPLE)["mixpanel/rows_read"])
    assert read == [2, 1]


def test_no_rows_in_memory_are_a_run_of_zero_rows(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    result = run(of(box, None, tmp_path, pa.table(ROWS).slice(0, 0)), instance, PEOPLE)
    assert metadata(result, PEOPLE)["mixpanel/rows_read"] == 0


@pytest.mark.parametrize(
    ("value", "sync", "told"),
    [
        (42, {}, "returned int, which holds no rows"),
        ({"id": ["a"]}, {}, "returned dict, which holds no rows"),
        (pa.table({"name": ["a"]}), {}, "id"),
        (pa.table(ROWS), {"distnct_id": "id"}, "distnct_id"),
        (pa.table({"id": ["a", "a"], "age": [1, 2]}), {}, "unique"),
    ],
    ids=["a number", "a mapping", "a missing column", "an unknown setting", "a repeated key"],
)
def test_a_mistake_is_one_sentence(
    value: object, sync: dict[str, Any], told: str, box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    result = run(of(box, None, tmp_path, lambda: value, **sync), instance, PEOPLE)
    assert told in sentence(result)
    assert "Traceback" not in sentence(result)
    assert box.profiles() == []


def test_an_asset_without_settings_is_told_how_to_give_them(
    box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    @dg.asset(io_manager_key="full_io_manager")
    def people() -> pa.Table:
        return pa.table(ROWS)

    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url)
    defs = dg.Definitions(assets=[people], resources=io_managers(mixpanel, staging=str(tmp_path)))
    assert "mixpanel_sync(record=..., ...)" in sentence(run(defs, instance, PEOPLE))


def test_full_on_events_is_refused_with_the_reason(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="full_io_manager", metadata=mixpanel_sync("event", event="E", time="age"))
    def people() -> pa.Table:
        return pa.table(ROWS)

    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url)
    defs = dg.Definitions(assets=[people], resources=io_managers(mixpanel, staging=str(tmp_path)))
    assert "full" in sentence(run(defs, instance, PEOPLE))


def test_loading_from_mixpanel_is_refused_with_advice(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    defs = of(box, None, tmp_path, pa.table(ROWS))

    @dg.asset
    def after(people: Any) -> None:
        """Never reached."""

    both = dg.Definitions.merge(defs, dg.Definitions(assets=[after]))
    assert "deps=[...]" in sentence(run(both, instance, PEOPLE, dg.AssetKey(["after"])))


@pytest.mark.parametrize("mode", MODES)
def test_wrong_credentials_stop_at_once(mode: str, box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    box.fail(kind="unauthorized", path="/engage", times=None)
    more = {"insert_time": "age"} if mode == "append" else {}
    result = run(of(box, None, tmp_path, pa.table(ROWS), mode, **more), instance, PEOPLE)
    assert not result.success
    assert "401" in sentence(result) or "credentials" in sentence(result)


def test_a_retry_policy_never_repeats_a_persons_mistake(box: Box, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="full_io_manager", metadata=USERS, retry_policy=dg.RetryPolicy(max_retries=3))
    def people() -> int:
        return 42

    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url)
    defs = dg.Definitions(assets=[people], resources=io_managers(mixpanel, staging=str(tmp_path)))
    result = run(defs, instance, PEOPLE)
    assert not any(event.is_step_up_for_retry for event in result.all_events)


DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01")


def daily(box: Box, staging: Path, mode: str, **sync: Any) -> dg.Definitions:
    """A code location with a person's own partitioned asset, which returns the two rows of its day."""

    @dg.asset(io_manager_key=f"{mode}_io_manager", metadata=mixpanel_sync(**sync), partitions_def=DAYS)
    def people(context: dg.AssetExecutionContext) -> pd.DataFrame:
        day = pd.Timestamp(context.partition_key)
        ids = [f"{day.day}{letter}" for letter in "ab"]
        return pd.DataFrame({"id": ids, "at": [day + pd.Timedelta(hours=8)] * 2})

    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url)
    return dg.Definitions(assets=[people], resources=io_managers(mixpanel, staging=str(staging)))


def run_day(defs: dg.Definitions, instance: dg.DagsterInstance, day: str) -> dg.ExecuteInProcessResult:
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, partition_key=day, raise_on_error=False)


@pytest.mark.parametrize("mode", ["mirror", "append"])
def test_a_partition_of_ones_own_never_touches_the_events_of_the_others(
    mode: str, box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    more = {"insert_time": "at"} if mode == "append" else {}
    defs = daily(box, tmp_path, mode, record="event", event="Seen", time="at", row_key=["id"], user_id="id", **more)
    for day in ("2024-01-03", "2024-01-02", "2024-01-03"):
        assert run_day(defs, instance, day).success
    assert len(box.events("Seen")) == 4


def test_profiles_of_a_partition_are_added_to_those_of_the_others(
    box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = daily(box, tmp_path, "full", record="user", distinct_id="id")
    for day in ("2024-01-03", "2024-01-02"):
        assert run_day(defs, instance, day).success
    assert len(box.profiles()) == 4


def test_mirror_of_profiles_in_partitions_is_refused_since_it_would_delete_the_others(
    box: Box, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = daily(box, tmp_path, "mirror", record="user", distinct_id="id")
    assert "cannot tell the rows of one partition" in sentence(run_day(defs, instance, "2024-01-02"))
