"""A plan says what the next run sends: the same rows, rejections, requests and bytes, and none of it is sent by the plan."""

from dataclasses import replace

import pytest

from mixpanel_wh.engine.plan import Plan, PlanOptions, plan_sync
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh.mixpanel.endpoints import ENDPOINTS
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.test_bad_rows import BAD, SYNC, plant
from mixpanel_wh_tests.acceptance.visits import EVENT, LOOKUP, Way, make, more, ways
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

EXACT = PlanOptions(rows=None)
NUMBERS = ("inserted", "updated", "deleted", "rejected", "records", "requests", "bytes_raw")


def agreed(plan: Plan, result: RunResult) -> Plan:
    """The plan, once the run did what it said."""
    assert plan.exact
    assert {name: getattr(plan, name) for name in NUMBERS} == {name: getattr(result, name) for name in NUMBERS}
    assert plan.rows == plan.encoded == result.rows_read
    assert plan.rejections == result.rejections
    return plan


def planned(spec: SyncSpec, warehouse: Warehouse, project: MixpanelProject) -> Plan:
    """The plan of the next run, which did what it said."""
    plan = plan_sync(spec, warehouse, project, EXACT)
    assert plan_sync(spec, warehouse, project, EXACT) == plan
    return agreed(plan, run_sync(spec, warehouse, project))


def edit(ground: DuckDBGround, mode: Mode) -> None:
    """New rows for every mode, late ones among them; where a mode sees changes, updates, moved events, deletes."""
    more(ground, 90, 140)
    ground.run("UPDATE visits SET written = TIMESTAMP '2024-03-01' WHERE id IN ('v110', 'v111', 'v112')")
    if mode is Mode.MIRROR:
        ground.run("UPDATE visits SET label = 'new' WHERE id IN ('v1', 'v8')")
        ground.run("""UPDATE visits SET who = 'somebody', "at" = "at" + to_days(1) WHERE id IN ('v9', 'v10', 'v11')""")
        ground.run("DELETE FROM visits WHERE id IN ('v2', 'v50')")


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.label)
def test_the_run_after_a_plan_sends_what_the_plan_said(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, way: Way
) -> None:
    make(ground, 90)
    plan = plan_sync(way.spec, warehouse, project, EXACT)
    assert holding.summary(url)["requests"] == 0
    assert plan == agreed(plan, run_sync(way.spec, warehouse, project))
    assert (plan.inserted, plan.requests > 0, plan.bytes_raw > 0) == (90, True, True)
    again = planned(way.spec, warehouse, project)
    assert again.rows == (90 if way.spec.mode is Mode.FULL else 0)
    edit(ground, way.spec.mode)
    after = planned(way.spec, warehouse, project)
    if way.spec.mode is Mode.APPEND:
        assert after.rows == 50, "late rows are among them"
    event, mirror = way.spec.record is RecordType.EVENT, way.spec.mode is Mode.MIRROR
    assert after.billable_events == (after.records if event else 0)
    if mirror and way.spec.record is not RecordType.LOOKUP:
        assert after.deleted == (2 if way.spec.key_columns else 7)
        assert after.updated == (5 if way.spec.key_columns else 0)
    if event and mirror and way.spec.row_key:
        assert after.records == after.rows + 3, "an event whose identity changed is a tombstone and a new event"


def test_rejections_are_foretold_with_their_reasons(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject
) -> None:
    plant(ground)
    plan = planned(SYNC, warehouse, project)
    assert (plan.rows, plan.rejected) == (61, 10)
    assert {one.row_key for one in plan.rejections} == set(BAD)
    assert warehouse.state.rejections(SYNC.name) != []


def test_requests_are_cut_at_the_byte_limit_as_a_delivery_cuts_them(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(ground, 200)
    for way in ways():
        if way.spec.mode is Mode.MIRROR and way.spec.record is not RecordType.LOOKUP:
            small = replace(ENDPOINTS[way.spec.record], max_bytes=3_000)
            monkeypatch.setitem(ENDPOINTS, way.spec.record, small)
            assert planned(replace(way.spec, name=way.label), warehouse, project).requests > 10


def test_the_first_rows_stand_for_the_rest(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject
) -> None:
    ground.run("CREATE TABLE visits AS SELECT 'v' || n AS id, TIMESTAMP '2024-03-01' AS at, 'user' AS who, "
               "CASE WHEN n % 10 = 0 THEN repeat('x', 2000000) END AS label FROM range(40) AS r(n)")  # fmt: skip
    keyed = replace(EVENT, row_key=("id",))
    whole = plan_sync(keyed, warehouse, project, EXACT)
    part = plan_sync(keyed, warehouse, project, PlanOptions(rows=20))
    assert (whole.exact, whole.encoded, whole.rejected, whole.records) == (True, 40, 4, 36)
    assert (part.exact, part.encoded, part.rows, part.rejected, part.records) == (False, 20, 40, 4, 36)
    assert part.bytes_raw == pytest.approx(whole.bytes_raw, rel=0.01)
    assert plan_sync(keyed, warehouse, project, PlanOptions(rows=40)) == whole
    assert plan_sync(replace(LOOKUP), warehouse, project, PlanOptions(rows=1)).exact


def test_the_rate_tells_how_long_events_take_and_nothing_else_is_held_to_it(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 90)
    with MixpanelProject(replace(settings(url), events_per_second=9, bytes_per_minute=None)) as slow:
        assert plan_sync(EVENT, warehouse, slow).seconds == 10
        assert plan_sync(ways()[6].spec, warehouse, slow).seconds is None
    with MixpanelProject(replace(settings(url), events_per_second=9, bytes_per_minute=60)) as slower:
        plan = plan_sync(EVENT, warehouse, slower)
        assert plan.seconds == plan.bytes_raw
    with MixpanelProject(replace(settings(url), events_per_second=None, bytes_per_minute=None)) as free:
        assert plan_sync(EVENT, warehouse, free).seconds is None
