"""`type: mixpanel_wh.MixpanelSyncs` in a project's defs folder, loaded the way Dagster loads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

import mixpanel_wh
from mixpanel_wh.defs.component import MixpanelSyncs
from mixpanel_wh_tests.defs.looking import Box, checks, key, metadata, run

TYPE = "mixpanel_wh.MixpanelSyncs"


@contextmanager
def loaded(attributes: dict[str, Any], code: str | None = None, kind: str = TYPE) -> Iterator[dg.Definitions]:
    """The definitions of a project with one component; `code` is a Python module beside its defs.yaml."""
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.scaffold_component(MixpanelSyncs, defs_path="mixpanel")
        if code:
            (folder / "own.py").write_text(code)
        kind = kind.replace("PROJECT", sandbox.project_name)
        (folder / "defs.yaml").write_text(yaml.safe_dump({"type": kind, "attributes": attributes}))
        with sandbox.load_component_and_build_defs(folder) as (_, defs):
            yield defs


@pytest.fixture
def inline(air: Path, box: Box) -> dict[str, Any]:
    """The attributes of a component with its syncs inline."""
    return {
        "warehouse": {"type": "duckdb", "path": str(air)},
        "destination": {"project_id": "1", "token": "{{ env.AIR_TOKEN }}", "url": box.url, "rate": "off"},
        "syncs": {
            "planes": {
                "table": "main.planes",
                "record": "user",
                "mode": "full",
                "distinct_id": "tailnum",
                "after_upstream": True,
            },
            "flights": {
                "table": "main.flights",
                "record": "event",
                "mode": "mirror",
                "event": "Flight",
                "row_key": ["flight"],
                "time": "departed",
                "user_id": "tailnum",
                "schedule": "daily",
                "partitions": {"every": "day", "start": "2024-01-01"},
            },
        },
    }


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIR_TOKEN", "123456789")


def test_the_package_offers_the_component_without_importing_dagster_first() -> None:
    assert mixpanel_wh.MixpanelSyncs is MixpanelSyncs
    assert set(mixpanel_wh.__all__) <= set(dir(mixpanel_wh))


def test_inline_syncs_become_assets_with_schedules_sensors_and_checks(inline: dict[str, Any]) -> None:
    with loaded(inline) as defs:
        found = {one.key.to_user_string(): one for one in defs.resolve_all_asset_specs()}
        assert {"mixpanel/planes", "mixpanel/flights"} <= set(found)
        assert [one.name for one in defs.schedules or []] == ["mixpanel__flights__schedule"]
        assert len(list(defs.sensors or [])) == 2
        assert found["mixpanel/planes"].automation_condition is not None
        assert isinstance(found["mixpanel/flights"].partitions_def, dg.DailyPartitionsDefinition)


def test_a_sync_of_the_component_runs(inline: dict[str, Any], box: Box, instance: dg.DagsterInstance) -> None:
    with loaded(inline) as defs:
        result = run(defs, instance, key("planes"))
        assert result.success
        assert metadata(result, key("planes"))["mixpanel/accepted"] == 7
        assert checks(result)["rejected_rows"].passed
    assert len(box.profiles()) == 7


def test_two_components_stand_side_by_side(inline: dict[str, Any]) -> None:
    other = {**inline, "syncs": {"people": inline["syncs"]["planes"]}}
    with loaded(inline) as first, loaded(other) as second:
        both = dg.Definitions.merge(first, second)
        assert {key("planes"), key("people")} <= {one.key for one in both.resolve_all_asset_specs()}


def test_a_project_file_serves_as_well_and_syncs_of_it_can_be_chosen(project_file: Path) -> None:
    with loaded({"project": str(project_file), "select": ["planes"], "change_sensors": False}) as defs:
        found = {one.key for one in defs.resolve_all_asset_specs()}
        assert key("planes") in found
        assert key("flights") not in found
        assert list(defs.sensors or []) == []


OWN = """
import dagster as dg
import mixpanel_wh


class Louder(mixpanel_wh.MixpanelSyncs):
    def get_asset_spec(self, sync, source):
        return super().get_asset_spec(sync, source).replace_attributes(group_name="loud")

    def execute(self, context, sync, config, connections):
        for happening in super().execute(context, sync, config, connections):
            if isinstance(happening, dg.MaterializeResult):
                happening = happening._replace(metadata={**happening.metadata, "own/number": 7})
            yield happening
"""


def test_a_subclass_changes_how_syncs_look_and_what_a_run_does(
    inline: dict[str, Any], instance: dg.DagsterInstance
) -> None:
    with loaded(inline, OWN, "PROJECT.defs.mixpanel.own.Louder") as defs:
        assert next(one.group_name for one in defs.resolve_all_asset_specs() if one.key == key("planes")) == "loud"
        assert metadata(run(defs, instance, key("planes")), key("planes"))["own/number"] == 7


def test_mistakes_are_told_all_at_once(inline: dict[str, Any]) -> None:
    inline["syncs"]["planes"]["mode"] = "ful"
    inline["syncs"]["flights"]["tme"] = "departed"
    with pytest.raises(Exception) as caught, loaded(inline):  # noqa: PT011
        pass
    told = chain(caught.value)
    assert "mixpanel/defs.yaml" in told
    assert "'ful'" in told
    assert "tme" in told


def chain(error: BaseException | None) -> str:
    """The texts of an error and of everything that caused it."""
    return "" if error is None else f"{error}\n{chain(error.__cause__ or error.__context__)}"


def test_a_project_file_and_inline_syncs_together_are_refused(inline: dict[str, Any], project_file: Path) -> None:
    with pytest.raises(Exception) as caught, loaded({**inline, "project": str(project_file)}):  # noqa: PT011
        pass
    assert "must not stand here as well" in chain(caught.value)


def test_the_schema_finds_misspelt_keys_before_anything_is_loaded(inline: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    model = MixpanelSyncs.get_model_cls()
    assert model is not None
    validator = jsonschema.Draft202012Validator(model.model_json_schema())
    assert list(validator.iter_errors(inline)) == []
    inline["syncs"]["planes"]["distnct_id"] = "tailnum"
    inline["destination"]["region"] = "mars"
    assert len(list(validator.iter_errors(inline))) == 2


def test_scaffolding_writes_a_component_that_is_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.scaffold_component(MixpanelSyncs, defs_path="mixpanel")
        written = yaml.safe_load((folder / "defs.yaml").read_text())
    model = MixpanelSyncs.get_model_cls()
    assert model is not None
    assert written["type"].endswith("MixpanelSyncs")
    assert list(jsonschema.Draft202012Validator(model.model_json_schema()).iter_errors(written["attributes"])) == []


def test_tables_of_dbt_sling_and_dlt_take_the_place_of_the_source_table(inline: dict[str, Any]) -> None:
    @dg.asset(key=["marts", "fleet"], metadata={"dagster/table_name": "air.main.planes"})
    def fleet() -> None:
        """Made by another integration under a key of its own."""

    with loaded(inline) as defs:
        graph = dg.Definitions.merge(defs, dg.Definitions([fleet])).resolve_asset_graph()
        assert graph.get(key("planes")).parent_keys == {dg.AssetKey(["marts", "fleet"])}


def test_declarative_automation_runs_a_sync_once_for_every_update_of_its_table(
    inline: dict[str, Any], instance: dg.DagsterInstance
) -> None:
    @dg.asset(key=["main", "planes"])
    def made() -> None:
        """The table's maker."""

    with loaded(inline) as defs:
        both = dg.Definitions.merge(defs, dg.Definitions([made]))
        cursor, asked = None, []
        for update in (False, True, False, True):
            if update:
                dg.materialize([made], instance=instance)
            told = dg.evaluate_automation_conditions(both, instance, cursor=cursor)
            cursor = told.cursor
            asked.append(told.total_requested)
    assert asked == [0, 1, 0, 1]


def test_several_warehouses_may_hold_tables_of_the_same_name(inline: dict[str, Any], tmp_path: Path) -> None:
    settings = inline.pop("warehouse")
    inline["warehouses"] = {"air": settings, "sea": {"type": "duckdb", "path": str(tmp_path / "sea.duckdb")}}
    planes = inline["syncs"]["planes"]
    inline["syncs"] = {"planes": {**planes, "warehouse": "air"}, "ships": {**planes, "warehouse": "sea"}}
    with loaded(inline) as defs:
        graph = defs.resolve_asset_graph()
    assert graph.get(key("planes")).parent_keys == {dg.AssetKey(["air", "main", "planes"])}
    assert graph.get(key("ships")).parent_keys == {dg.AssetKey(["sea", "main", "planes"])}
