"""Day and hour partitions: backfills in one run, with numbers for each partition, beside the sync's own state."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mixpanel_wh.config import load_project
from mixpanel_wh.defs.assets import moved_by_io_manager
from mixpanel_wh.defs.connections import ProjectConnections
from mixpanel_wh.defs.io_managers import io_managers
from mixpanel_wh.defs.resources import MixpanelProjectFile
from mixpanel_wh.defs.sources import source_of
from mixpanel_wh.defs.translator import MixpanelTranslator
from mixpanel_wh.engine.spec import Partitions
from mixpanel_wh_tests.defs.looking import Box, change, key, sentence

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = {"dagster/asset_partition_range_start": "2024-01-02", "dagster/asset_partition_range_end": "2024-01-08"}


def partitioned(project_file: Path, name: str, partitions: Partitions, **changed: Any) -> dg.Definitions:
    """A code location with one sync of the project, partitioned."""
    project = load_project(project_file)
    sync = replace(project.sync(name), partitions=partitions, **changed)
    spec = MixpanelTranslator().get_asset_spec(sync, source_of(sync, ProjectConnections(project)))
    mixpanel = MixpanelProjectFile(path=str(project_file))
    asset = moved_by_io_manager(sync, spec)
    return dg.Definitions([asset], resources={"mixpanel": mixpanel, **io_managers(mixpanel)})


@pytest.fixture(params=["arrivals", "flights"])
def name(request: pytest.FixtureRequest) -> str:
    """A sync in mode append and one in mode mirror."""
    return str(request.param)


@pytest.fixture
def defs(project_file: Path, name: str) -> dg.Definitions:
    return partitioned(project_file, name, Partitions("day", "departed", START))


def ran(defs: dg.Definitions, instance: dg.DagsterInstance, **how: Any) -> dg.ExecuteInProcessResult:
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=False, **how)


def read(result: dg.ExecuteInProcessResult) -> dict[str | None, Any]:
    """The rows read of each materialized partition."""
    found = [event.materialization for event in result.get_asset_materialization_events()]
    return {one.partition: one.metadata["mixpanel/rows_read"].value for one in found}


def events(box: Box, name: str) -> int:
    return len(box.events({"arrivals": "Arrival", "flights": "Flight"}[name]))


def test_a_week_is_backfilled_in_one_run_with_numbers_for_each_day(
    defs: dg.Definitions, name: str, box: Box, instance: dg.DagsterInstance
) -> None:
    result = ran(defs, instance, tags=WEEK)
    assert result.success
    assert read(result) == {f"2024-01-0{day}": 8 for day in range(2, 9)}
    assert events(box, name) == 7 * 8


def test_one_partition_sends_its_own_rows(
    defs: dg.Definitions, name: str, box: Box, instance: dg.DagsterInstance
) -> None:
    result = ran(defs, instance, partition_key="2024-01-01")
    assert read(result) == {"2024-01-01": 6}
    assert {one["properties"]["distance"] for one in box.lines("events")} == {0, 10, 20, 30, 40, 50}


def test_a_backfill_moves_no_state_and_a_run_without_partitions_goes_on_from_it(
    defs: dg.Definitions, name: str, box: Box, instance: dg.DagsterInstance
) -> None:
    ran(defs, instance, tags=WEEK)
    assert ran(defs, instance).success
    assert events(box, name) == 80
    assert read(ran(defs, instance)) == {None: 0}


def test_a_partition_sent_twice_counts_once(
    defs: dg.Definitions, name: str, box: Box, instance: dg.DagsterInstance
) -> None:
    ran(defs, instance, partition_key="2024-01-03")
    ran(defs, instance, partition_key="2024-01-03")
    assert events(box, name) == 8


def test_mirror_finds_changes_inside_the_partition_only(
    project_file: Path, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    defs = partitioned(project_file, "flights", Partitions("day", "departed", START))
    ran(defs, instance)
    change(
        air,
        "UPDATE flights SET distance = 1 WHERE departed::DATE = '2024-01-03'",
        "UPDATE flights SET distance = 2 WHERE departed::DATE = '2024-01-05' AND flight % 2 = 0",
        "DELETE FROM flights WHERE flight IN (15, 40)",
        "UPDATE flights SET departed = departed + INTERVAL 10 DAY WHERE flight = 30",
    )
    assert read(ran(defs, instance, partition_key="2024-01-03")) == {"2024-01-03": 7 + 1}
    assert len(box.events("Flight")) == 79
    assert read(ran(defs, instance)) == {None: 4 + 1}
    assert len(box.events("Flight")) == 78


def test_what_a_partition_left_behind_is_found_when_the_table_goes_back(
    project_file: Path, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    defs = partitioned(project_file, "flights", Partitions("day", "departed", START))
    ran(defs, instance)
    change(air, "UPDATE flights SET distance = 7 WHERE flight = 20")
    ran(defs, instance, partition_key="2024-01-03")
    change(air, "UPDATE flights SET distance = 200 WHERE flight = 20")
    assert read(ran(defs, instance)) == {None: 1}
    assert {one["properties"]["distance"] for one in box.events("Flight")} == {10 * i for i in range(80)}


def test_a_full_resync_of_a_partition_sends_it_whole(
    defs: dg.Definitions, name: str, instance: dg.DagsterInstance
) -> None:
    ran(defs, instance)
    config = {"ops": {f"mixpanel__{name}": {"config": {"full_resync": True}}}}
    assert read(ran(defs, instance, partition_key="2024-01-02", run_config=config)) == {"2024-01-02": 8}
    assert read(ran(defs, instance)) == {None: 0}


def test_hours_in_the_time_zone_of_the_sync_hold_their_rows(
    project_file: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    zone = "America/New_York"
    hours = Partitions("hour", "departed", datetime(2024, 1, 1))
    defs = partitioned(project_file, "arrivals", hours, timezone=zone)
    assert read(ran(defs, instance, partition_key="2024-01-01-09:00")) == {"2024-01-01-09:00": 1}
    assert read(ran(defs, instance, partition_key="2024-01-01-10:00")) == {"2024-01-01-10:00": 0}
    [event] = box.events("Arrival")
    assert event["properties"]["time"] == datetime(2024, 1, 1, 14, tzinfo=UTC).timestamp() * 1000


def test_a_backfill_that_fails_records_what_was_finished(
    project_file: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    defs = partitioned(project_file, "arrivals", Partitions("day", "departed", START))
    box.fail(kind="unauthorized", path="/import", skip=3, times=None)
    result = ran(defs, instance, tags=WEEK)
    assert not result.success
    done = instance.get_materialized_partitions(key("arrivals"))
    assert done == {"2024-01-02", "2024-01-03", "2024-01-04"}
    assert "401" in sentence(result) or "credentials" in sentence(result)


def test_a_sample_is_sent_beside_the_state_and_materializes_nothing(
    defs: dg.Definitions, name: str, box: Box, instance: dg.DagsterInstance
) -> None:
    config = {"ops": {f"mixpanel__{name}": {"config": {"limit": 5}}}}
    result = ran(defs, instance, run_config=config)
    assert result.get_asset_materialization_events() == []
    assert events(box, name) == 5
    ran(defs, instance)
    assert events(box, name) == 80
