"""From a warehouse that is only read into a sandbox: every legal combination, and Mirror after any edits."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import databricks_visits, postgres_visits
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

pytestmark = pytest.mark.warehouses
MIRRORED = [label for label in LABELS if " mirror" in label]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Those of a warehouse that is only read."""
    return {"staging_path": str(tmp_path / "staging.duckdb")}


@pytest.fixture
def postgres_ground(postgres: RunningPostgres, settings: dict[str, Any]) -> Iterator[PostgresGround]:
    with closing(PostgresGround(postgres, settings)) as ground:
        ground.run("SET client_min_messages = error")
        yield ground


@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_a_table_of_postgres_says_run_after_run(
    postgres_ground: PostgresGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(postgres_visits.VISITS, postgres_ground, project, url, label)


@pytest.mark.long
@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_a_table_of_databricks_says_run_after_run(
    databricks: RunningDatabricks, settings: dict[str, Any], project: MixpanelProject, url: str, label: str
) -> None:
    with closing(DatabricksGround(databricks, settings)) as ground:
        holds_the_table_run_after_run(databricks_visits.VISITS, ground, project, url, label)


@pytest.mark.long
@pytest.mark.parametrize("label", MIRRORED)
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_a_table_of_databricks_says(
    running_box: Sandbox, databricks: RunningDatabricks, tmp_path_factory: pytest.TempPathFactory, label: str,
    rounds: list[list[Edit]],
) -> None:  # fmt: skip
    settings = {"staging_path": str(tmp_path_factory.mktemp("staging") / "staging.duckdb")}
    with closing(DatabricksGround(databricks, settings)) as ground:
        holds_the_table_after_edits(databricks_visits.VISITS, ground, running_box.url, label, rounds)


@pytest.mark.long
@pytest.mark.parametrize("label", MIRRORED)
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_a_table_of_postgres_says(
    running_box: Sandbox, postgres: RunningPostgres, tmp_path_factory: pytest.TempPathFactory, label: str,
    rounds: list[list[Edit]],
) -> None:  # fmt: skip
    settings = {"staging_path": str(tmp_path_factory.mktemp("staging") / "staging.duckdb")}
    with closing(PostgresGround(postgres, settings)) as ground:
        ground.run("SET client_min_messages = error")
        holds_the_table_after_edits(postgres_visits.VISITS, ground, running_box.url, label, rounds)
