"""From Redshift into a sandbox: every legal combination of record type and mode, and Mirror after any edits."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance.redshift_visits import VISITS
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround

SHORT = ("event mirror keyed", "user append")  # of the ways, those that `make test` takes


@pytest.fixture(params=["cursor", pytest.param("unload", marks=pytest.mark.long)])
def ground(redshift: RunningRedshift, request: pytest.FixtureRequest) -> Iterator[RedshiftGround]:
    with closing(RedshiftGround(redshift, unload=request.param == "unload")) as ground:
        yield ground


@pytest.mark.parametrize("label", [label if label in SHORT else pytest.param(label, marks=pytest.mark.long)
                                   for label in LABELS])  # fmt: skip
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: RedshiftGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(VISITS, ground, project, url, label)


@pytest.mark.long
@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, redshift: RunningRedshift, label: str, rounds: list[list[Edit]]
) -> None:
    with closing(RedshiftGround(redshift)) as ground:
        holds_the_table_after_edits(VISITS, ground, running_box.url, label, rounds)
