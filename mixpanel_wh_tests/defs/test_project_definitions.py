"""A code location from a project file: what a person sees before, while and after a sync runs."""

from pathlib import Path

import dagster as dg
import pytest

from mixpanel_wh.defs.assembly import project_definitions
from mixpanel_wh_tests.defs.looking import Box, change, checks, key, metadata, run, sentence

NUMBERS = (
    "rows_read", "inserted", "updated", "deleted", "accepted", "rejected", "records", "requests", "retries",
    "bytes_sent", "bytes_raw", "seconds", "rows_per_second",
)  # fmt: skip


@pytest.fixture
def defs(project_file: Path) -> dg.Definitions:
    return project_definitions(project_file)


def spec(defs: dg.Definitions, asset: dg.AssetKey) -> dg.AssetSpec:
    return next(one for one in defs.resolve_all_asset_specs() if one.key == asset)


def test_every_sync_is_an_asset_and_every_source_table_stands_upstream_once(defs: dg.Definitions) -> None:
    found = {one.key.to_user_string() for one in defs.resolve_all_asset_specs()}
    syncs = {f"mixpanel/{name}" for name in ("flights", "arrivals", "planes", "airports", "opening")}
    assert found == syncs | {"main/flights", "main/planes", "airports"}
    assert [dep.asset_key for dep in spec(defs, key("flights")).deps] == [dg.AssetKey(["main", "flights"])]


def test_an_asset_says_what_its_sync_is(defs: dg.Definitions) -> None:
    flights = spec(defs, key("flights"))
    assert flights.kinds == {"mixpanel", "duckdb"}
    assert (flights.group_name, list(flights.owners)) == ("mixpanel", ["team:air"])
    assert flights.tags["domain"] == "air"
    assert flights.description == "`main.flights` sent to Mixpanel as events, mode `mirror`."
    assert flights.metadata["mixpanel/fidelity"] == "best_effort"
    assert spec(defs, key("planes")).group_name == "fleet"
    assert spec(defs, key("opening")).description == "Flights, once."


def test_the_columns_of_an_embedded_warehouse_are_known_before_the_first_run(defs: dg.Definitions) -> None:
    schema = spec(defs, key("planes")).metadata["dagster/column_schema"]
    assert [(column.name, column.type) for column in schema.columns] == [("tailnum", "VARCHAR"), ("seats", "BIGINT")]


def test_source_tables_carry_their_full_name_whatever_part_of_it_the_sync_writes(defs: dg.Definitions) -> None:
    keys = (dg.AssetKey(["main", "planes"]), dg.AssetKey(["airports"]))
    names = [spec(defs, key).metadata["dagster/table_name"] for key in keys]
    assert names == ["air.main.planes", "air.main.airports"]


def test_no_secret_stands_in_what_a_code_location_shows(defs: dg.Definitions) -> None:
    shown = repr(defs.resources) + repr(list(defs.resolve_all_asset_specs()))
    assert "the-secret" not in shown
    assert "the-token" not in shown


def test_materializing_a_sync_sends_its_rows(defs: dg.Definitions, box: Box, instance: dg.DagsterInstance) -> None:
    result = run(defs, instance, key("planes"))
    assert result.success
    assert len(box.profiles()) == 7
    numbers = metadata(result, key("planes"))
    assert (numbers["mixpanel/rows_read"], numbers["mixpanel/accepted"], numbers["mixpanel/rejected"]) == (7, 7, 0)
    assert numbers["dagster/row_count"] == 7


def test_all_syncs_of_a_project_run_in_one_job(defs: dg.Definitions, box: Box, instance: dg.DagsterInstance) -> None:
    names = ("flights", "arrivals", "planes", "airports", "opening")
    assert run(defs, instance, *map(key, names)).success
    assert [len(box.events(name)) for name in ("Flight", "Arrival", "Opening")] == [80, 80, 80]


def test_a_run_that_finds_nothing_to_send_plots_zeros_under_the_same_keys(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    first = metadata(run(defs, instance, key("flights")), key("flights"))
    second = metadata(run(defs, instance, key("flights")), key("flights"))
    assert set(first) == set(second)
    assert {f"mixpanel/{name}" for name in NUMBERS} <= set(second)
    assert (first["mixpanel/rows_read"], second["mixpanel/rows_read"]) == (80, 0)
    assert first["mixpanel/snapshot"] <= second["mixpanel/snapshot"]


def test_only_changes_travel_the_second_time(
    defs: dg.Definitions, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    run(defs, instance, key("flights"))
    change(air, "UPDATE flights SET distance = 1 WHERE flight = 3", "DELETE FROM flights WHERE flight = 4")
    numbers = metadata(run(defs, instance, key("flights")), key("flights"))
    counted = [numbers[f"mixpanel/{name}"] for name in ("rows_read", "inserted", "updated", "deleted")]
    assert counted == [2, 0, 1, 1]
    assert len(box.events("Flight")) == 79


def test_the_lag_of_an_append_sync_is_told_while_its_cursor_stands(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    for _ in range(2):
        numbers = metadata(run(defs, instance, key("arrivals")), key("arrivals"))
        assert numbers["mixpanel/lag_seconds"] > 0
        assert numbers["mixpanel/cursor"].startswith("2024-01-11 04:00:00")


def test_the_statement_of_a_run_is_shown_with_its_bounds(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    flights, arrivals = (metadata(run(defs, instance, key(name)), key(name))["mixpanel/sql"] for name in ("flights", "arrivals"))
    assert flights.startswith("```sql\n-- event = Flight\n-- timezone = UTC\nSELECT ")
    assert '\nFROM "main"."flights"\nWHERE TRUE\n```' in flights
    assert "-- upto = 2024-01-11 04:00:00" in arrivals
    assert "-- after" not in arrivals
    assert "-- after = 2024-01-11" in metadata(run(defs, instance, key("arrivals")), key("arrivals"))["mixpanel/sql"]


def test_rejected_rows_are_a_warning_with_a_sample(
    defs: dg.Definitions, air: Path, instance: dg.DagsterInstance
) -> None:
    change(air, "UPDATE planes SET tailnum = NULL WHERE tailnum = 'N10'")
    result = run(defs, instance, key("planes"))
    check = checks(result)["rejected_rows"]
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    [row] = check.metadata["mixpanel/rejected_rows"].records
    assert row.data["column"] == "tailnum"
    assert row.data["reason"]


def test_a_persons_mistake_is_one_sentence_and_no_retry(
    defs: dg.Definitions, air: Path, instance: dg.DagsterInstance
) -> None:
    change(air, "ALTER TABLE flights DROP COLUMN tailnum")
    result = run(defs, instance, key("flights"))
    assert not result.success
    assert "tailnum" in sentence(result)
    assert "Traceback" not in sentence(result)


def test_a_table_that_is_gone_is_named(defs: dg.Definitions, air: Path, instance: dg.DagsterInstance) -> None:
    change(air, "ALTER TABLE planes RENAME TO plane")
    assert "there is no table main.planes" in sentence(run(defs, instance, key("planes")))


def test_a_dry_run_shows_records_and_materializes_nothing(
    defs: dg.Definitions, box: Box, instance: dg.DagsterInstance
) -> None:
    result = run(defs, instance, key("planes"), dry_run=True)
    assert result.success
    assert result.get_asset_materialization_events() == []
    [observed] = result.get_asset_observation_events()
    shown = str(observed.asset_observation_data.asset_observation.metadata["mixpanel/records"].value)
    assert "N10" in shown
    assert shown.count('"$token":"***"') == shown.count("$token") > 0
    assert box.profiles() == []


def test_a_full_resync_sends_everything_again_under_the_same_insert_ids(
    defs: dg.Definitions, box: Box, instance: dg.DagsterInstance
) -> None:
    run(defs, instance, key("flights"))
    numbers = metadata(run(defs, instance, key("flights"), full_resync=True), key("flights"))
    assert numbers["mixpanel/rows_read"] == 80
    assert len(box.events("Flight")) == 80


def test_guards_can_be_accepted_for_one_run(defs: dg.Definitions, air: Path, instance: dg.DagsterInstance) -> None:
    change(air, "INSERT INTO planes SELECT NULL, i FROM range(30) AS t(i)")
    stopped = run(defs, instance, key("planes"))
    assert "max_rejected" in sentence(stopped)
    assert run(defs, instance, key("planes"), accept_guards=True).success


def test_schedules_follow_the_project_file_and_sensors_are_off(defs: dg.Definitions) -> None:
    [schedule] = defs.schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.name, schedule.cron_schedule) == ("mixpanel__flights__schedule", "0 * * * *")
    sensors = list(defs.sensors or [])
    assert len(sensors) == 5
    assert all(isinstance(one, dg.SensorDefinition) for one in sensors)
    assert {one.default_status for one in sensors if isinstance(one, dg.SensorDefinition)} == {
        dg.DefaultSensorStatus.STOPPED
    }


def test_a_project_file_with_mistakes_tells_all_of_them_when_the_code_location_loads(project_file: Path) -> None:
    text = project_file.read_text()
    project_file.write_text(text.replace("mode: mirror", "mode: miror").replace("time: departed", "tme: departed", 1))
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        project_definitions(project_file)
    assert "mirror" in str(caught.value)
    assert "tme" in str(caught.value)


@pytest.mark.parametrize(("more", "executor"), [("", None), (", staging_path: staging.duckdb", "in_process")])
def test_a_project_whose_staging_schema_is_in_a_file_runs_its_steps_in_one_process(
    tmp_path: Path, more: str, executor: str | None
) -> None:
    project = tmp_path / "mixpanel_wh.yaml"
    project.write_text(
        f"version: 1\nwarehouse: {{type: postgres, database: shop{more}}}\n"
        "destination: {project_id: '1', token: t}\n"
        "syncs: {people: {table: people, record: user, mode: full, distinct_id: id}}\n"
    )
    chosen = project_definitions(project).executor
    assert (chosen.name if isinstance(chosen, dg.ExecutorDefinition) else None) == executor
