"""Plans: what they foretell, and that they leave everything as it was."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, DuplicateKeys, GuardStopped, SyncBusy
from mixpanel_wh.engine.guards import Passed
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.plan import Plan, PlanOptions, plan_sync
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import Progress, run_sync
from mixpanel_wh.engine.spec import Limit, Mode, SyncSpec
from mixpanel_wh_tests.engine.dying import Died, DyingWarehouse, Fate
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.engine.tables import (
    APPEND,
    EVERY,
    FULL,
    LATER,
    MIRROR,
    ONE_TIME,
    PEOPLE,
    PLACES,
    add,
    edit,
    expected,
    fill,
    line,
    make,
)
from mixpanel_wh_tests.engine.test_crashes import bury
from mixpanel_wh_tests.engine.test_modes import words
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

NUMBERS = ("inserted", "updated", "deleted", "rejected", "records", "requests", "bytes_raw")


def staged(ground: DuckDBGround, spec: SyncSpec) -> dict[str, Any]:
    """Everything in the staging schema, by table."""
    listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mixpanel' ORDER BY 1"
    names = [str(name) for (name,) in ground.rows(listed)]
    assert f"changes_{spec.name}" not in names
    return {name: sorted(map(str, ground.rows(f'FROM mixpanel."{name}"'))) for name in names}


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_plan_tells_what_the_next_run_does_and_leaves_everything_as_it_was(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    for edited in (False, True):
        if edited:
            edit(ground, spec)
            add(ground, line("bad", "bad", LATER))
        plan = plan_sync(spec, warehouse, mixpanel)
        before, sent = staged(ground, spec), len(mixpanel.project.records)
        assert plan_sync(spec, warehouse, mixpanel) == plan
        assert staged(ground, spec) == before
        assert (plan.exact, plan.guards, plan.unfinished) == (True, (), None)
        result = run_sync(spec, warehouse, mixpanel)
        assert [getattr(plan, name) for name in NUMBERS] == [getattr(result, name) for name in NUMBERS]
        assert plan.records == len(mixpanel.project.records) - sent
        assert plan.rejected == (0 if spec is ONE_TIME else edited)


def test_a_plan_writes_no_result_and_no_rejection(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    add(ground, line("b1", "bad"))
    for spec in EVERY:
        plan = plan_sync(spec, warehouse, mixpanel)
        assert (plan.rows, plan.rejected) == (36, 1)
        assert [(one.row_key, one.column, one.reason) for one in plan.rejections] == [("b1", "word", "a property is bad")]
        assert warehouse.state.last_result(spec.name) is None
    assert {name: rows for name, rows in staged(ground, MIRROR).items() if rows} == {
        "snapshots": staged(ground, MIRROR)["snapshots"]
    }
    assert mixpanel.project.records == []


def test_only_records_that_go_to_mixpanel_as_events_are_billable(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    billed = {spec.name: plan_sync(spec, warehouse, mixpanel).billable_events for spec in EVERY}
    assert billed == {"mirrored": 35, "appended": 35, "people": 0, "full": 0, "once": 0, "places": 0}
    assert plan_sync(MIRROR, warehouse, mixpanel).seconds == 3.5


def test_where_nothing_is_to_be_sent_a_plan_says_why(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    ground.run("UPDATE words SET written = NULL WHERE id = '1'")
    for spec in (ONE_TIME, PLACES, MIRROR, APPEND):
        assert plan_sync(spec, warehouse, mixpanel).committed_at is None
        run_sync(spec, warehouse, mixpanel)
        plan = plan_sync(spec, warehouse, mixpanel)
        assert (plan.rows, plan.encoded, plan.exact, plan.requests) == (0, 0, True, 0)
        assert str(plan.committed_at).startswith("20")
    assert plan_sync(ONE_TIME, warehouse, mixpanel).note.startswith("sent once already, at 20")
    assert plan_sync(APPEND, warehouse, mixpanel).note == "1 rows have no written and are never read by append"


def test_at_most_so_many_rows_are_encoded_and_the_counts_of_changes_stay_exact(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    fill(ground, 3_000)
    ground.change("words", "word", "bad", "VARCHAR", "ends_with(id, '7')")
    mixpanel.project.max_records = 100
    seen: list[Progress] = []
    plan = plan_sync(MIRROR, warehouse, mixpanel, PlanOptions(rows=1_000), seen.append)
    assert (plan.rows, plan.inserted, plan.encoded, plan.exact) == (3_000, 3_000, 1_000, False)
    assert (plan.requests, plan.rejected, plan.records) == (30, 300, 2_700)
    assert (seen[-1].rows, seen[-1].total, seen[-1].rejected) == (1_000, 1_000, 100)
    whole = plan_sync(MIRROR, warehouse, mixpanel, PlanOptions(rows=None))
    assert (whole.exact, whole.requests, whole.rejected, whole.records) == (True, 30, 300, 2_700)
    assert whole.bytes_raw == pytest.approx(plan.bytes_raw, rel=0.02)


def test_a_plan_while_a_run_holds_the_lease_says_so(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    with LeaseKeeper("mirrored", "run", warehouse.state), pytest.raises(SyncBusy, match="sync mirrored is being run by"):
        plan_sync(MIRROR, warehouse, mixpanel)
    assert plan_sync(MIRROR, warehouse, mixpanel).rows == 35


def test_a_run_while_a_plan_holds_the_lease_waits_for_it(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)

    def run(progress: Progress) -> None:
        with pytest.raises(SyncBusy):
            run_sync(MIRROR, warehouse, mixpanel)

    assert plan_sync(MIRROR, warehouse, mixpanel, on_progress=run).rows == 35
    assert mixpanel.project.records == []
    assert run_sync(MIRROR, warehouse, mixpanel).inserted == 35


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_an_interrupted_plan_gives_its_lease_back_and_throws_away_what_it_staged(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_sync(spec, warehouse, mixpanel, on_progress=interrupt)
    assert staged(ground, spec)["leases"] == []
    assert run_sync(spec, warehouse, mixpanel).inserted == 35


@pytest.mark.parametrize("fails_after", [0, 2])
@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_a_pending_run_is_finished_first_and_nothing_more_is_planned(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec, fails_after: int
) -> None:
    make(ground)
    mixpanel.project.fails_after = fails_after
    mixpanel.project.concurrency = 1
    with pytest.raises(DestinationUnavailable) as caught:
        run_sync(spec, warehouse, mixpanel)
    edit(ground, spec)
    before = staged_with_changes(ground)
    plan = plan_sync(spec, warehouse, mixpanel)
    assert staged_with_changes(ground) == before
    assert plan.unfinished is not None
    assert caught.value.result is not None
    assert (plan.unfinished.rows_left, plan.unfinished.stopped) == (35 - caught.value.result.rows_read, False)
    assert (plan.rows, plan.requests, plan.would_stop) == (0, 0, False)
    mixpanel.project.fails_after = None
    assert run_sync(spec, warehouse, mixpanel).resumed
    assert words(mixpanel) == expected(ground)


def staged_with_changes(ground: DuckDBGround) -> list[str]:
    """The pending runs, and what is staged for them."""
    listed = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'changes%'"
    (changes,) = [name for (name,) in ground.rows(listed)]
    return [*map(str, ground.rows("FROM mixpanel.pending_runs")), *map(str, ground.rows(f"FROM mixpanel.{changes}"))]


def test_a_pending_window_is_sent_again_first(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    mixpanel.project.fails_after = 2
    with pytest.raises(DestinationUnavailable):
        run_sync(APPEND, warehouse, mixpanel)
    edit(ground, APPEND)
    unfinished = plan_sync(APPEND, warehouse, mixpanel).unfinished
    assert unfinished is not None
    assert unfinished.rows_left == 35


@pytest.mark.parametrize("spec", [FULL, ONE_TIME, PLACES], ids=lambda spec: spec.name)
def test_a_pending_run_that_is_given_up_stands_in_no_plans_way(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    mixpanel.project.fails_after = 0
    with pytest.raises(DestinationUnavailable):
        run_sync(spec, warehouse, mixpanel)
    add(ground, line("new"))
    plan = plan_sync(spec, warehouse, mixpanel)
    assert (plan.unfinished, plan.rows) == (None, 36)
    mixpanel.project.fails_after = None
    assert run_sync(spec, warehouse, mixpanel).rows_read == 36


@pytest.mark.parametrize("spec", [MIRROR, APPEND], ids=lambda spec: spec.name)
def test_a_run_that_a_guard_stopped_is_told_of(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    add(ground, line("b1", "bad"), line("b2", "bad"))
    strict = replace(spec, max_rejected=Limit(rows=1))
    foretold = plan_sync(strict, warehouse, mixpanel)
    assert foretold.guards == (Passed("max_rejected", 2, 37),)
    assert foretold.would_stop
    with pytest.raises(GuardStopped):
        run_sync(strict, warehouse, mixpanel)
    plan = plan_sync(strict, warehouse, mixpanel)
    if spec is MIRROR:
        assert plan.unfinished is not None
        assert plan.unfinished.stopped
    else:
        assert (plan.unfinished, plan.rows, plan.guards) == (None, 37, foretold.guards)


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_guards_on_deletes_and_changes_are_foretold(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    guarded = replace(spec, max_deletes=Limit(rows=4), max_changes=Limit(share=0.4))
    run_sync(guarded, warehouse, mixpanel)
    ground.remove("words", "id IN ('0', '1', '2', '3', '4')")
    assert plan_sync(guarded, warehouse, mixpanel).guards == (Passed("max_deletes", 5, 30),)
    ground.change("words", "word", "new", "VARCHAR", "CAST(id AS INTEGER) >= 25")
    plan = plan_sync(guarded, warehouse, mixpanel)
    assert plan.guards == (Passed("max_deletes", 5, 30), Passed("max_changes", 15, 30))
    assert plan.as_dict()["guards"][1] == {"guard": "max_changes", "rows": 15, "total": 30}
    assert (plan.updated, plan.deleted, plan.as_dict()["would_stop"]) == (10, 5, True)
    with pytest.raises(GuardStopped, match="5 rows of 30 pass max_deletes"):
        run_sync(guarded, warehouse, mixpanel)
    assert plan_sync(spec, warehouse, mixpanel).guards == ()


def test_a_repeated_row_key_ends_a_plan_as_it_ends_a_run(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    add(ground, line("7"))
    for spec in (MIRROR, PEOPLE, APPEND):
        with pytest.raises(DuplicateKeys):
            plan_sync(spec, warehouse, mixpanel)
    assert plan_sync(replace(MIRROR, on_duplicate_key="reject"), warehouse, mixpanel).rejected == 2


def deaths(spec: SyncSpec) -> Iterator[tuple[DuckDBGround, MemoryMixpanel]]:
    """The ground after a plan that died at each of its steps."""
    for at in range(1, 200):
        with closing(DuckDBGround()) as ground, closing(ground.open()) as warehouse:
            make(ground)
            mixpanel = MemoryMixpanel()
            run_sync(spec, warehouse, mixpanel)
            edit(ground, spec)
            try:
                plan_sync(spec, DyingWarehouse(warehouse, Fate(at)), mixpanel)
                return
            except Died:
                bury(ground)
                yield ground, mixpanel


@pytest.mark.parametrize("spec", [MIRROR, APPEND], ids=lambda spec: spec.name)
def test_wherever_a_plan_dies_the_next_plan_and_the_next_run_are_none_the_worse(spec: SyncSpec) -> None:
    wanted: Plan | None = None
    for ground, mixpanel in deaths(spec):
        with closing(ground.open()) as warehouse:
            plan = plan_sync(spec, warehouse, mixpanel)
            wanted = replace(wanted or plan, committed_at=plan.committed_at)
            assert plan == wanted
            result = run_sync(spec, warehouse, mixpanel)
        assert (result.resumed, result.inserted) == (False, 2)
        assert [getattr(plan, name) for name in NUMBERS] == [getattr(result, name) for name in NUMBERS]
        if spec.mode is Mode.MIRROR:
            assert words(mixpanel) == expected(ground)
    assert wanted is not None
