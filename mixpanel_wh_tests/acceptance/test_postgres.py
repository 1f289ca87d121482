"""From Postgres into a sandbox: every legal combination of record type and mode, and Mirror after any edits."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.engine.audit import audit_sync
from mixpanel_wh.engine.audit_result import AuditOptions, Compare
from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.postgres_visits import LABELS, columns, labelled, make, more, table_rows
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.test_random_edits import quick
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

ANY = "id IN (SELECT id FROM visits ORDER BY md5(id || {seed}) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, tags = NULL, place = NULL, total = NULL WHERE " + ANY,
    "move": "UPDATE visits SET at = at + INTERVAL '1 second' * ({seed} + 1) WHERE " + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN IF NOT EXISTS added text",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN IF EXISTS ratio",
    "rebuild": "CREATE TABLE again AS SELECT * FROM visits ORDER BY md5(id || {seed})",
    "double": "INSERT INTO visits SELECT * FROM visits WHERE " + ANY,
}
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "insert"]), st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6
)


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    with closing(PostgresGround(postgres)) as ground:
        ground.run("SET client_min_messages = error")
        yield ground


@pytest.mark.parametrize("label", LABELS)
def test_a_sandbox_holds_what_the_table_says_run_after_run(
    ground: PostgresGround, project: MixpanelProject, url: str, label: str
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
        for compare in Compare:
            found = audit_sync(way.spec, warehouse, project, AuditOptions(compare))
            assert found.agrees is (mode is not Mode.ONE_TIME or found.record == "lookup"), found.sentence
    assert way.held(url) == way.wanted(first if mode is Mode.ONE_TIME else table_rows(ground))


def edit(ground: PostgresGround, name: str, seed: int, rows: int, keyed: bool) -> None:
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
    ground.run(EDITS[name].format(seed=seed, rows=rows))
    if name == "rebuild":
        ground.run("DROP TABLE visits")
        ground.run("ALTER TABLE again RENAME TO visits")


@pytest.mark.parametrize("label", [label for label in LABELS if " mirror" in label])
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, postgres: RunningPostgres, label: str, rounds: list[list[tuple[str, int, int]]]
) -> None:
    requests.post(f"{running_box.url}/sandbox/reset", timeout=60).raise_for_status()
    with closing(PostgresGround(postgres)) as ground:
        ground.run("SET client_min_messages = error")
        make(ground, 40)
        ground.run("CREATE TABLE shape (LIKE visits)")
        assert columns(ground) == columns(ground, full=True)
        way = labelled(ground, label)
        with closing(ground.open()) as warehouse, MixpanelProject(settings_of(running_box.url), "postgres") as project:
            for made in [[], *rounds]:
                for name, seed, rows in made:
                    edit(ground, name, seed, rows, bool(way.spec.key_columns))
                synced(way.spec, warehouse, project)
                assert way.held(running_box.url) == way.wanted(table_rows(ground)), made
