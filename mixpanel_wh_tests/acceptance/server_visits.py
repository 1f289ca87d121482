"""The table that acceptance tests sync from a database server in every legal way, and two tests that any server passes.

Each server says of which types the table is there, and how its rows are made.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import requests
from hypothesis import strategies as st

from mixpanel_wh.engine.audit import audit_sync
from mixpanel_wh.engine.audit_result import AuditOptions, Compare
from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.test_combinations import synced
from mixpanel_wh_tests.acceptance.visits import Way, ways
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.warehouses.ground import Ground

LABELS = [way.label for way in ways()]
ANY = "id IN (SELECT id FROM visits ORDER BY md5(id || {seed}) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, tags = NULL, place = NULL, total = NULL WHERE " + ANY,
    "move": "UPDATE visits SET at = at + INTERVAL '1 second' * ({seed} + 1) WHERE " + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN IF NOT EXISTS added {text}",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN IF EXISTS ratio",
    "rebuild": "CREATE TABLE again AS SELECT * FROM visits ORDER BY md5(id || {seed}); DROP TABLE visits; "
               "ALTER TABLE again RENAME TO visits",
    "double": "INSERT INTO visits SELECT * FROM visits WHERE " + ANY,
}
RENEW, LOSE, TAKE_AWAY = "renew some", "lose a label", "take some away"
LATER = {
    RENEW: "UPDATE visits SET label = 'new', amount = -1 WHERE id IN ('v1', 'v8')",
    LOSE: "UPDATE visits SET label = NULL, who = 'somebody' WHERE id = 'v9'",
    TAKE_AWAY: "DELETE FROM visits WHERE id IN ('v2', 'v50')",
}
Edit = tuple[str, int, int]
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "insert"]), st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6
)


@dataclass(frozen=True)
class ServerVisits:
    """The table `visits` of a server: statements that make it, the last of them CREATE TABLE; a statement that adds rows
    from FIRST on, before LAST; expressions that read columns as Mixpanel gets them, where they differ; edits by name in
    the server's own words, of which it may lack some; and those that every run is followed by."""

    kind: str
    types: str = ""
    rows: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, str] = field(default_factory=lambda: EDITS)
    later: Mapping[str, str] = field(default_factory=lambda: LATER)

    def make(self, ground: Ground, rows: int) -> None:
        """The table, with so many rows of every type."""
        for statement in self.types.split(";"):
            ground.run(statement)
        self.more(ground, 0, rows)

    def more(self, ground: Ground, first: int, last: int) -> None:
        """Rows of the same kind, in the columns that are there."""
        there = self.columns(ground)
        made = self.rows.replace("FIRST", str(first)).replace("LAST", str(last))
        if there == self.made:
            ground.run(made)
            return
        ground.run("CREATE TEMPORARY TABLE made (LIKE shape)")
        ground.run(made.replace("INTO visits", "INTO made"))
        kept = ", ".join(name for name in there if name in self.made)
        ground.run(f"INSERT INTO visits ({kept}) SELECT {kept} FROM made")
        ground.run("DROP TABLE made")

    def keep_shape(self, ground: Ground) -> None:
        """An empty table of the columns of now, in which rows can be made after the table has others."""
        ground.run("CREATE TABLE shape (LIKE visits)")

    @property
    def made(self) -> list[str]:
        """The columns of the table as it was made."""
        inside = self.types.split("CREATE TABLE visits (")[1].rpartition(")")[0]
        return [part.split()[0] for part in _outside_of_brackets(inside)]

    def columns(self, ground: Ground) -> list[str]:
        """The columns of the table as it is."""
        return [str(row[0]) for row in ground.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'visits'::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum"
        )]  # fmt: skip

    def table_rows(self, ground: Ground) -> list[dict[str, Any]]:
        """Every row of the table; what has no place in Mixpanel is None."""
        names = self.columns(ground)
        chosen = ", ".join(self.shown.get(name, name) for name in names)
        rows = ground.rows(f"SELECT {chosen} FROM visits")
        return [dict(zip(names, (_plain(value) for value in row), strict=True)) for row in rows]

    def labelled(self, ground: Ground, label: str) -> Way:
        """One of the ways."""
        way = next(way for way in ways() if way.label == label)
        return replace(way, spec=replace(way.spec, table=ground.name("visits")))

    def edit(self, ground: Ground, name: str, seed: int, rows: int, keyed: bool) -> None:
        """One edit; a table whose rows have a key gets no row twice."""
        if name == "insert":
            first = 1000 + seed * 10
            if not any(row["id"] == f"v{first}" for row in self.table_rows(ground)):
                self.more(ground, first, first + rows)
            return
        if name not in self.edits or (name == "double" and keyed):
            return
        if name == "fill the column":
            self.edit(ground, "add a column", seed, rows, keyed)
        for statement in self.edits[name].split("; "):
            self.run(ground, statement, seed=seed, rows=rows)

    def run(self, ground: Ground, statement: str, **more: object) -> None:
        """Run a statement, with the table, its columns, the type of texts and more in the places that it has for
        them."""
        there = {"visits": ground.source("visits"), "text": ground.kinds.text}
        if "{columns}" in statement:
            there["columns"] = ", ".join(self.columns(ground))
        ground.run(statement.format(**there, **more))


def _outside_of_brackets(text: str) -> list[str]:
    """The parts between commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _plain(value: Any) -> Any:
    """A value as the other rows of these tests have it: bytes as bytes."""
    return bytes(value) if isinstance(value, memoryview) else value


def holds_the_table_run_after_run(
    visits: ServerVisits, ground: Ground, project: MixpanelProject, url: str, label: str
) -> None:
    """A sandbox holds what the table says after a first run, a run with nothing new, and a run after edits."""
    visits.make(ground, 120)
    way, first = visits.labelled(ground, label), visits.table_rows(ground)
    mode = way.spec.mode
    with closing(ground.open()) as warehouse:
        result = synced(way.spec, warehouse, project)
        assert (result.rows_read, result.rejected) == (120, 0)
        assert way.held(url) == way.wanted(first)
        sent = holding.summary(url)["requests"]
        assert synced(way.spec, warehouse, project).rows_read == (120 if mode is Mode.FULL else 0)
        assert mode is Mode.FULL or holding.summary(url)["requests"] == sent
        visits.more(ground, 200, 220)
        for name in {Mode.APPEND: [], Mode.FULL: [RENEW]}.get(mode, [RENEW, LOSE, TAKE_AWAY]):
            visits.run(ground, visits.later[name])
        synced(way.spec, warehouse, project)
        for compare in Compare:
            found = audit_sync(way.spec, warehouse, project, AuditOptions(compare))
            assert found.agrees is (mode is not Mode.ONE_TIME or found.record == "lookup"), found.sentence
    assert way.held(url) == way.wanted(first if mode is Mode.ONE_TIME else visits.table_rows(ground))


def holds_the_table_after_edits(
    visits: ServerVisits, ground: Ground, url: str, label: str, rounds: Sequence[Sequence[Edit]]
) -> None:
    """A sandbox holds what the table says after each round of edits and a Mirror run."""
    requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
    visits.make(ground, 40)
    visits.keep_shape(ground)
    assert visits.columns(ground) == visits.made
    way = visits.labelled(ground, label)
    with closing(ground.open()) as warehouse, MixpanelProject(settings_of(url), visits.kind) as project:
        for made in [[], *rounds]:
            for name, seed, rows in made:
                visits.edit(ground, name, seed, rows, bool(way.spec.key_columns))
            synced(way.spec, warehouse, project)
            assert way.held(url) == way.wanted(visits.table_rows(ground)), made
