"""The process dies at every step of a run in turn; the next run finishes what it started, and nothing is lost.

What is sent twice carries the same key; what was rejected is written down once.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from mixpanel_wh.engine import run as run_module
from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.run import RunOptions, run_sync
from mixpanel_wh.engine.spec import Limit, Mode, SyncSpec
from mixpanel_wh_tests.engine.dying import Died, DyingWarehouse, Fate
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.engine.tables import (
    APPEND,
    EVERY,
    FULL,
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
from mixpanel_wh_tests.engine.test_modes import consistent, words
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

EVERYTHING = RunOptions(full_resync=True)


@pytest.fixture(autouse=True)
def saving_at_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is written down after each part, so that there are more steps to die at."""
    monkeypatch.setattr(run_module, "SAVE_EVERY_SECONDS", -1.0)


Life = tuple[int, DuckDBGround, MemoryMixpanel]


def lives(spec: SyncSpec, options: RunOptions, synced_before: bool, first: int, every: int) -> Iterator[Life]:
    """Steps at which a run may die, each on a database of its own, right after the death; `every` is the distance
    between two steps, `first` where they begin."""
    for at in range(first, 500, every):
        with closing(DuckDBGround()) as ground, closing(ground.open()) as warehouse:
            make(ground)
            add(ground, line("b", "bad"))
            mixpanel, fate = MemoryMixpanel(), Fate(at)
            if synced_before:
                run_sync(spec, warehouse, mixpanel)
                edit(ground, spec)
            try:
                run_sync(spec, DyingWarehouse(warehouse, fate), mixpanel, options)
                return
            except Died:
                bury(ground)
                mixpanel.project.ended.clear()  # the dead's connections may have been cut; the next process has its own
                yield at, ground, mixpanel


def bury(ground: DuckDBGround) -> None:
    """Take the dead's lease away: its process is this one, which lives on."""
    if ground.rows("SELECT * FROM information_schema.tables WHERE table_name = 'leases'"):
        ground.run("DELETE FROM mixpanel.leases")


@pytest.mark.parametrize("synced_before", [False, True])
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_whatever_the_step_the_next_run_brings_mixpanel_in_step(spec: SyncSpec, synced_before: bool) -> None:
    deaths_leave_nothing_lost(spec, synced_before, first=1 + EVERY.index(spec), every=7)


@pytest.mark.long
@pytest.mark.parametrize("synced_before", [False, True])
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_at_every_single_step_the_next_run_brings_mixpanel_in_step(spec: SyncSpec, synced_before: bool) -> None:
    deaths_leave_nothing_lost(spec, synced_before, first=1, every=1)


def deaths_leave_nothing_lost(spec: SyncSpec, synced_before: bool, first: int, every: int) -> None:
    """Die at each of those steps, run again, and compare."""
    steps = 0
    if spec.mode is Mode.ONE_TIME and synced_before:
        return  # what was sent once is not sent again
    spec = replace(spec, max_rejected=Limit(rows=1))  # the one bad row must not be counted twice
    for at, ground, mixpanel in lives(spec, RunOptions(), synced_before, first, every):
        steps = at
        with closing(ground.open()) as warehouse:
            result = consistent(run_sync(spec, warehouse, mixpanel))
            assert result.status == "succeeded"
            known = expected(ground)
            known.pop("b")
            gone = {"4": "good"} if spec.record is PLACES.record and synced_before else {}
            assert words(mixpanel) == known | gone, at
            assert max(mixpanel.sent.values()) <= 2 + synced_before + (spec.mode is Mode.FULL), at
            assert warehouse.state.load(spec.name).pending is None
            quiet = run_sync(spec, warehouse, mixpanel)
            assert quiet.rows_read == (len(known) + 1 if spec.mode is Mode.FULL else 0), at
            twice = ground.rows(
                "SELECT run_id FROM mixpanel.rejected_rows GROUP BY run_id, row_key HAVING count(*) > 1"
            )
            assert twice == [] or spec.mode is Mode.FULL, at  # it reads the table a second time
    assert steps > 12


@pytest.mark.parametrize("spec", [MIRROR, APPEND, ONE_TIME], ids=lambda spec: spec.name)
def test_a_full_resync_that_dies_can_be_asked_for_again(spec: SyncSpec) -> None:
    for at, ground, mixpanel in lives(spec, EVERYTHING, synced_before=True, first=2, every=8):
        with closing(ground.open()) as warehouse:
            before = len(mixpanel.project.records)
            consistent(run_sync(spec, warehouse, mixpanel, EVERYTHING))
            known = expected(ground)
            known.pop("b")
            assert words(mixpanel) == known, at
            assert {record["key"] for record in mixpanel.project.records[before:]} >= set(known), at
            assert run_sync(spec, warehouse, mixpanel).rows_read == 0


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
@pytest.mark.parametrize("options", [RunOptions(), EVERYTHING], ids=["plain", "resync"])
def test_what_was_taken_without_an_answer_is_deleted_once_its_row_goes(
    ground: DuckDBGround, mixpanel: MemoryMixpanel, spec: SyncSpec, options: RunOptions
) -> None:
    make(ground, 95)
    mixpanel.project.fails_after, mixpanel.project.answers_lost, mixpanel.project.concurrency = 2, True, 1
    with closing(ground.open()) as warehouse:
        with pytest.raises(DestinationUnavailable):
            run_sync(spec, warehouse, mixpanel)
        unanswered = set(words(mixpanel)) - {str(record["key"]) for record in mixpanel.project.records[:20]}
        assert unanswered
        mixpanel.project.fails_after = None
        ground.remove("words", f"id IN ({', '.join(repr(key) for key in sorted(unanswered))})")
        consistent(run_sync(spec, warehouse, mixpanel, options))
        assert words(mixpanel) == expected(ground)
        assert run_sync(spec, warehouse, mixpanel).rows_read == 0


@pytest.mark.parametrize("spec", [FULL, ONE_TIME], ids=lambda spec: spec.name)
def test_what_sends_every_row_anyhow_sends_them_once_after_a_run_that_failed(
    ground: DuckDBGround, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    mixpanel.project.fails_after = 2
    with closing(ground.open()) as warehouse:
        with pytest.raises(DestinationUnavailable):
            run_sync(spec, warehouse, mixpanel)
        mixpanel.project.fails_after = None
        result = consistent(run_sync(spec, warehouse, mixpanel))
        assert (result.resumed, result.rows_read) == (True, 35)
    assert words(mixpanel) == expected(ground)


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_mirror_goes_on_after_the_last_answer_that_was_written_down(
    ground: DuckDBGround, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    fill(ground, 70_000)
    mixpanel.project.max_records, mixpanel.project.fails_at = 500, "k69000"
    with closing(ground.open()) as warehouse:
        with pytest.raises(DestinationUnavailable):
            run_sync(spec, warehouse, mixpanel)
        pending = warehouse.state.load(spec.name).pending
        assert pending is not None
        assert 0 < pending.acknowledged == pending.accepted < 70_000
        mixpanel.project.fails_at = None
        ground.change("words", "word", "later", "VARCHAR", "id = 'k3'")
        result = consistent(run_sync(spec, warehouse, mixpanel))
        assert result.resumed
        assert result.rows_read == 70_000 - pending.acknowledged + 1
        assert result.updated == 1
    assert words(mixpanel) == expected(ground)
    assert max(mixpanel.sent.values()) <= 2


@pytest.mark.parametrize("spec", [FULL, APPEND], ids=lambda spec: spec.name)
def test_a_run_that_begins_anew_does_not_count_its_rejections_twice(
    ground: DuckDBGround, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    fill(ground, 40_000)
    ground.change("words", "word", "bad", "VARCHAR", "id = 'k5'")
    spec = replace(spec, max_rejected=Limit(rows=1))
    mixpanel.project.max_records, mixpanel.project.fails_at = 5_000, "k39000"
    with closing(ground.open()) as warehouse:
        with pytest.raises(DestinationUnavailable):
            run_sync(spec, warehouse, mixpanel)
        pending = warehouse.state.load(spec.name).pending
        assert pending is not None
        assert (pending.rejected, pending.acknowledged > 0) == (1, True)
        mixpanel.project.fails_at = None
        assert run_sync(spec, warehouse, mixpanel).status == "succeeded"


def test_a_destination_that_fails_a_few_batches_further_each_time_is_served_in_the_end(
    ground: DuckDBGround, mixpanel: MemoryMixpanel
) -> None:
    make(ground, 95)
    with closing(ground.open()) as warehouse:
        for limit in range(10):
            mixpanel.project.fails_after = limit
            with suppress(DestinationUnavailable):
                run_sync(MIRROR, warehouse, mixpanel)
        mixpanel.project.fails_after = None
        run_sync(MIRROR, warehouse, mixpanel)
        assert words(mixpanel) == expected(ground)
        assert run_sync(MIRROR, warehouse, mixpanel).rows_read == 0


@pytest.mark.parametrize("spec", [APPEND, replace(APPEND, row_key=())], ids=["keyed", "keyless"])
def test_an_append_window_that_was_started_is_finished_before_newer_rows_are_read(
    ground: DuckDBGround, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    with closing(ground.open()) as warehouse:
        mixpanel.project.fails_after = 2
        with pytest.raises(DestinationUnavailable):
            run_sync(spec, warehouse, mixpanel)
        mixpanel.project.fails_after = None
        edit(ground, spec)
        result = consistent(run_sync(spec, warehouse, mixpanel))
        assert result.resumed
        assert {record["sent"]["id"] for record in mixpanel.project.records} == set(expected(ground))
        assert len({record["key"] for record in mixpanel.project.records}) == 37
        assert run_sync(spec, warehouse, mixpanel).rows_read == 0
