"""The bench's cases: each sets the stage, then returns the work that is measured."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mixpanel_wh.bench.floor import run_floor, run_hash_scan
from mixpanel_wh.bench.stages import watched
from mixpanel_wh.bench.tables import touch
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Limit, Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.mixpanel import line, records  # loaded here, since what loading costs is not a row's cost
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.warehouses import open_warehouse

LOADED = (line, records)
Work = Callable[[], int]
ACCEPT_ALL = Limit(share=1.0)


def _event_sync(mode: Mode, table: str = "events") -> SyncSpec:
    return SyncSpec(
        f"{table}_{mode}", TableName((table,)), RecordType.EVENT, mode, row_key=("event_id",),
        event_column="event_name", time_column="created_at", user_id="user_id",
        insert_time="inserted_at" if mode is Mode.APPEND else None, max_rejected=ACCEPT_ALL,
    )  # fmt: skip


PROFILES = SyncSpec("profiles_full", TableName(("events",)), RecordType.USER, Mode.FULL, distinct_id="event_id")


def sync_once(spec: SyncSpec, path: Path, url: str) -> int:
    """One run of a sync with the rate limit off; returns the rows that the case is about."""
    settings = ProjectSettings(
        project_id="1", token="bench", url=url, events_per_second=None, bytes_per_minute=None
    )  # fmt: skip
    warehouse = open_warehouse("duckdb", {"path": path})
    project = MixpanelProject(settings)
    try:
        run_sync(spec, *watched(warehouse, project))
        return warehouse.tables.count(spec)
    finally:
        project.close()
        warehouse.close()


def _mirror(path: Path, url: str, every: int | None) -> Work:
    """Mirror after a first load (in a process of its own, whose memory is not counted here), with one row in `every`
    changed since; None: nothing changed."""
    spec = _event_sync(Mode.MIRROR)
    first = [sys.executable, "-m", "mixpanel_wh.bench", "mirror_first_load", str(path), url]
    subprocess.run(first, stdout=subprocess.DEVNULL, check=True)
    if every:
        touch(path, every)
    return lambda: sync_once(spec, path, url)


@dataclass(frozen=True)
class Case:
    """A case's name, what it is compared with, and how its work is made."""

    name: str
    yardstick: str
    prepare: Callable[[Path, str], Work]


CASES: tuple[Case, ...] = (
    Case("floor", "floor", lambda path, url: lambda: run_floor(path, url)),
    Case("hash_scan", "hash_scan", lambda path, url: lambda: run_hash_scan(path)),
    Case("events_append", "floor", lambda path, url: lambda: sync_once(_event_sync(Mode.APPEND), path, url)),
    Case("profiles_full", "floor", lambda path, url: lambda: sync_once(PROFILES, path, url)),
    Case("mirror_first_load", "floor", lambda path, url: lambda: sync_once(_event_sync(Mode.MIRROR), path, url)),
    Case("mirror_unchanged", "hash_scan", lambda path, url: _mirror(path, url, None)),
    Case("mirror_0.1_percent", "hash_scan", lambda path, url: _mirror(path, url, 1000)),
    Case("mirror_all", "hash_scan", lambda path, url: _mirror(path, url, 1)),
    Case("events_1_percent_bad", "floor",
         lambda path, url: lambda: sync_once(_event_sync(Mode.APPEND, "bad_events"), path, url)),
)  # fmt: skip
