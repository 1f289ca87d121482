"""Looks at what the sandbox holds, and at what Dagster recorded of a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import requests


@dataclass(frozen=True)
class Box:
    """A running sandbox, by its address."""

    url: str

    def lines(self, verb: str, **query: str) -> list[dict[str, Any]]:
        """What one of the sandbox's verbs lists."""
        answer = requests.get(f"{self.url}/sandbox/{verb}", params=query, timeout=30)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The visible events of a name, tombstones apart."""
        return self.lines("events", event=name)

    def profiles(self) -> list[dict[str, Any]]:
        """The user profiles."""
        return self.lines("profiles")

    def requests(self) -> list[dict[str, Any]]:
        """The latest requests, newest first."""
        return self.lines("requests")

    def fail(self, **fault: Any) -> None:
        """Add a fault to the coming requests."""
        requests.post(f"{self.url}/sandbox/faults", json=fault, timeout=30).raise_for_status()


def change(path: Path, *statements: str) -> None:
    """Change the source tables."""
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def key(name: str) -> dg.AssetKey:
    """The asset of a sync."""
    return dg.AssetKey(["mixpanel", name])


def run(
    defs: dg.Definitions, instance: dg.DagsterInstance, *assets: dg.AssetKey, **config: Any
) -> dg.ExecuteInProcessResult:
    """Materialize assets of a code location; `config` is the run config of each of their ops."""
    job = defs.resolve_implicit_global_asset_job_def()
    ops = {"__".join(asset.path): {"config": config} for asset in assets} if config else {}
    return job.execute_in_process(
        instance=instance, asset_selection=list(assets), run_config={"ops": ops}, raise_on_error=False
    )


def metadata(result: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> dict[str, Any]:
    """The metadata of the asset's one materialization in a run, as plain values."""
    [event] = [one for one in result.get_asset_materialization_events() if one.asset_key == asset]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> Any:
    """What made the one failed step of a run fail."""
    [event] = result.get_step_failure_events()
    return event.step_failure_data


def sentence(result: dg.ExecuteInProcessResult) -> str:
    """The description that a failed run shows a person."""
    return str(failure(result).user_failure_data.description)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The answered checks of a run, by name."""
    return {one.check_name: one for one in result.get_asset_check_evaluations()}
