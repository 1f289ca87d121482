"""Guards stop a run that would do far more than usual; what was delivered by then is known, and nothing is lost."""

from dataclasses import replace

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, DuplicateKeys, GuardStopped
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import RunOptions, run_sync
from mixpanel_wh.engine.spec import Limit, SyncSpec
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.engine.tables import APPEND, FULL, MIRROR, ONE_TIME, PEOPLE, add, expected, fill, line, make
from mixpanel_wh_tests.engine.test_modes import words
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

ACCEPT = RunOptions(accept_guards=True)
STRICT = Limit(rows=1)


@pytest.mark.parametrize(
    ("limits", "guard"),
    [
        ({"max_deletes": Limit(rows=4)}, "5 rows of 30 pass max_deletes"),
        ({"max_deletes": Limit(share=0.1)}, "5 rows of 30 pass max_deletes"),
        ({"max_changes": Limit(rows=14)}, "15 rows of 30 pass max_changes"),
        ({"max_deletes": Limit(rows=5), "max_changes": Limit(rows=15)}, None),
        ({"max_changes": Limit(share=0.5)}, None),
    ],
)
@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_more_deletes_or_changes_than_allowed_stop_before_anything_is_sent(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec, limits: dict[str, Limit],
    guard: str | None,
) -> None:  # fmt: skip
    make(ground)
    guarded = replace(spec, **limits)  # type: ignore[arg-type]
    run_sync(guarded, warehouse, mixpanel)
    ground.remove("words", "id IN ('0', '1', '2', '3', '4')")
    ground.change("words", "word", "new", "VARCHAR", "CAST(id AS INTEGER) >= 25")
    mixpanel.project.records.clear()
    if guard:
        for _ in range(2):
            with pytest.raises(GuardStopped, match=guard) as caught:
                run_sync(guarded, warehouse, mixpanel)
            assert caught.value.result is not None
            assert (caught.value.result.status, caught.value.result.rows_read) == ("stopped", 0)
            assert mixpanel.project.records == []
            assert warehouse.state.load(spec.name).pending is None
    result = run_sync(guarded, warehouse, mixpanel, ACCEPT if guard else RunOptions())
    assert (result.updated, result.deleted) == (10, 5)
    assert words(mixpanel) == expected(ground)


def test_inserts_pass_no_guard_on_changes(ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel) -> None:
    make(ground)
    guarded = replace(MIRROR, max_changes=Limit(rows=0), max_deletes=Limit(rows=0))
    assert run_sync(guarded, warehouse, mixpanel).inserted == 35


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE, APPEND, FULL, ONE_TIME], ids=lambda spec: spec.name)
def test_too_many_rejections_stop_before_the_commit_and_lose_nothing(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    add(ground, line("b1", "bad"), line("b2", "bad"))
    guarded = replace(spec, max_rejected=STRICT)
    before = warehouse.state.load(spec.name).checkpoint
    with pytest.raises(GuardStopped, match=r"2 of 37 rows were rejected.*a property is bad \(row key b") as caught:
        run_sync(guarded, warehouse, mixpanel)
    result = caught.value.result
    assert result is not None
    assert (result.status, result.rejected, result.accepted) == ("stopped", 2, 35)
    state = warehouse.state.load(spec.name)
    assert state.checkpoint == before
    assert state.pending is not None
    assert state.pending.stopped
    assert len(warehouse.state.rejections(spec.name, result.run_id)) == 2
    ground.change("words", "word", "mended", "VARCHAR", "word = 'bad'")
    after = run_sync(guarded, warehouse, mixpanel)
    assert after.resumed is False
    assert after.rejected == 0
    assert words(mixpanel) == expected(ground)


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_after_a_guard_on_rejections_mirror_sends_only_what_was_not_delivered(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    add(ground, line("b1", "bad"), line("b2", "bad"))
    guarded = replace(spec, max_rejected=STRICT)
    with pytest.raises(GuardStopped):
        run_sync(guarded, warehouse, mixpanel)
    with pytest.raises(GuardStopped, match="2 of 2 rows"):
        run_sync(guarded, warehouse, mixpanel)
    result = run_sync(guarded, warehouse, mixpanel, ACCEPT)
    assert (result.rows_read, result.rejected) == (2, 2)
    assert run_sync(guarded, warehouse, mixpanel).rows_read == 0
    assert set(mixpanel.sent.values()) == {1}


def test_a_guard_stops_reading_early(ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel) -> None:
    fill(ground, 400_000, "bad")
    with pytest.raises(GuardStopped) as caught:
        run_sync(MIRROR, warehouse, mixpanel)
    assert caught.value.result is not None
    assert caught.value.result.rows_read < 400_000


def test_a_guard_reads_a_resumed_run_to_its_end_so_that_every_row_of_it_is_answered(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    fill(ground, 400_000, "bad")
    ground.change("words", "word", "good", "VARCHAR", "id = 'k0'")
    mixpanel.project.fails_after = 0
    with pytest.raises(DestinationUnavailable):
        run_sync(MIRROR, warehouse, mixpanel)
    mixpanel.project.fails_after = None
    with pytest.raises(GuardStopped) as caught:
        run_sync(MIRROR, warehouse, mixpanel)
    assert caught.value.result is not None
    assert (caught.value.result.rows_read, caught.value.result.accepted) == (400_000, 1)


def test_a_guard_that_stopped_a_resumed_run_settles_both_of_its_halves(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    mixpanel.project.fails_after = 2
    with pytest.raises(DestinationUnavailable):
        run_sync(MIRROR, warehouse, mixpanel)
    mixpanel.project.fails_after = None
    mixpanel.project.refuses = lambda record: "no" if record["key"] in ("1", "2") else None
    with pytest.raises(GuardStopped):
        run_sync(replace(MIRROR, max_rejected=STRICT), warehouse, mixpanel)
    mixpanel.project.refuses = lambda record: None
    result = run_sync(MIRROR, warehouse, mixpanel)
    assert (result.rows_read, result.inserted) == (2, 2)
    assert words(mixpanel) == expected(ground)


def test_a_repeated_row_key_stops_before_anything_is_sent(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    add(ground, line("7"))
    for spec in (MIRROR, PEOPLE, APPEND):
        with pytest.raises(DuplicateKeys):
            run_sync(spec, warehouse, mixpanel)
        assert warehouse.state.load(spec.name).pending is None
    assert mixpanel.project.records == []
    for spec in (MIRROR, PEOPLE, APPEND):
        result = run_sync(replace(spec, on_duplicate_key="reject"), warehouse, mixpanel)
        assert (result.rows_read, result.accepted, result.rejected) == (36, 34, 2)
