"""How old a sync's last success may be before Dagster calls the asset stale, from its schedule."""

from datetime import timedelta

import dagster as dg

WINDOWS = {"hourly": timedelta(hours=3), "daily": timedelta(hours=36), "weekly": timedelta(days=9)}
CRON_NAMES = {"0 * * * *": "hourly", "0 0 * * *": "daily", "0 0 * * 0": "weekly", "0 0 * * 1": "weekly"}


def freshness_policy(schedule: str | None) -> dg.FreshnessPolicy | None:
    """Stale after one missed run and a margin: 3 hours, 36 hours or 9 days. None for every other schedule."""
    named = CRON_NAMES.get(schedule or "", schedule or "").removeprefix("@")
    window = WINDOWS.get(named)
    return dg.FreshnessPolicy.time_window(fail_window=window) if window else None
