"""Edits, rows that turn bad and good again, columns that change, and runs that fail, in any order: what Mixpanel holds
of each row is the last good version that a run delivered, and nothing is held of a row that is gone."""

import contextlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.run import RunOptions, run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, event_of, table_rows
from mixpanel_wh_tests.mixpanel.delivering import QUICK
from mixpanel_wh_tests.mixpanel.delivering import settings as settings_of
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

IDS = st.sampled_from([f"v{n}" for n in range(8)])
MOMENTS = st.sampled_from(["'2024-03-01 12:00:00'", "'2024-03-02 12:00:00.25'", "'1969-06-01 00:00:00'", "NULL"])
PEOPLE = st.sampled_from(["'ann'", "'bob'", "'anonymous'", "''", "NULL"])
WORDS = st.sampled_from(["'a'", "'b'", "''", "NULL"])
NUMBERS = st.sampled_from(["1", "2", "-0.5", "9007199254740993", "NULL"])
TYPES = st.sampled_from(["VARCHAR", "DECIMAL(18,2)", "DOUBLE"])
EXTRA = st.sampled_from(["extra", "more words", 'odd "name"'])
MAKE = 'CREATE TABLE visits (id VARCHAR, "at" TIMESTAMP, who VARCHAR, word VARCHAR, number DECIMAL(18,2))'


class Trouble(RuleBasedStateMachine):
    """A table, the sandbox, and for each row the last good version that was delivered."""

    def __init__(self, url: str, keyed: bool) -> None:
        super().__init__()
        requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
        self.url, self.keyed = url, keyed
        self.delivered: dict[str, str] = {}
        self.ground = DuckDBGround()
        self.warehouse = self.ground.open()
        retry = replace(QUICK, attempts=2)
        self.project = MixpanelProject(settings_of(self.url, retry=retry))
        self.spec = replace(EVENT, row_key=("id",) if self.keyed else ())

    @initialize()
    def make(self) -> None:
        self.ground.run(MAKE)

    @rule(id=IDS, at=MOMENTS, who=PEOPLE, word=WORDS, number=NUMBERS)
    def put(self, id: str, at: str, who: str, word: str, number: str) -> None:
        """A new row, or a new version of one."""
        if self.keyed:
            self.ground.run(f"DELETE FROM visits WHERE id = '{id}'")
        given = {"id": f"'{id}'", '"at"': at, "who": who, "word": word, "number": number}
        values = {name: value for name, value in given.items() if name.strip('"') in column_names(self.ground)}
        self.ground.run(f"INSERT INTO visits ({', '.join(values)}) VALUES ({', '.join(values.values())})")

    @rule(id=IDS)
    def remove(self, id: str) -> None:
        self.ground.run(f"DELETE FROM visits WHERE id = '{id}'")

    @rule(id=IDS, at=MOMENTS)
    def move(self, id: str, at: str) -> None:
        self.ground.run(f"UPDATE visits SET \"at\" = {at} WHERE id = '{id}'")

    @rule(name=EXTRA, word=WORDS)
    def add_column(self, name: str, word: str) -> None:
        quoted = self.ground.quote(name)
        self.ground.run(f"ALTER TABLE visits ADD COLUMN IF NOT EXISTS {quoted} VARCHAR")
        self.ground.run(f"UPDATE visits SET {quoted} = {word} WHERE id < 'v4'")

    @rule(name=EXTRA | st.just("word"))
    def drop_column(self, name: str) -> None:
        self.ground.run(f"ALTER TABLE visits DROP COLUMN IF EXISTS {self.ground.quote(name)}")

    @rule(type=TYPES)
    def retype(self, type: str) -> None:
        self.ground.run(f"ALTER TABLE visits ALTER number TYPE {type}")

    @rule()
    def rebuild(self) -> None:
        self.ground.run("CREATE OR REPLACE TABLE visits AS SELECT * FROM visits ORDER BY random()")

    @rule(stored=st.booleans(), skip=st.integers(0, 1))
    def fail(self, stored: bool, skip: int) -> None:
        """A run that Mixpanel does not answer, whether it stored what was sent or not."""
        before = self.started()
        holding.fault(self.url, "server_error", times=None, skip=skip, after_store=stored)
        with contextlib.suppress(DestinationUnavailable):
            run_sync(self.spec, self.warehouse, self.project)
        holding.mend(self.url)
        # What was staged now is delivered by the next run, whatever the table says then.
        if self.started() is None or self.started() != before:
            self.keep(table_rows(self.ground))

    def started(self) -> str | None:
        """When the pending run was started; None when there is none."""
        pending = self.warehouse.state.load(self.spec.name).pending
        return pending.started_at if pending else None

    @rule()
    def sync(self) -> None:
        self.agree(RunOptions())

    @precondition(lambda self: self.started() is None)
    @rule()
    def resync(self) -> None:
        self.agree(RunOptions(full_resync=True))

    def agree(self, options: RunOptions) -> None:
        """A run that ends, and the comparison."""
        result = run_sync(self.spec, self.warehouse, self.project, options)
        assert (
            result.rows_read == result.accepted + result.rejected == result.inserted + result.updated + result.deleted
        )
        rows = table_rows(self.ground)
        if self.keyed:
            self.keep(rows)
            wanted = Counter(self.delivered.values())
        else:
            wanted = Counter(event_of(row) for row in rows if not holding.refusable(row))
        assert holding.events(self.url) == wanted
        assert run_sync(self.spec, self.warehouse, self.project).rows_read == 0

    def keep(self, rows: list[dict[str, Any]]) -> None:
        """What was delivered of each row by now."""
        good = {row["id"]: event_of(row) for row in rows if not holding.refusable(row)}
        present = {row["id"] for row in rows}
        self.delivered = {id: event for id, event in self.delivered.items() if id in present} | good

    def teardown(self) -> None:
        try:
            self.agree(RunOptions())
        finally:
            self.project.close()
            self.warehouse.close()
            self.ground.close()


def column_names(ground: DuckDBGround) -> list[str]:
    """The columns of the table."""
    return list(ground.connection.sql("FROM visits").columns)


QUICKLY = settings(
    max_examples=6, stateful_step_count=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
LONG = settings(QUICKLY, max_examples=25, stateful_step_count=25, derandomize=False)


def machine(url: str, keyed: bool) -> Any:
    """What Hypothesis makes machines with."""
    return lambda: Trouble(url, keyed)


@pytest.mark.parametrize("keyed", [True, False])
def test_whatever_happens_between_runs_the_last_good_version_is_held(running_box: Sandbox, keyed: bool) -> None:
    run_state_machine_as_test(machine(running_box.url, keyed), settings=QUICKLY)


@pytest.mark.long
@pytest.mark.parametrize("keyed", [True, False])
def test_whatever_happens_for_long_the_last_good_version_is_held(running_box: Sandbox, keyed: bool) -> None:
    run_state_machine_as_test(machine(running_box.url, keyed), settings=LONG)
