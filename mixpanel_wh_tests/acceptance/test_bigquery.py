"""From BigQuery into a sandbox: every legal combination of record type and mode, Mirror after any edits, and Append of a
table partitioned by ingestion."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.bigquery_visits import LABELS, columns, labelled, make, more, table_rows
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.acceptance.visits import EVENT
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.stand_ins.bigquery import RunningBigQuery
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround

pytestmark = [pytest.mark.long, pytest.mark.warehouses]
ANY = "id IN (SELECT id FROM visits ORDER BY FARM_FINGERPRINT(CONCAT(id, '{seed}')) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, place = NULL, total = NULL WHERE " + ANY,
    "move": "UPDATE visits SET at = DATETIME_ADD(at, INTERVAL {seed} + 1 HOUR) WHERE " + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN IF NOT EXISTS added STRING",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN IF EXISTS ratio",
    "double": "INSERT INTO visits ({columns}) SELECT {columns} FROM visits WHERE " + ANY,
}
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "insert"]), st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6
)


@pytest.fixture
def ground(bigquery: RunningBigQuery) -> Iterator[BigQueryGround]:
    with closing(BigQueryGround(bigquery)) as ground:
        yield ground


@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: BigQueryGround, project: MixpanelProject, url: str, label: str
) -> None:
    make(ground, 120)
    way, first = labelled(ground, label), table_rows(ground)
    mode = way.spec.mode
    with closing(ground.open()) as warehouse:
        result = synced(way.spec, warehouse, project)
        assert (result.rows_read, result.rejected) == (120, 0)
        assert way.held(url) == way.wanted(first)
        sent = holding.summary(url)["requests"]
        assert synced(way.spec, warehouse, project).rows_read == (120 if mode is Mode.FULL else 0)
        assert mode is Mode.FULL or holding.summary(url)["requests"] == sent
        more(ground, 200, 220)
        if mode is not Mode.APPEND:
            ground.run("UPDATE visits SET label = 'new', amount = -1 WHERE id IN ('v1', 'v8')")
        if mode not in (Mode.APPEND, Mode.FULL):
            ground.run("UPDATE visits SET label = NULL, who = 'somebody' WHERE id = 'v9'")
            ground.run("DELETE FROM visits WHERE id IN ('v2', 'v50')")
        synced(way.spec, warehouse, project)
    assert way.held(url) == way.wanted(first if mode is Mode.ONE_TIME else table_rows(ground))


def edit(ground: BigQueryGround, name: str, seed: int, rows: int, keyed: bool) -> None:
    """One edit; a table whose rows have a key gets no row twice."""
    if name == "insert":
        first = 1000 + seed * 10
        if not any(row["id"] == f"v{first}" for row in table_rows(ground)):
            more(ground, first, first + rows)
        return
    if name == "double" and keyed:
        return
    if name == "fill the column":
        ground.run(EDITS["add a column"])
    ground.run(EDITS[name].format(seed=seed, rows=rows, columns=", ".join(columns(ground))))


@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@settings(quick, max_examples=2)
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, bigquery: RunningBigQuery, label: str, rounds: list[list[tuple[str, int, int]]]
) -> None:
    requests.post(f"{running_box.url}/sandbox/reset", timeout=60).raise_for_status()
    with closing(BigQueryGround(bigquery)) as ground:
        make(ground, 40)
        way = labelled(ground, label)
        with closing(ground.open()) as warehouse, MixpanelProject(settings_of(running_box.url), "bigquery") as project:
            for made in [[], *rounds]:
                for name, seed, rows in made:
                    edit(ground, name, seed, rows, bool(way.spec.key_columns))
                synced(way.spec, warehouse, project)
                assert way.held(running_box.url) == way.wanted(table_rows(ground)), made


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
