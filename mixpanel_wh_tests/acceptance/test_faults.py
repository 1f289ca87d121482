"""Trouble on the way: whatever Mixpanel or the wire does, the run ends in step, or the next one does."""

from dataclasses import replace
from typing import Any

import pytest

from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import Way, make, more, table_rows, ways
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

PASSING: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"kind": "rate_limit", "times": 2, "retry_after": 0},
    "429 after storing": {"kind": "rate_limit", "times": 1, "retry_after": 0, "after_store": True},
    "503": {"kind": "server_error", "times": 2, "status": 503},
    "500 after storing": {"kind": "server_error", "times": 1, "status": 500, "after_store": True},
    "reset": {"kind": "reset", "times": 2},
    "reset after storing": {"kind": "reset", "times": 1, "after_store": True},
    "cut answer": {"kind": "cut", "times": 1},
    "413": {"kind": "too_large", "times": 1, "limit_bytes": 70_000},
    "slow": {"kind": "slow", "times": 1, "seconds": 0.3},
}
KEYED = [way for way in ways() if way.label in ("event mirror keyed", "event append keyless", "user mirror", "group full")]


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("way", KEYED, ids=lambda way: way.label)
def test_trouble_that_passes_leaves_no_trace(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, way: Way, trouble: dict[str, Any]
) -> None:
    make(ground, 600)
    holding.fault(url, **trouble)
    result = run_sync(way.spec, warehouse, project)
    holding.mend(url)
    assert (result.rows_read, result.accepted, result.rejected) == (600, 600, 0)
    assert way.held(url) == way.wanted(table_rows(ground))


@pytest.mark.parametrize("shape", ["$insert_id", "insert_id", "string"])
def test_records_that_mixpanel_refuses_are_rejected_in_every_shape_of_its_answer(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, shape: str
) -> None:
    make(ground, 300)
    (way,) = (way for way in ways() if way.label == "event mirror keyed")
    holding.fault(url, "partial_400", path="/import", times=1, shape=shape, records=3)
    result = run_sync(way.spec, warehouse, project)
    assert (result.rows_read, result.accepted, result.rejected) == (300, 297, 3)
    assert sum(way.held(url).values()) == 297
    told = warehouse.state.rejections(way.spec.name)
    assert [row["origin"] for row in told] == ["mixpanel"] * 3
    assert {row["row_key"] for row in told} <= {row["id"] for row in table_rows(ground)}


@pytest.mark.parametrize("way", [way for way in ways() if way.spec.mode != "one_time"], ids=lambda way: way.label)
def test_a_run_that_gives_up_is_finished_by_the_next_one(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, way: Way
) -> None:
    make(ground, 200)
    holding.fault(url, "server_error", times=None, after_store=True)
    with pytest.raises(MixpanelWhError) as stopped:
        run_sync(way.spec, warehouse, project)
    result = stopped.value.result
    assert result is not None
    assert result.rows_read == result.accepted + result.rejected
    holding.mend(url)
    more(ground, 200, 230)
    later = run_sync(way.spec, warehouse, project)
    assert later.resumed
    assert way.held(url) == way.wanted(table_rows(ground))
    assert run_sync(replace(way.spec), warehouse, project).rows_read in (0, 230)
