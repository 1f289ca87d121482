"""A Mixpanel project as a resource: `mixpanel.sync(context, syncs)` and the decorator around it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mixpanel_wh.defs.decorator import mixpanel_sync_assets
from mixpanel_wh.defs.resources import MixpanelResource
from mixpanel_wh.defs.running import SyncConfig
from mixpanel_wh.defs.settings import sync_spec
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh_tests.defs.looking import Box, change, checks, key, metadata, run, sentence

SYNCS = [
    sync_spec("planes", table="main.planes", record="user", mode="full", distinct_id="tailnum"),
    sync_spec("flights", table="main.flights", record="event", mode="mirror", event="Flight", time="departed",
              row_key=["flight"], user_id="tailnum"),
]  # fmt: skip


@mixpanel_sync_assets(syncs=SYNCS, name="air", pool="air")
def both(context: dg.AssetExecutionContext, mixpanel: MixpanelResource) -> Iterator[Any]:
    yield from mixpanel.sync(context, SYNCS, SyncConfig(accept_guards=True))


@pytest.fixture
def defs(air: Path, box: Box) -> dg.Definitions:
    mixpanel = MixpanelResource(
        project_id="1", token="the-token", url=box.url, warehouse={"type": "duckdb", "path": str(air)}
    )
    return dg.Definitions([both], resources={"mixpanel": mixpanel})


def test_the_decorator_makes_an_asset_a_sync_with_its_checks(defs: dg.Definitions) -> None:
    specs = {one.key: one for one in defs.resolve_all_asset_specs()}
    assert {key("planes"), key("flights")} <= set(specs)
    assert specs[key("planes")].kinds == {"mixpanel", "duckdb"}
    assert {one.name for one in both.check_specs} == {"rejected_rows", "access"}


def test_all_syncs_of_a_step_run(defs: dg.Definitions, box: Box, instance: dg.DagsterInstance) -> None:
    result = run(defs, instance)
    assert result.success
    assert (len(box.profiles()), len(box.events("Flight"))) == (7, 80)
    assert metadata(result, key("flights"))["mixpanel/accepted"] == 80


def test_one_of_them_runs_alone(defs: dg.Definitions, box: Box, instance: dg.DagsterInstance) -> None:
    result = run(defs, instance, key("planes"))
    assert [one.asset_key for one in result.get_asset_materialization_events()] == [key("planes")]
    assert box.events("Flight") == []


def test_checks_alone_look_without_sending(
    defs: dg.Definitions, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    run(defs, instance, key("planes"))
    change(air, "ALTER TABLE planes DROP COLUMN tailnum")
    sent = len(box.requests())
    chosen = [dg.AssetCheckKey(key("planes"), name) for name in ("rejected_rows", "access")]
    job = dg.define_asset_job("look", dg.AssetSelection.checks(*chosen))
    result = (
        dg.Definitions(defs.assets, resources=defs.resources, jobs=[job])
        .resolve_job_def("look")
        .execute_in_process(instance=instance, raise_on_error=False)
    )
    found = checks(result)
    assert found["rejected_rows"].passed
    assert not found["access"].passed
    assert "tailnum" in found["access"].description
    assert len(box.requests()) == sent


def test_a_sync_in_code_tells_every_mistake_when_it_is_written() -> None:
    with pytest.raises(ConfigError) as caught:
        sync_spec("planes", table="main.planes", record="user", mode="ful", distinct="tailnum")
    assert len(caught.value.mistakes) >= 2


def test_an_unknown_warehouse_is_one_sentence(box: Box, instance: dg.DagsterInstance) -> None:
    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url, warehouse={"type": "oracle"})
    result = run(dg.Definitions([both], resources={"mixpanel": mixpanel}), instance, key("planes"))
    assert "'oracle' is not a type of warehouse" in sentence(result)


def test_a_resource_without_a_warehouse_says_what_to_write(box: Box, instance: dg.DagsterInstance) -> None:
    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url)
    result = run(dg.Definitions([both], resources={"mixpanel": mixpanel}), instance, key("planes"))
    assert "warehouse=" in sentence(result)


def test_a_variable_inside_the_warehouse_is_looked_up_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    warehouse = {"type": "duckdb", "path": dg.EnvVar("AIR_PATH"), "lock_timeout": dg.EnvVar.int("AIR_SECONDS")}
    mixpanel = MixpanelResource(project_id="1", token="the-token", url=box.url, warehouse=warehouse)
    assert mixpanel.warehouse["path"] == "${AIR_PATH}"
    defs = dg.Definitions([both], resources={"mixpanel": mixpanel})
    assert "the environment variable AIR_PATH is not set" in sentence(run(defs, instance, key("planes")))
    monkeypatch.setenv("AIR_PATH", str(air))
    monkeypatch.setenv("AIR_SECONDS", "30")
    assert run(defs, instance, key("planes")).success


def test_dagster_is_told_which_fields_hold_secrets() -> None:
    fields = MixpanelResource.to_config_schema().as_field().config_type.fields  # type: ignore[attr-defined]
    assert {name for name, one in fields.items() if one.is_secret} == {"token", "service_secret", "warehouse"}


def test_secrets_come_from_the_environment_and_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    monkeypatch.setenv("AIR_TOKEN", "not-to-be-seen")
    mixpanel = MixpanelResource(
        project_id="1",
        token=dg.EnvVar("AIR_TOKEN"),
        url=box.url,
        warehouse={"type": "duckdb", "path": str(air)},
    )
    result = run(dg.Definitions([both], resources={"mixpanel": mixpanel}), instance, key("planes"))
    assert result.success
    assert "not-to-be-seen" not in "".join(str(event) for event in result.all_events)
