"""Whatever is done to a table between runs, what Mixpanel holds after the next run is what the table says."""

import math
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.visits import Way, make, more, table_rows, ways
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

ANY = "id IN (SELECT id FROM visits ORDER BY hash(id, {seed}) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, tags = NULL, place = NULL WHERE " + ANY,
    "move": 'UPDATE visits SET "at" = "at" + to_seconds({seed} + 1) WHERE ' + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN IF NOT EXISTS added VARCHAR",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN IF EXISTS ratio",
    "rebuild": "CREATE OR REPLACE TABLE visits AS SELECT * FROM visits ORDER BY hash(id, {seed})",
    "double": "INSERT INTO visits SELECT * FROM visits WHERE " + ANY,
}
NEEDS_COLUMN = {"fill the column": EDITS["add a column"]}
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "insert"]), st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6
)
MIRRORED = [way for way in ways() if way.spec.mode is Mode.MIRROR]
quick = settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
long = settings(quick, max_examples=60, derandomize=False)


def edit(ground: DuckDBGround, name: str, seed: int, rows: int, way: Way) -> None:
    """One edit; a table whose rows have a key gets no row twice."""
    if name == "insert":
        more(ground, 1000 + seed * 10, 1000 + seed * 10 + rows) if not _is_there(ground, seed) else None
        return
    if name == "double" and way.spec.key_columns:
        return
    if name in NEEDS_COLUMN:
        ground.run(NEEDS_COLUMN[name])
    ground.run(EDITS[name].format(seed=seed, rows=rows))


def _is_there(ground: DuckDBGround, seed: int) -> bool:
    columns = len(table_rows(ground)[0]) if table_rows(ground) else 0
    return columns != 14 or any(row["id"] == f"v{1000 + seed * 10}" for row in table_rows(ground))


def check(box: Sandbox, way: Way, rounds: list[list[tuple[str, int, int]]]) -> None:
    """Sync, then edit and sync again, round by round, and compare each time."""
    requests.post(f"{box.url}/sandbox/reset", timeout=60).raise_for_status()
    with TemporaryDirectory() as folder, closing(DuckDBGround(Path(folder) / "warehouse.duckdb")) as ground:
        make(ground, 40)
        with closing(ground.open()) as warehouse, MixpanelProject(settings_of(box.url)) as project:
            for made in [[], *rounds]:
                for name, seed, rows in made:
                    edit(ground, name, seed, rows, way)
                synced(way.spec, warehouse, project)
                assert way.held(box.url) == way.wanted(table_rows(ground)), made


@pytest.mark.parametrize("way", MIRRORED, ids=lambda way: way.label)
@given(rounds=st.lists(edits, min_size=1, max_size=3))
@quick
def test_after_any_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, way: Way, rounds: list[list[tuple[str, int, int]]]
) -> None:
    check(running_box, way, rounds)


@pytest.mark.long
@pytest.mark.parametrize("way", MIRRORED, ids=lambda way: way.label)
@given(rounds=st.lists(edits, min_size=1, max_size=5))
@long
def test_after_very_many_edits_mirror_holds_what_the_table_says(
    running_box: Sandbox, way: Way, rounds: list[list[tuple[str, int, int]]]
) -> None:
    check(running_box, way, rounds)


@given(arrivals=st.lists(st.lists(st.integers(-90, 30), max_size=6), min_size=1, max_size=5))
@quick
def test_append_sends_late_and_equal_insert_times_within_the_lookback_once(
    running_box: Sandbox, arrivals: list[list[int]]
) -> None:
    """Rows arrive up to 90 minutes late; the lookback is two hours, and the high-water mark never goes back."""
    (way,) = (way for way in ways() if way.label == "event append keyless")
    assert way.spec.lookback >= timedelta(hours=2)
    requests.post(f"{running_box.url}/sandbox/reset", timeout=60).raise_for_status()
    with TemporaryDirectory() as folder, closing(DuckDBGround(Path(folder) / "warehouse.duckdb")) as ground:
        make(ground, 20)
        with closing(ground.open()) as warehouse, MixpanelProject(settings_of(running_box.url)) as project:
            number = 1000
            assert synced(way.spec, warehouse, project).rows_read == 20
            for arrival in arrivals:
                for minutes in arrival:
                    more(ground, number, number + 1)
                    ground.run(f"UPDATE visits SET written = (SELECT max(written) FROM visits WHERE id <> 'v{number}') "
                               f"+ to_minutes({math.trunc(minutes)}) WHERE id = 'v{number}'")  # fmt: skip
                    number += 1
                assert synced(way.spec, warehouse, project).rows_read == len(arrival)
                assert way.held(running_box.url) == way.wanted(table_rows(ground))
