"""Every legal combination of record type and mode brings a sandbox in step with a table of every column type."""

from dataclasses import replace

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import RunOptions, run_sync
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, USER, Way, make, more, table_rows, wanted_profiles, ways
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround


def synced(spec: SyncSpec, warehouse: Warehouse, project: MixpanelProject) -> RunResult:
    """A run whose counts add up."""
    result = run_sync(spec, warehouse, project)
    assert result.rows_read == result.accepted + result.rejected == result.inserted + result.updated + result.deleted
    return result


def edit(ground: DuckDBGround, mode: Mode) -> None:
    """Changes that the mode can see; under one_time, which sees none, all kinds."""
    more(ground, 200, 220)
    if mode is Mode.APPEND:
        return
    ground.run("UPDATE visits SET label = 'new', amount = -1 WHERE id IN ('v1', 'v8')")
    if mode is not Mode.FULL:
        ground.run("UPDATE visits SET label = NULL, who = 'somebody' WHERE id = 'v9'")
        ground.run("DELETE FROM visits WHERE id IN ('v2', 'v50')")


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.label)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, way: Way
) -> None:
    make(ground, 120)
    first = table_rows(ground)
    result = synced(way.spec, warehouse, project)
    assert (result.rows_read, result.rejected) == (120, 0)
    assert way.held(url) == way.wanted(first)
    requests = holding.summary(url)["requests"]
    assert synced(way.spec, warehouse, project).rows_read == (120 if way.spec.mode is Mode.FULL else 0)
    assert way.held(url) == way.wanted(first)
    if way.spec.mode is not Mode.FULL:
        assert holding.summary(url)["requests"] == requests
    edit(ground, way.spec.mode)
    synced(way.spec, warehouse, project)
    assert way.held(url) == way.wanted(first if way.spec.mode is Mode.ONE_TIME else table_rows(ground))


def test_a_full_sync_that_unsets_leaves_no_value_that_became_null(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 30)
    full = replace(USER, mode=Mode.FULL, unset_nulls=True)
    synced(full, warehouse, project)
    ground.run("UPDATE visits SET label = NULL, active = NULL, tags = NULL")
    ground.run("ALTER TABLE visits DROP COLUMN price")
    synced(full, warehouse, project)
    assert holding.profiles(url) == wanted_profiles(table_rows(ground))


def test_equal_rows_are_as_many_events(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 10)
    ground.run("INSERT INTO visits FROM visits")
    ground.run("INSERT INTO visits FROM visits WHERE id = 'v3'")
    synced(EVENT, warehouse, project)
    assert sorted(set(holding.events(url).values())) == [2, 4]
    ground.run("DELETE FROM visits WHERE id = 'v3'")
    more(ground, 3, 4)
    assert synced(EVENT, warehouse, project).deleted == 3
    assert sorted(set(holding.events(url).values())) == [1, 2]


def test_a_deleted_or_changed_event_leaves_a_tombstone_and_nothing_else(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 10)
    keyed = replace(EVENT, row_key=("id",))
    synced(keyed, warehouse, project)
    ground.run("DELETE FROM visits WHERE id = 'v1'")
    ground.run("UPDATE visits SET \"at\" = \"at\" + to_days(1) WHERE id = 'v2'")
    ground.run("UPDATE visits SET label = 'new' WHERE id = 'v3'")
    result = synced(keyed, warehouse, project)
    assert (result.updated, result.deleted, result.records) == (2, 1, 4)
    found = holding.summary(url)
    assert (found["events"]["visible"], found["tombstones"], found["events"]["raw"]) == (9, 2, 14)
    graves = [one["properties"] for one in holding.lines(url, "events?include_tombstones=1")
              if one["properties"].get("_deleted")]  # fmt: skip
    assert len(graves) == 2
    for grave in graves:
        assert set(grave) <= {"time", "distinct_id", "$insert_id", "$user_id", "_deleted", "ip"}


def test_a_full_resync_of_mirrored_events_shows_nothing_twice(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 60)
    for row_key in (("id",), ()):
        spec = replace(EVENT, row_key=row_key, name=f"keyed by {len(row_key)}", event_name=f"Visit {len(row_key)}")
        synced(spec, warehouse, project)
        before = holding.events(url)
        assert run_sync(spec, warehouse, project, RunOptions(full_resync=True)).rows_read == 60
        assert holding.events(url) == before


def test_every_event_says_which_sync_and_table_it_came_from(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 1)
    synced(EVENT, warehouse, project)
    (event,) = holding.lines(url, "events")
    properties = event["properties"]
    assert (properties["$warehouse_import_id"], properties["$warehouse_type"]) == ("visits", "duckdb")
    assert properties["$warehouse_table"] == "main.visits"
    assert len(properties["$insert_id"]) == 32


def test_two_syncs_of_one_table_do_not_disturb_each_other(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 40)
    for way in ways():
        if way.spec.record is RecordType.USER and way.spec.mode in (Mode.MIRROR, Mode.APPEND):
            synced(replace(way.spec, name=f"users {way.spec.mode}"), warehouse, project)
    synced(EVENT, warehouse, project)
    ground.run("DELETE FROM visits WHERE id = 'v1'")
    assert synced(replace(USER, name="users mirror"), warehouse, project).deleted == 1
    assert synced(EVENT, warehouse, project).deleted == 1
    assert holding.profiles(url) == wanted_profiles(table_rows(ground))
