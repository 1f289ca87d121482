"""A project outside this repository: found, scaffolded, checked, run, watched and backfilled with Dagster's own tools."""

import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mixpanel_wh.demo.screens import serving
from mixpanel_wh_tests.outside.conftest import DEFS, Project
from mixpanel_wh_tests.stand_ins.ports import free_port

SENSOR_SECONDS = 60
SLACK_SECONDS = 240
WEEK = [f"2024-01-{day:02}" for day in range(2, 9)]
LOCATION = {"repositoryLocationName": "shop", "repositoryName": "__repository__"}


def test_the_wheel_holds_everything_that_is_no_python(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("py.typed", "sandbox/page.html", "demo/mixpanel_wh.yaml", "docs/guides/dagster.md",
                   "docs/guides/examples/dagster-cluster.yaml"):  # fmt: skip
        assert f"mixpanel_wh/{wanted}" in names
    assert not [name for name in names if name.startswith("mixpanel_wh_tests")]


@pytest.mark.long
def test_the_component_is_listed_and_what_is_scaffolded_is_valid(project: Project) -> None:
    listed = json.loads(project.dg("list", "components", "--json").stdout)
    assert "mixpanel_wh.MixpanelSyncs" in {one["key"] for one in listed["items"]}
    valid = project.dg("check", "yaml")
    assert valid.returncode == 0, valid.stdout + valid.stderr


@pytest.mark.long
def test_a_misspelt_key_is_shown_with_its_line(project: Project) -> None:
    text = DEFS.format(url=project.url)
    (project.component / "defs.yaml").write_text(text.replace("distinct_id", "distnct_id"))
    wrong = project.dg("check", "yaml")
    assert wrong.returncode != 0
    assert "distnct_id" in wrong.stdout + wrong.stderr
    assert "defs.yaml:6" in wrong.stdout + wrong.stderr
    (project.component / "defs.yaml").write_text(text)


@pytest.fixture(scope="module")
def complete(project: Project) -> Project:
    """The project with its two syncs."""
    (project.component / "defs.yaml").write_text(DEFS.format(url=project.url))
    return project


@pytest.mark.long
def test_the_definitions_load_and_the_assets_are_listed(complete: Project) -> None:
    checked = complete.dg("check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    listed = complete.dg("list", "defs").stdout
    for wanted in ("mixpanel/users", "mixpanel/orders:rejected_rows", "mixpanel__users__change_sensor"):
        assert f" {wanted} " in listed


@pytest.mark.long
def test_a_sync_is_run_from_the_command_line(complete: Project) -> None:
    ran = complete.dg("launch", "--assets", "mixpanel/users")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert profiles(complete) == 9


def profiles(project: Project) -> int:
    return int(requests.get(f"{project.url}/sandbox/summary", timeout=30).json()["profiles"])


class Instance:
    """The running Dagster, asked as its own UI asks it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer to a GraphQL query."""
        asked = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=asked, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def runs(self, asset: str) -> list[dict[str, Any]]:
        """The runs that were about an asset of the component, newest first."""
        query = "{ runsOrError { ... on Runs { results { runId status tags { key value } assetSelection { path } } } } }"
        found = self.ask(query)["runsOrError"]["results"]
        return [one for one in found if {"path": ["mixpanel", asset]} in (one["assetSelection"] or [])]

    def materializations(self, asset: str) -> list[dict[str, Any]]:
        """The materializations of an asset, newest first, with their numbers."""
        query = """query ($path: [String!]!) { assetOrError(assetKey: {path: $path}) { ... on Asset {
            assetMaterializations { partition runId metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }"""
        return list(self.ask(query, path=["mixpanel", asset])["assetOrError"]["assetMaterializations"])


@pytest.fixture(scope="module")
def instance(complete: Project) -> Iterator[Instance]:
    """`dg dev` over the project."""
    port = free_port()
    command = [sys.executable, "-m", "dagster_dg_cli.cli", "dev", "--host", "127.0.0.1", "--port", str(port)]
    with serving(command, port, complete.folder / "dg-dev.log", complete.folder) as url:
        yield Instance(url)


def waited(what: Callable[[], Any], seconds: float) -> Any:
    """The first true answer within a time; the last one otherwise."""
    until = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < until:
        time.sleep(0.5)
    return found


@pytest.mark.long
def test_a_sync_is_run_from_the_ui(complete: Project, instance: Instance) -> None:
    query = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
    selector = {**LOCATION, "jobName": "__ASSET_JOB", "assetSelection": [{"path": ["mixpanel", "users"]}]}
    started = instance.ask(query, params={"selector": selector, "mode": "default"})["launchPipelineExecution"]
    assert started["__typename"] == "LaunchRunSuccess", started
    run_id = started["run"]["runId"]


    def succeeded() -> bool:
        return any(one["runId"] == run_id and one["status"] == "SUCCESS" for one in instance.runs("users"))

    assert waited(succeeded, SLACK_SECONDS), instance.runs("users")


@pytest.mark.long
def test_a_change_sensor_that_is_switched_on_runs_the_sync_within_one_interval_of_a_change(
    complete: Project, instance: Instance
) -> None:
    before = len(instance.runs("users"))
    query = """mutation ($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename
        ... on PythonError { message } } }"""
    instance.ask(query, sensor={**LOCATION, "sensorName": "mixpanel__users__change_sensor"})


    def first_look_done() -> bool:
        runs = instance.runs("users")
        return len(runs) > before and runs[0]["status"] == "SUCCESS"

    assert waited(first_look_done, SENSOR_SECONDS + SLACK_SECONDS), instance.runs("users")
    complete.change("INSERT INTO users VALUES ('u100', 100)")
    assert waited(lambda: profiles(complete) == 10, SENSOR_SECONDS + SLACK_SECONDS), instance.runs("users")


@pytest.mark.long
def test_a_backfill_of_seven_days_is_one_run_with_numbers_of_each_day(complete: Project, instance: Instance) -> None:
    query = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
        ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
    params = {"assetSelection": [{"path": ["mixpanel", "orders"]}], "partitionNames": WEEK}
    started = instance.ask(query, params=params)["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    assert waited(lambda: [one for one in instance.runs("orders") if one["status"] in ("SUCCESS", "FAILURE")], SLACK_SECONDS)
    assert [one["status"] for one in instance.runs("orders")] == ["SUCCESS"]
    found = {one["partition"]: numbers(one) for one in instance.materializations("orders")}
    assert sorted(found) == WEEK
    assert {one["mixpanel/accepted"] for one in found.values()} == {4}
    events = requests.get(f"{complete.url}/sandbox/events", params={"event": "Order"}, timeout=30).text.splitlines()
    assert len(events) == 28


def numbers(materialization: dict[str, Any]) -> dict[str, int]:
    """The whole numbers of a materialization."""
    return {one["label"]: one["intValue"] for one in materialization["metadataEntries"] if "intValue" in one}
