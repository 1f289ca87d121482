"""Each mode, run after run: what is sent, what is counted, and what Mixpanel holds then."""

from dataclasses import replace

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, SourceError
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import Progress, RunOptions, preview_sync, run_sync
from mixpanel_wh.engine.spec import Limit, Mode, SyncSpec, TableName
from mixpanel_wh_tests.engine.memory import MemoryMixpanel
from mixpanel_wh_tests.engine.tables import (
    APPEND,
    DAY,
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
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

RESYNC = RunOptions(full_resync=True)


def words(mixpanel: MemoryMixpanel) -> dict[str, str]:
    """The word of each key that Mixpanel holds."""
    return {key: sent["word"] for key, sent in mixpanel.project.held.items()}


def consistent(result: RunResult) -> RunResult:
    """The result, once its counts were checked."""
    assert result.rows_read == result.accepted + result.rejected
    assert result.rows_read == result.inserted + result.updated + result.deleted
    return result


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_the_first_run_sends_every_row_and_what_follows_only_what_the_mode_sends(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    first = consistent(run_sync(spec, warehouse, mixpanel))
    assert (first.status, first.rows_read, first.inserted, first.resumed) == ("succeeded", 35, 35, False)
    assert words(mixpanel) == expected(ground)
    again = consistent(run_sync(spec, warehouse, mixpanel))
    assert again.rows_read == (35 if spec.mode is Mode.FULL else 0)
    edit(ground, spec)
    if spec.mode is Mode.ONE_TIME:
        assert consistent(run_sync(spec, warehouse, mixpanel)).rows_read == 0
        return
    after = consistent(run_sync(spec, warehouse, mixpanel))
    counts = (after.inserted, after.updated, after.deleted)
    assert counts == {"mirrored": (2, 2, 1), "people": (2, 2, 1), "appended": (2, 0, 0), "full": (37, 0, 0),
                      "places": (36, 0, 0)}[spec.name]  # fmt: skip
    gone = {"4": "good"} if spec is PLACES else {}  # the project in memory keeps rows of a table that was replaced
    assert words(mixpanel) == expected(ground) | gone


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_an_empty_table_is_no_trouble(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground, 0)
    for _ in range(2):
        result = consistent(run_sync(spec, warehouse, mixpanel))
        assert (result.status, result.rows_read, result.requests) == ("succeeded", 0, 0)
    add(ground, line("a"))
    assert run_sync(spec, warehouse, mixpanel).rows_read == (0 if spec is ONE_TIME else 1)


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_full_resync_sends_everything_again(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    run_sync(spec, warehouse, mixpanel)
    if spec.mode is Mode.MIRROR:
        ground.remove("words", "id = '7'")
    result = consistent(run_sync(spec, warehouse, mixpanel, RESYNC))
    assert result.rows_read == (34 if spec is PLACES else 35)
    assert result.deleted == (1 if spec in (MIRROR, PEOPLE) else 0)
    assert run_sync(spec, warehouse, mixpanel).rows_read == (35 if spec is FULL else 0)


def test_one_time_says_when_it_ran(ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel) -> None:
    make(ground, 1)
    run_sync(ONE_TIME, warehouse, mixpanel)
    assert "sent once already, at 20" in run_sync(ONE_TIME, warehouse, mixpanel).message


def test_append_moves_its_cursor_and_tells_of_rows_that_it_never_reads(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground, 3)
    ground.run("UPDATE words SET written = NULL WHERE id = '1'")
    result = run_sync(APPEND, warehouse, mixpanel)
    assert (result.rows_read, result.cursor) == (2, DAY)
    assert "1 rows have no written" in result.message


def test_mirror_sends_an_update_and_a_delete_under_the_key_that_was_delivered(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    run_sync(MIRROR, warehouse, mixpanel)
    mixpanel.project.records.clear()
    edit(ground, MIRROR)
    run_sync(MIRROR, warehouse, mixpanel)
    sent = {record["key"]: record["op"] for record in mixpanel.project.records}
    assert sent == {"new": "insert", "late": "insert", "3": "update", "33": "update", "4": "delete"}


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE, APPEND, FULL, PLACES], ids=lambda spec: spec.name)
def test_rejected_rows_are_counted_and_written_down_once_with_their_reasons(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    add(ground, line("b1", "bad"), line("r1", "refused"))
    mixpanel.project.refuses = lambda record: "no" if record["sent"].get("word") == "refused" else None
    result = consistent(run_sync(spec, warehouse, mixpanel))
    assert (result.rows_read, result.accepted, result.rejected) == (37, 35, 2)
    assert {(one.row_key, one.origin) for one in result.rejections} == {("b1", "rules"), ("r1", "mixpanel")}
    kept = warehouse.state.rejections(spec.name, result.run_id)
    assert sorted((row["row_key"], row["reason"]) for row in kept) == [("b1", "a property is bad"), ("r1", "no")]
    assert set(words(mixpanel)) == {str(n) for n in range(35)}


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_a_rejected_row_is_sent_as_new_once_it_is_mended(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel, spec: SyncSpec
) -> None:
    make(ground)
    add(ground, line("b1", "bad"), line("b2", "bad"))
    run_sync(spec, warehouse, mixpanel)
    assert run_sync(spec, warehouse, mixpanel).rows_read == 0
    ground.change("words", "word", "mended", "VARCHAR", "id = 'b1'")
    ground.remove("words", "id = 'b2'")
    mixpanel.project.records.clear()
    result = consistent(run_sync(spec, warehouse, mixpanel))
    assert (result.accepted, result.rejected, result.deleted) == (2, 0, 1)
    assert [record["key"] for record in mixpanel.project.records] == ["b1"]
    assert words(mixpanel) == expected(ground)


def test_dropped_columns_are_told_to_the_encoder_until_it_was_told(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground, 2)
    run_sync(PEOPLE, warehouse, mixpanel)
    ground.run("ALTER TABLE words DROP COLUMN word")
    mixpanel.project.fails_after = 0
    with pytest.raises(DestinationUnavailable):
        run_sync(PEOPLE, warehouse, mixpanel)
    mixpanel.project.fails_after = None
    run_sync(PEOPLE, warehouse, mixpanel)
    ground.change("words", "at", "2025-01-01", "TIMESTAMP")
    run_sync(PEOPLE, warehouse, mixpanel)
    assert mixpanel.dropped == [(), ("word",), ("word",), ()]


def test_a_part_is_sent_beside_the_state(ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel) -> None:
    make(ground)
    for spec in (APPEND, FULL, ONE_TIME, PEOPLE):
        before = warehouse.state.load(spec.name)
        result = consistent(run_sync(spec, warehouse, mixpanel, RunOptions(part=Part(rows=5))))
        assert (result.rows_read, result.status) == (5, "succeeded")
        assert warehouse.state.load(spec.name) == before
        assert run_sync(spec, warehouse, mixpanel).rows_read == 35


def test_a_part_leaves_a_pending_run_and_its_guards_alone(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    mixpanel.project.fails_after = 1
    strict = replace(APPEND, max_deletes=Limit(rows=0), max_changes=Limit(rows=0))
    with pytest.raises(DestinationUnavailable):
        run_sync(strict, warehouse, mixpanel)
    pending = warehouse.state.load(strict.name).pending
    assert pending is not None
    mixpanel.project.fails_after = None
    run_sync(strict, warehouse, mixpanel, RunOptions(part=Part(rows=5)))
    assert warehouse.state.load(strict.name).pending == pending


def test_a_lookup_table_is_not_sent_in_parts(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    with pytest.raises(SourceError, match="replaced whole"):
        run_sync(PLACES, warehouse, mixpanel, RunOptions(part=Part(rows=5)))


def test_progress_is_told_along_the_way(ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel) -> None:
    fill(ground, 70_000)
    told: list[Progress] = []
    mixpanel.project.max_records = 10_000
    run_sync(replace(FULL, max_rejected=Limit()), warehouse, mixpanel, on_progress=told.append)
    assert [one.rows for one in told] == sorted(one.rows for one in told)
    assert len(told) > 1
    assert (told[-1].rows, told[-1].total, told[-1].sync) == (70_000, 70_000, "full")


def test_the_newest_result_is_kept_with_the_state(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    result = run_sync(MIRROR, warehouse, mixpanel)
    kept = warehouse.state.last_result(MIRROR.name)
    assert kept is not None
    assert (kept["run_id"], kept["rows_read"], kept["status"]) == (result.run_id, 35, "succeeded")


def test_a_failed_run_leaves_its_numbers_on_the_error_and_in_the_history(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground)
    mixpanel.project.fails_after = 0
    with pytest.raises(DestinationUnavailable) as caught:
        run_sync(MIRROR, warehouse, mixpanel)
    assert caught.value.result is not None
    assert (caught.value.result.status, caught.value.result.message) == ("failed", str(caught.value))
    kept = warehouse.state.last_result(MIRROR.name)
    assert kept is not None
    assert kept["status"] == "failed"


def test_a_missing_table_and_reserved_columns_are_faults_of_the_source(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    with pytest.raises(SourceError, match="no table"):
        run_sync(replace(MIRROR, table=TableName(("main", "wordz"))), warehouse, mixpanel)
    make(ground)
    ground.add_column("words", "_mp_key", "VARCHAR")
    with pytest.raises(SourceError, match="_mp_ are reserved"):
        run_sync(MIRROR, warehouse, mixpanel)
    ground.run("ALTER TABLE words DROP COLUMN _mp_key")
    assert run_sync(MIRROR, warehouse, mixpanel).rows_read == 35


def test_a_preview_shows_what_would_be_sent_and_touches_nothing(
    ground: DuckDBGround, warehouse: Warehouse, mixpanel: MemoryMixpanel
) -> None:
    make(ground, 3)
    add(ground, line("b", "bad"))
    preview = preview_sync(MIRROR, warehouse, mixpanel, rows=4)
    assert len(preview.lines) == 3
    assert [one["row_key"] for one in preview.rejections] == ["b"]
    assert mixpanel.project.records == []
    assert run_sync(MIRROR, warehouse, mixpanel).rows_read == 4
