"""A schedule a sync, so that each has its own switch in the UI."""

import re

import dagster as dg

from mixpanel_wh.defs.checks import run_selection
from mixpanel_wh.engine.spec import SyncSpec

PRESETS = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1"}


def sync_schedule(sync: SyncSpec, asset: dg.AssetKey) -> dg.ScheduleDefinition | None:
    """The schedule of a sync that has one; on from the start, since the project file asks for it."""
    if sync.schedule is None:
        return None
    return dg.ScheduleDefinition(
        name=f"{plain_name(asset)}__schedule",
        target=run_selection(asset),
        cron_schedule=PRESETS.get(sync.schedule, sync.schedule),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Runs the sync {sync.name}: {sync.schedule}.",
    )


def plain_name(asset: dg.AssetKey) -> str:
    """An asset key as a name that Dagster takes for ops, schedules, sensors and pools."""
    return re.sub(r"\W", "_", "__".join(asset.path))
