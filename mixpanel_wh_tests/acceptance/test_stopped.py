"""What stops a run from outside, and columns that are not there: one clear error each, and the next run loses nothing."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, SourceError, StagingError, SyncBusy, WarehouseUnavailable
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Properties, SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, GROUP, LOOKUP, USER, Way, make, table_rows, ways
from mixpanel_wh_tests.mixpanel.delivering import QUICK, settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.label)
def test_a_sandbox_that_is_down_is_named_and_the_next_run_brings_everything(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, nobody: str, way: Way
) -> None:
    make(ground, 30)
    down = settings(nobody, retry=replace(QUICK, attempts=2))
    with MixpanelProject(down) as unreachable, pytest.raises(DestinationUnavailable, match=re.escape(nobody)) as caught:
        run_sync(way.spec, warehouse, unreachable)
    assert caught.value.result is not None
    assert caught.value.result.accepted == 0
    run_sync(way.spec, warehouse, project)
    assert way.held(url) == way.wanted(table_rows(ground))


def test_a_locked_file_is_named_and_works_once_it_is_free(tmp_path: Path, project: MixpanelProject, url: str) -> None:
    path = tmp_path / "busy.duckdb"
    with closing(DuckDBGround(path)) as ground:
        make(ground, 30)
    opening: dict[str, Any] = {"path": str(path), "lock_timeout": 0.1}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WarehouseUnavailable, match=r"busy\.duckdb is locked by another process"):
            open_warehouse("duckdb", opening)
        other.stdin.close()
    with closing(open_warehouse("duckdb", opening)) as warehouse:
        assert run_sync(EVENT, warehouse, project).accepted == 30
    assert holding.summary(url)["events"]["visible"] == 30


def test_a_run_without_write_access_to_the_staging_schema_sends_nothing(
    tmp_path: Path, project: MixpanelProject, url: str
) -> None:
    path = tmp_path / "readable.duckdb"
    with closing(DuckDBGround(path)) as ground:
        make(ground, 30)
    with (
        closing(open_warehouse("duckdb", {"path": str(path), "read_only": True})) as warehouse,
        pytest.raises(StagingError, match="staging_path"),
    ):
        run_sync(EVENT, warehouse, project)
    assert holding.summary(url)["requests"] == 0


def test_a_second_run_of_a_sync_sends_nothing(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 30)
    with LeaseKeeper(EVENT.name, "first", warehouse.state), pytest.raises(SyncBusy):
        run_sync(EVENT, warehouse, project)
    assert holding.summary(url)["requests"] == 0
    assert run_sync(EVENT, warehouse, project).accepted == 30


MISSING = [
    replace(EVENT, row_key=("idd",)),
    replace(EVENT, row_key=("id", "idd")),
    replace(EVENT, event_column="idd", event_name=None),
    replace(EVENT, time_column="idd"),
    replace(EVENT, user_id="idd"),
    replace(EVENT, device_id="idd"),
    replace(EVENT, json_column="idd"),
    replace(EVENT, ip_column="idd"),
    replace(EVENT, group_keys={"idd": "team"}),
    replace(USER, distinct_id="idd"),
    replace(GROUP, group_id="idd"),
    replace(LOOKUP, lookup_id="idd"),
    *[replace(way.spec, insert_time="idd") for way in ways() if way.spec.insert_time],
]


@pytest.mark.parametrize("spec", MISSING, ids=range(len(MISSING)))
def test_a_column_that_is_missing_is_named_with_the_nearest_one(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, spec: SyncSpec
) -> None:
    make(ground, 30)
    with pytest.raises(SourceError, match=r"main\.visits has no column idd; did you mean id\?"):
        run_sync(spec, warehouse, project)
    assert holding.summary(url)["requests"] == 0
    assert warehouse.state.load(spec.name).pending is None


def test_properties_of_columns_that_are_missing_are_no_obstacle(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject
) -> None:
    make(ground, 30)
    properties = Properties(deny=("gone",), hash=("lost",), rename={"away": "there"})
    assert run_sync(replace(USER, properties=properties), warehouse, project).accepted == 30
