"""Syncs that run at once in one process share their project: one rate, and connections that the last of them closes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, make
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

ROWS, A_SECOND = 300, 200
FIRST, SECOND = replace(EVENT, name="first", event_name="First"), replace(EVENT, name="second", event_name="Second")


def test_two_syncs_that_run_at_once_keep_to_one_rate_together(tmp_path: Path, url: str) -> None:
    both_ready = threading.Barrier(2)

    def run(spec: str) -> int:
        sync = FIRST if spec == "first" else SECOND
        with closing(DuckDBGround(tmp_path / f"{spec}.duckdb")) as ground:
            make(ground, ROWS)
            slow = settings(url, events_per_second=A_SECOND)
            with closing(ground.open()) as warehouse, MixpanelProject(slow) as project:
                project.destination(sync)  # open from here on
                both_ready.wait(120)
                return run_sync(sync, warehouse, project).accepted

    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(run, ("first", "second"))) == [ROWS, ROWS]
    # A second's worth goes at once. Each with a rate of its own would be done after half a second.
    assert time.monotonic() - began >= (2 * ROWS - A_SECOND) / A_SECOND
    assert holding.summary(url)["events"]["visible"] == 2 * ROWS


def test_the_project_stays_open_for_the_others_when_one_sync_is_done(
    tmp_path: Path, ground: DuckDBGround, url: str
) -> None:
    make(ground, 30)
    with closing(ground.open()) as warehouse, MixpanelProject(settings(url)) as lasting:
        lasting.destination(FIRST)
        with MixpanelProject(settings(url)) as brief:
            run_sync(FIRST, warehouse, brief)
        assert run_sync(SECOND, warehouse, lasting).accepted == 30
    assert holding.summary(url)["events"]["visible"] == 60
