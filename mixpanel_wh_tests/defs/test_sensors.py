"""Change sensors and schedules: a run when a table changed, none when it did not, and none that is lost."""

import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from mixpanel_wh.defs.assembly import project_definitions
from mixpanel_wh.defs.freshness import freshness_policy
from mixpanel_wh.defs.sensors import answer
from mixpanel_wh.defs.settings import sync_spec
from mixpanel_wh_tests.defs.looking import change

PLANES = sync_spec("planes", table="main.planes", record="user", mode="full", distinct_id="tailnum")


@pytest.fixture
def sensor(project_file: Path) -> dg.SensorDefinition:
    found = project_definitions(project_file).resolve_sensor_def("mixpanel__planes__change_sensor")
    assert isinstance(found, dg.SensorDefinition)
    return found


def keys(tokens: list[str], now: float = 100) -> list[str | None]:
    """The run keys that a sensor asks for while it sees these tokens one after the other."""
    asked: list[str | None] = []
    cursor = None
    for token in tokens:
        told = answer(cursor, token, PLANES, now)
        if isinstance(told, dg.SensorResult):
            asked += [one.run_key for one in told.run_requests or []]
            cursor = told.cursor
    return asked


def test_a_table_that_goes_back_and_forth_is_run_every_time() -> None:
    asked = keys(["A", "B", "A", "B", "B"])
    assert len(asked) == 4
    assert len(set(asked)) == 4
    assert all(key and "->" in key for key in asked)


def test_a_sensor_whose_cursor_was_reset_asks_again_under_new_keys() -> None:
    assert not set(keys(["A", "B"], now=100)) & set(keys(["A", "B"], now=200))


def test_an_evaluation_repeated_before_its_cursor_was_saved_asks_for_the_same_run() -> None:
    cursor = json.dumps({"token": "A", "moves": 1, "since": 100})
    first, second = (answer(cursor, "B", PLANES, now) for now in (150, 160))
    assert isinstance(first, dg.SensorResult)
    assert isinstance(second, dg.SensorResult)
    assert [one.run_key for one in first.run_requests or []] == [one.run_key for one in second.run_requests or []]


def test_the_sensor_sees_changes_of_the_real_table_and_nothing_else(
    sensor: dg.SensorDefinition, air: Path, instance: dg.DagsterInstance
) -> None:
    asked = []
    cursor = None
    for statement in ("SELECT 1", "SELECT 1", "UPDATE planes SET seats = 1 WHERE tailnum = 'N10'", "SELECT 1"):
        change(air, statement)
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
        asked.append(len(tick.run_requests or []))
        cursor = tick.cursor or cursor
    assert asked == [1, 0, 1, 0]


def test_a_warehouse_that_cannot_be_opened_skips_the_tick_and_says_why(
    sensor: dg.SensorDefinition, air: Path, instance: dg.DagsterInstance
) -> None:
    air.unlink()
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert not tick.run_requests
    assert "there is no DuckDB file" in str(tick.skip_message)


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [("hourly", 3), ("daily", 36), ("weekly", 216), ("0 * * * *", 3), ("7 3 * * 2", None), (None, None)],
)
def test_a_sync_is_stale_after_one_missed_run_and_a_margin(schedule: str | None, hours: int | None) -> None:
    expected = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours)) if hours else None
    assert freshness_policy(schedule) == expected
