"""From Databricks into a sandbox: every legal combination of record type and mode, and Mirror after any edits."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance.databricks_visits import VISITS
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround

pytestmark = pytest.mark.warehouses
BRIEFLY = ("event mirror keyed", "event append keyless")
MIRRORED = [label for label in LABELS if " mirror" in label]


@pytest.fixture
def ground(databricks: RunningDatabricks) -> Iterator[DatabricksGround]:
    with closing(DatabricksGround(databricks)) as ground:
        yield ground


@pytest.mark.parametrize(
    "label", [pytest.param(label, marks=[] if label in BRIEFLY else pytest.mark.long) for label in LABELS]
)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: DatabricksGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(VISITS, ground, project, url, label)


@pytest.mark.long
@pytest.mark.parametrize("feeds", [True, False])
@pytest.mark.parametrize("label", MIRRORED)
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, databricks: RunningDatabricks, label: str, feeds: bool, rounds: list[list[Edit]]
) -> None:
    with closing(DatabricksGround(databricks, feeds=feeds)) as ground:
        holds_the_table_after_edits(VISITS, ground, running_box.url, label, rounds)
