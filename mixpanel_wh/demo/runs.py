"""The demo's runs: every sync once, through the same Dagster definitions that any project gets."""

from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from mixpanel_wh.config import load_project
from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.demo.folder import PROJECT

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_COUNTS = ("inserted", "updated", "deleted", "accepted", "rejected", "requests")


@dataclass(frozen=True)
class SyncRun:
    """What one sync did in the first or second run, as its materialization says. `bytes` is the size on the wire."""

    run: int
    sync: str
    mode: str
    record: str
    read: int
    inserted: int
    updated: int
    deleted: int
    accepted: int
    rejected: int
    requests: int
    bytes: int
    seconds: float
    events_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values under the headings of the table, and under the names that `run --json` uses."""
        values = asdict(self)
        rate = values.pop("events_per_second")
        return values | {"events/s": rate, "rows_read": self.read, "bytes_sent": self.bytes}


def run_all(number: int) -> list[SyncRun]:
    """Materializes every asset of the code location in this process; returns the runs in the project file's order.

    The environment says which project and which Dagster instance. Raises DemoError when a sync fails.
    """
    from mixpanel_wh.definitions import defs

    job = defs.resolve_implicit_global_asset_job_def()
    modes = {key: spec.metadata for key, spec in _syncs(defs).items()}
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(run_config=_QUIET, instance=instance, raise_on_error=False)
    failures = [_why(event) for event in result.all_events if event.is_step_failure]
    if failures:
        raise DemoError("\n".join(failures))
    found = {event.asset_key: _numbers(event) for event in result.get_asset_materialization_events()}
    return sorted((_sync_run(number, modes[key], found[key]) for key in modes), key=_place)


def _syncs(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    """The assets that stand for syncs; the others are source tables."""
    return {spec.key: spec for spec in defs.resolve_all_asset_specs() if "mixpanel/sync" in spec.metadata}


def _place(run: SyncRun) -> int:
    """Where the sync stands in the project file."""
    return load_project(PROJECT).names.index(run.sync)


def _numbers(event: dg.DagsterEvent) -> dict[str, Any]:
    metadata = event.step_materialization_data.materialization.metadata
    return {name.removeprefix("mixpanel/"): value.value for name, value in metadata.items() if "mixpanel/" in name}


def _sync_run(number: int, metadata: Any, numbers: dict[str, Any]) -> SyncRun:
    return SyncRun(
        run=number,
        sync=metadata["mixpanel/sync"],
        mode=metadata["mixpanel/mode"],
        record=metadata["mixpanel/record"],
        read=numbers["rows_read"],
        bytes=numbers["bytes_sent"],
        seconds=round(numbers["seconds"], 3),
        events_per_second=round(numbers["rows_per_second"], 1),
        **{name: numbers[name] for name in _COUNTS},
    )


def _why(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    told = failure.user_failure_data.description if failure.user_failure_data else None
    return f"{event.step_key}: {told or (failure.error.message if failure.error else 'no reason given')}".strip()
