"""From Snowflake into a sandbox: every legal combination of record type and mode, and Mirror after any edits, by streams
and by hashes alone."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.snowflake_visits import VISITS
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

pytestmark = pytest.mark.warehouses
BRIEFLY = "event mirror keyed"


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    with closing(SnowflakeGround(snowflake)) as ground:
        yield ground


@pytest.mark.parametrize(
    "label", [pytest.param(label, marks=[] if label == BRIEFLY else pytest.mark.long) for label in LABELS]
)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: SnowflakeGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(VISITS, ground, project, url, label)


@pytest.mark.long
@pytest.mark.parametrize("streams", ["tables", "off"])
@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@settings(quick, max_examples=3)
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, snowflake: RunningSnowflake, label: str, streams: str, rounds: list[list[Edit]]
) -> None:
    with closing(SnowflakeGround(snowflake, {"streams": streams})) as ground:
        holds_the_table_after_edits(VISITS, ground, running_box.url, label, rounds)
