"""The samples of the Dagster guides, executed; only Mixpanel's region gives way to the sandbox's address."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

import mixpanel_wh
from mixpanel_wh.defs.component import MixpanelSyncs
from mixpanel_wh_tests.defs.looking import Box, key, run

GUIDES = Path(mixpanel_wh.__file__).parent / "docs" / "guides"
TEXT = (GUIDES / "dagster.md").read_text()
PROJECT = """\
version: 1
warehouse: {{type: duckdb, path: warehouse.duckdb}}
destination: {{project_id: "1", token: the-token, url: {url}}}
syncs:
  users: {{table: main.users, record: user, mode: full, distinct_id: user_id}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def name(block: str) -> Any:
    """What a sample shows: the first name of ours that it uses apart from the resource."""
    return next(one for one in re.findall(r"mixpanel_wh\.(\w+)", block) if one != "MixpanelResource")


@pytest.fixture
def folder(tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the warehouse that the samples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXPANEL_TOKEN", "the-token")
    monkeypatch.setenv("MIXPANEL_PROJECT_ID", "123456")
    make(tmp_path / "warehouse.duckdb")
    (tmp_path / "mixpanel_wh.yaml").write_text(PROJECT.format(url=box.url))
    return tmp_path


def make(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE users AS SELECT 'u' || i AS user_id, i AS age FROM range(9) AS t(i)")
        connection.execute(
            "CREATE TABLE orders AS SELECT 'u' || i AS user_id, i AS total, "
            "TIMESTAMP '2024-01-01' + i * INTERVAL 9 HOUR AS placed_at, "
            "TIMESTAMP '2024-02-01' + i * INTERVAL 9 HOUR AS loaded_at FROM range(20) AS t(i)"
        )


@pytest.mark.parametrize("sample", blocks("python"), ids=name)
def test_a_python_sample_runs(sample: str, folder: Path, box: Box, instance: dg.DagsterInstance) -> None:
    names: dict[str, Any] = {"__name__": "sample"}
    exec(compile(with_address(sample, box), "sample", "exec"), names)
    defs = names["defs"]
    executable = list(defs.resolve_asset_graph().executable_asset_keys)
    assert run(defs, instance, *executable).success
    assert {"u0", "u8"} <= {one["$distinct_id"] for one in box.profiles()}


def with_address(sample: str, box: Box) -> str:
    """The sample with the sandbox in Mixpanel's place."""
    for mixpanel, ours in (('region="us"', f'url="{box.url}"'), ('"region": "us"', f'"url": "{box.url}"'),
                           ("region: us", f"url: {box.url}")):  # fmt: skip
        sample = sample.replace(mixpanel, ours)
    return sample


@pytest.mark.parametrize("sample", blocks("yaml"), ids=["component"])
def test_a_yaml_sample_runs(sample: str, folder: Path, box: Box, instance: dg.DagsterInstance) -> None:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(MixpanelSyncs, defs_path="mixpanel")
        (place / "defs.yaml").write_text(with_address(sample, box))
        make(place / "warehouse.duckdb")
        with sandbox.load_component_and_build_defs(place) as (_, defs):
            assert run(defs, instance, key("users"), key("orders")).success
    assert (len(box.profiles()), len(box.events("Order Placed"))) == (9, 20)


@pytest.mark.parametrize("example", sorted((GUIDES / "examples").glob("dagster-*.yaml")), ids=lambda path: path.stem)
def test_an_example_of_dagster_yaml_is_taken_by_dagster(example: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load(example.read_text())
    settings.pop("storage", None)  # Postgres is not at hand
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1


def test_every_key_of_the_run_config_is_in_the_guide() -> None:
    table = TEXT.split("## Run config")[1].split("##")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(mixpanel_wh.SyncConfig.model_fields)
