"""From Postgres into a sandbox: every legal combination of record type and mode, and Mirror after any edits."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance.postgres_visits import VISITS
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    with closing(PostgresGround(postgres)) as ground:
        ground.run("SET client_min_messages = error")
        yield ground


@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: PostgresGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(VISITS, ground, project, url, label)


@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, postgres: RunningPostgres, label: str, rounds: list[list[Edit]]
) -> None:
    with closing(PostgresGround(postgres)) as ground:
        ground.run("SET client_min_messages = error")
        holds_the_table_after_edits(VISITS, ground, running_box.url, label, rounds)
