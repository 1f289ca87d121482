"""From BigQuery into a sandbox: every legal combination of record type and mode, Mirror after any edits, and Append of a
table partitioned by ingestion."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.bigquery_visits import VISITS
from mixpanel_wh_tests.acceptance.server_visits import (
    LABELS,
    Edit,
    edits,
    holds_the_table_after_edits,
    holds_the_table_run_after_run,
)
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.acceptance.visits import EVENT
from mixpanel_wh_tests.stand_ins.bigquery import RunningBigQuery
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround

pytestmark = [pytest.mark.long, pytest.mark.warehouses]


@pytest.fixture
def ground(bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
    with closing(BigQueryGround(bigquery)) as ground:
        yield ground


@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: BigQueryGround, project: MixpanelProject, url: str, label: str
) -> None:
    holds_the_table_run_after_run(VISITS, ground, project, url, label)


@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@settings(quick, max_examples=2)
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, bigquery: RunningBigQuery, label: str, rounds: list[list[Edit]]
) -> None:
    with closing(BigQueryGround(bigquery)) as ground:
        holds_the_table_after_edits(VISITS, ground, running_box.url, label, rounds)


def test_a_table_partitioned_by_ingestion_is_appended_by_its_pseudo_column(
    ground: BigQueryGround, project: MixpanelProject, url: str
) -> None:
    ground.run("CREATE TABLE raw (id STRING, at DATETIME, who STRING) PARTITION BY _PARTITIONDATE")
    spec = replace(EVENT, name="raw", table=ground.name("raw"), mode=Mode.APPEND, insert_time="_PARTITIONTIME",
                   lookback=timedelta(days=1))  # fmt: skip

    def put(day: int, *ids: str) -> None:
        values = ", ".join(
            f"(TIMESTAMP '2024-03-0{day} 00:00:00+00', '{id}', DATETIME '2024-03-01 12:00:00', 'ann')" for id in ids
        )
        ground.run(f"INSERT INTO raw (_PARTITIONTIME, id, at, who) VALUES {values}")

    def wanted(*ids: str) -> dict[str, int]:
        noon = datetime(2024, 3, 1, 12)
        return {holding.expected_event("Visit", noon, "ann", {"id": id}): 1 for id in ids}

    with closing(ground.open()) as warehouse:
        put(1, "a", "b")
        assert synced(spec, warehouse, project).rows_read == 2
        put(1, "c")
        put(3, "d")
        assert synced(spec, warehouse, project).rows_read == 2
        put(2, "late")
        put(1, "too late")
        assert synced(spec, warehouse, project).rows_read == 1
        assert synced(spec, warehouse, project).rows_read == 0
    assert dict(holding.events(url)) == wanted("a", "b", "c", "d", "late")
