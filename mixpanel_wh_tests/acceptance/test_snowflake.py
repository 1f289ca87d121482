"""From Snowflake into a sandbox: every legal combination of record type and mode, and Mirror after any edits, by streams
and by hashes alone."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.snowflake_visits import LABELS, labelled, make, more, table_rows
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

pytestmark = pytest.mark.warehouses
SHORT = "event mirror keyed"
ANY = "\"id\" IN (SELECT \"id\" FROM {visits} ORDER BY MD5(\"id\" || '{seed}') LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE {visits} SET \"label\" = 'label {seed}' WHERE " + ANY,
    "clear": 'UPDATE {visits} SET "label" = NULL, "tags" = NULL, "place" = NULL, "total" = NULL WHERE ' + ANY,
    "move": 'UPDATE {visits} SET "at" = DATEADD(HOUR, {seed} + 1, "at") WHERE ' + ANY,
    "hand over": "UPDATE {visits} SET \"who\" = 'user {seed}' WHERE " + ANY,
    "lose": 'UPDATE {visits} SET "who" = NULL WHERE ' + ANY,
    "delete": "DELETE FROM {visits} WHERE " + ANY,
    "back and forth": 'UPDATE {visits} SET "amount" = "amount" WHERE ' + ANY,
    "add a column": 'ALTER TABLE {visits} ADD COLUMN IF NOT EXISTS "added" VARCHAR',
    "fill the column": "UPDATE {visits} SET \"added\" = 'value {seed}' WHERE " + ANY,
    "drop a column": 'ALTER TABLE {visits} DROP COLUMN IF EXISTS "ratio"',
    "rebuild": "CREATE OR REPLACE TABLE {visits} AS SELECT * FROM {visits} ORDER BY MD5(\"id\" || '{seed}')",
    "double": "INSERT INTO {visits} SELECT * FROM {visits} WHERE " + ANY,
}
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "insert"]), st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6
)


def forms(*labels: str) -> list[object]:
    """The ways as parameters; all but one of them are of the longer form."""
    return [pytest.param(label, marks=() if label == SHORT else pytest.mark.long) for label in labels]


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    with closing(SnowflakeGround(snowflake)) as ground:
        yield ground


@pytest.mark.parametrize("label", forms(*LABELS))
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: SnowflakeGround, project: MixpanelProject, url: str, label: str
) -> None:
    make(ground, 120)
    way, first, visits = labelled(ground, label), table_rows(ground), ground.source("visits")
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
            ground.run(f"UPDATE {visits} SET \"label\" = 'new', \"amount\" = -1 WHERE \"id\" IN ('v1', 'v8')")
        if mode not in (Mode.APPEND, Mode.FULL):
            ground.run(f"UPDATE {visits} SET \"label\" = NULL, \"who\" = 'somebody' WHERE \"id\" = 'v9'")
            ground.run(f"DELETE FROM {visits} WHERE \"id\" IN ('v2', 'v50')")
        synced(way.spec, warehouse, project)
    assert way.held(url) == way.wanted(first if mode is Mode.ONE_TIME else table_rows(ground))


def edit(ground: SnowflakeGround, name: str, seed: int, rows: int, keyed: bool) -> None:
    """One edit; a table whose rows have a key gets no row twice."""
    if name == "insert":
        first = 1000 + seed * 10
        if not any(row["id"] == f"v{first}" for row in table_rows(ground)):
            more(ground, first, first + rows)
        return
    if name == "double" and keyed:
        return
    if name == "fill the column":
        ground.run(EDITS["add a column"].format(visits=ground.source("visits")))
    ground.run(EDITS[name].format(visits=ground.source("visits"), seed=seed, rows=rows))


@pytest.mark.long
@pytest.mark.parametrize("streams", ["tables", "off"])
@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@settings(quick, max_examples=3)
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, snowflake: RunningSnowflake, label: str, streams: str,
    rounds: list[list[tuple[str, int, int]]],
) -> None:  # fmt: skip
    requests.post(f"{running_box.url}/sandbox/reset", timeout=60).raise_for_status()
    with closing(SnowflakeGround(snowflake, {"streams": streams})) as ground:
        make(ground, 40)
        way = labelled(ground, label)
        with closing(ground.open()) as warehouse, MixpanelProject(settings_of(running_box.url), "snowflake") as project:
            for made in [[], *rounds]:
                for name, seed, rows in made:
                    edit(ground, name, seed, rows, bool(way.spec.key_columns))
                synced(way.spec, warehouse, project)
                assert way.held(running_box.url) == way.wanted(table_rows(ground)), made
