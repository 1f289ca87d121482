"""From a checked project to runs and previews over a real warehouse and a real server."""

import sys
from pathlib import Path
from subprocess import run as run_process

import duckdb
import pytest
import requests

from mixpanel_wh.config.wiring import Connections, plan, preview, run
from mixpanel_wh.engine.errors import ConfigError, SourceError, WarehouseUnavailable
from mixpanel_wh.engine.plan import PlanOptions
from mixpanel_wh.engine.run import Progress, RunOptions
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.config.writing import USER, loaded, sync_file, whole_file


def test_every_sync_of_a_project_runs_by_its_name(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url))
    with Connections(project) as connections:
        results = [run(project, name, connections=connections) for name in project.names]
    assert [(one.sync, one.accepted, one.rejected) for one in results] == [
        ("flights", 50, 0), ("weather", 20, 0), ("planes", 7, 0), ("airlines", 3, 0), ("airports", 4, 0),
    ]  # fmt: skip
    summary = requests.get(f"{box.url}/sandbox/summary", timeout=30).json()
    assert summary["events"]["visible"] == 70
    assert (summary["profiles"], summary["groups_total"], summary["lookup_rows"]) == (7, 3, 4)


def test_a_single_run_opens_and_closes_what_it_needs(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url))
    seen: list[Progress] = []
    assert run(project, "flights", on_progress=seen.append).inserted == 50
    assert seen[-1].rows == 50
    assert run(project, "flights").rows_read == 0
    assert run(project, "flights", RunOptions(full_resync=True)).updated == 50


def test_a_preview_shows_the_first_records_and_sends_nothing(folder: Path, box: Sandbox) -> None:
    found = preview(loaded(folder, whole_file(box.url)), "flights", rows=3)
    assert len(found.lines) == 3
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0


def test_a_plan_opens_and_closes_what_it_needs_and_sends_nothing(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url))
    seen: list[Progress] = []
    assert plan(project, "flights", on_progress=seen.append).inserted == 50
    assert plan(project, "flights", PlanOptions(rows=10)).encoded == 10
    assert seen[-1].rows == 50
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0


def test_a_missing_column_stops_run_preview_and_plan_before_anything_is_sent(folder: Path, box: Sandbox) -> None:
    text = whole_file(box.url).replace("distinct_id: tailnum", "distinct_id: talnum")
    project = loaded(folder, text)
    for act in (run, preview, plan):
        with pytest.raises(
            SourceError, match=r"has no column 'talnum', which distinct_id names \(did you mean 'tailnum'"
        ):
            act(project, "planes")
    assert requests.get(f"{box.url}/sandbox/summary", timeout=30).json()["requests"] == 0


def test_an_unknown_sync_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no sync 'nothing'"):
        run(loaded(tmp_path, sync_file(USER)), "nothing")


def test_a_warehouse_that_cannot_be_opened_is_not_tried_again_for_the_next_sync(tmp_path: Path) -> None:
    project = loaded(tmp_path, sync_file(USER))
    with Connections(project) as connections:
        with pytest.raises(WarehouseUnavailable, match="there is no DuckDB file at"):
            connections.warehouse(project.sync("one"))
        duckdb.connect(str(tmp_path / "flights.duckdb")).close()
        with pytest.raises(WarehouseUnavailable):
            connections.warehouse(project.sync("one"))
        connections.close()
        connections.warehouse(project.sync("one"))


def test_syncs_of_one_destination_share_one_mixpanel_project(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url))
    with Connections(project) as connections:
        found = {id(connections.mixpanel(spec)) for spec in project.syncs}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("mixpanel_wh.config", "duckdb pyarrow pydantic requests dagster starlette yaml numpy"),
        ("mixpanel_wh.config.wiring", "duckdb pyarrow pydantic requests dagster starlette yaml numpy"),
        ("mixpanel_wh.config.status", "duckdb pyarrow pydantic requests dagster starlette yaml numpy"),
        ("mixpanel_wh.warehouses.duckdb", "pyarrow pydantic requests dagster starlette"),
        ("mixpanel_wh.cli.entry", "duckdb pyarrow pydantic requests dagster starlette yaml numpy rich"),
    ],
)
def test_importing_a_room_loads_nothing_heavy(module: str, forbidden: str) -> None:
    code = f"import sys, {module}; print([name for name in '{forbidden}'.split() if name in sys.modules])"
    done = run_process([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
