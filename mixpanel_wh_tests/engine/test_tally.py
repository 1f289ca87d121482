"""The running numbers of a run add up."""

import pyarrow as pa

from mixpanel_wh.engine.batches import KEY, OP
from mixpanel_wh.engine.pipeline import NOTHING_REJECTED, REJECTED, Answered
from mixpanel_wh.engine.tally import SAMPLES, Tally, fidelity
from mixpanel_wh_tests.engine.tables import APPEND, MIRROR, PEOPLE, PLACES


def part(ops: list[str], rejected: int = 0, **numbers: int) -> Answered:
    """An answered part with those operations, of which the first so many rows were rejected."""
    columns = [pa.array([str(n) for n in range(rejected)]), *(pa.array(["x"] * rejected) for _ in range(3))]
    refused = pa.record_batch(columns, schema=REJECTED) if rejected else NOTHING_REJECTED
    return Answered(pa.record_batch({KEY: ["k"] * len(ops), OP: ops}), refused, **numbers)


def test_parts_are_added_up_and_operations_counted() -> None:
    tally = Tally(MIRROR, "run")
    tally.add(part(["insert"] * 3 + ["delete"], 1, records=4, requests=2, retries=1, bytes_sent=10, bytes_raw=20), True)
    tally.add(part(["update"] * 2, records=2, requests=1, bytes_sent=5, bytes_raw=9), True)
    result = tally.result("succeeded", "note")
    assert (result.rows_read, result.accepted, result.rejected) == (6, 5, 1)
    assert (result.inserted, result.updated, result.deleted) == (3, 2, 1)
    assert (result.records, result.requests, result.retries) == (6, 3, 1)
    assert (result.bytes_sent, result.bytes_raw) == (15, 29)
    assert (result.sync, result.mode, result.record, result.run_id) == ("mirrored", "mirror", "event", "run")
    assert (result.status, result.message) == ("succeeded", "note")


def test_without_operations_every_row_is_an_insert() -> None:
    tally = Tally(APPEND, "run")
    tally.add(part(["update"] * 3), counts_ops=False)
    assert tally.result("succeeded", "").inserted == 3


def test_only_a_sample_of_the_rejections_is_held() -> None:
    tally = Tally(MIRROR, "run")
    for _ in range(3):
        tally.add(part(["insert"] * 9, 9), counts_ops=True)
    assert len(tally.samples) == SAMPLES
    assert tally.rejected == 27
    assert len(tally.result("succeeded", "").rejections) == SAMPLES


def test_a_run_without_rows_has_numbers_too() -> None:
    result = Tally(MIRROR, "run").result("succeeded", "")
    assert (result.rows_read, result.rows_per_second, result.rejections) == (0, 0.0, ())


def test_only_events_under_mirror_rest_on_best_effort() -> None:
    assert [fidelity(spec) for spec in (MIRROR, APPEND, PEOPLE, PLACES)] == ["best_effort", "exact", "exact", "exact"]
