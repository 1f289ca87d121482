"""Delivery: batches are answered in order, what is in flight is bounded, and an error ends everything at once."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine import pipeline
from mixpanel_wh.engine.batches import KEY, Batch, Encoded, Framing
from mixpanel_wh.engine.errors import DestinationUnavailable, RequestRefused
from mixpanel_wh.engine.pipeline import GROWTH, Answered, Delivery
from mixpanel_wh.engine.ports import Answer
from mixpanel_wh_tests.engine.memory import MemoryProject, PlainEncoder


def rows(first: int, count: int, word: str = "good") -> pa.RecordBatch:
    """A record batch of words."""
    return pa.record_batch({KEY: [str(first + n) for n in range(count)], "word": [word] * count})


def stream(batches: int, size: int = 5) -> Iterator[pa.RecordBatch]:
    """So many record batches, numbered through."""
    return (rows(n * size, size) for n in range(batches))


def keys(parts: list[Answered]) -> list[str]:
    return [key for part in parts for key in part.batch.column(KEY).to_pylist()]


def sending_threads() -> int:
    return sum(thread.name.startswith(("send", "encode")) for thread in threading.enumerate())


def test_answers_come_in_the_order_of_reading_although_later_ones_are_ready_first() -> None:
    first, project = threading.Lock(), MemoryProject(max_records=5)

    def wait() -> None:
        if first.acquire(blocking=False):
            patience = time.monotonic() + 60
            while project.batches < 5 and time.monotonic() < patience:
                time.sleep(0.005)

    project.waits = wait
    parts = list(Delivery(PlainEncoder(), project).run(stream(8)))
    assert keys(parts) == [str(n) for n in range(40)]
    assert {record["key"] for record in project.records} == {str(n) for n in range(40)}
    assert [record["key"] for record in project.records] != keys(parts)


def test_a_part_counts_its_requests_records_and_bytes() -> None:
    (part,) = Delivery(PlainEncoder(), MemoryProject(max_records=4)).run(stream(1, 10))
    assert (part.requests, part.records, part.accepted, part.rejected.num_rows) == (3, 10, 10, 0)
    assert part.bytes_sent == part.bytes_raw > 0


def test_no_more_than_the_bound_is_read_ahead_of_what_is_answered() -> None:
    project, gate, read = MemoryProject(), threading.Event(), []
    project.waits = lambda: (gate.wait(60), None)[1]
    one = rows(0, 5).nbytes

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in stream(50):
            read.append(batch)
            yield batch

    running = Delivery(PlainEncoder(), project, in_flight_bytes=4 * one * GROWTH).run(counted())
    threading.Timer(0.2, gate.set).start()
    parts = [next(running)]
    # Four fit, and a fifth was read before there was room for it.
    assert len(read) <= 6
    for part in running:
        parts.append(part)
        assert len(read) - len(parts) <= 5
    assert keys(parts) == [str(n) for n in range(250)]


def test_a_batch_larger_than_the_bound_travels_alone() -> None:
    parts = list(Delivery(PlainEncoder(), MemoryProject(), in_flight_bytes=1).run(stream(3)))
    assert keys(parts) == [str(n) for n in range(15)]


def test_rows_that_break_a_rule_and_rows_that_mixpanel_refuses_are_rejected_with_reasons() -> None:
    project = MemoryProject(refuses=lambda record: "not this one" if record["key"] == "3" else None)
    batch = pa.concat_batches([rows(0, 2), rows(2, 1, "bad"), rows(3, 2)])
    (part,) = Delivery(PlainEncoder(), project).run(iter([batch]))
    assert part.accepted == 3
    assert part.rejected.to_pylist() == [
        {"row_key": "2", "column": "word", "reason": "a property is bad", "origin": "rules"},
        {"row_key": "3", "column": "word", "reason": "not this one", "origin": "mixpanel"},
    ]


def test_a_row_refused_twice_is_rejected_once() -> None:
    class Twice(MemoryProject):
        def deliver(self, batch: Batch, framing: Framing) -> Answer:
            return Answer(((0, "a", "first"), (0, "b", "second")), records=2)

    (part,) = Delivery(PlainEncoder(), Twice()).run(stream(1))
    assert part.rejected.num_rows == 1
    assert part.accepted == 4


def test_a_batch_of_nothing_but_rejections_sends_no_request() -> None:
    project = MemoryProject()
    (part,) = Delivery(PlainEncoder(), project).run(iter([rows(0, 3, "bad")]))
    assert (part.requests, part.rejected.num_rows, project.batches) == (0, 3, 0)


def test_an_empty_stream_and_empty_batches_have_no_answers() -> None:
    assert list(Delivery(PlainEncoder(), MemoryProject()).run(iter([]))) == []
    assert list(Delivery(PlainEncoder(), MemoryProject()).run(iter([rows(0, 0)]))) == []
    assert list(Delivery(PlainEncoder(), MemoryProject(whole=True)).run(iter([]))) == []


def test_an_error_of_the_destination_ends_the_delivery_with_nothing_left_running() -> None:
    project, parts = MemoryProject(max_records=5, fails_after=3), list[Answered]()
    with pytest.raises(DestinationUnavailable):
        parts += Delivery(PlainEncoder(), project).run(stream(100))
    assert project.aborted == 1
    assert sending_threads() == 0
    assert project.batches == 3


def test_an_error_of_the_encoder_ends_the_delivery() -> None:
    class Broken(PlainEncoder):
        def encode(self, batch: pa.RecordBatch) -> Encoded:
            if batch.column(KEY)[0].as_py() == "10":
                raise ArithmeticError("no")
            return super().encode(batch)

    project = MemoryProject()
    with pytest.raises(ArithmeticError):
        list(Delivery(Broken(), project).run(stream(100)))
    assert project.aborted == 1
    assert sending_threads() == 0


def test_an_error_of_reading_ends_the_delivery() -> None:
    def torn() -> Iterator[pa.RecordBatch]:
        yield rows(0, 5)
        raise OSError("the connection is gone")

    project, parts = MemoryProject(), list[Answered]()
    with pytest.raises(OSError, match="gone"):
        parts += Delivery(PlainEncoder(), project).run(torn())
    assert project.aborted == 1
    assert sending_threads() == 0


def test_whoever_stops_listening_leaves_nothing_under_way_that_could_arrive_later() -> None:
    class OnlyTheFirst(MemoryProject):
        def deliver(self, batch: Batch, framing: Framing) -> Answer:
            if b'"key": "0"' not in bytes(batch.payload):
                self.ended.wait(60)
            return super().deliver(batch, framing)

    project = OnlyTheFirst(max_records=5)
    running: Any = Delivery(PlainEncoder(), project).run(stream(100))
    next(running)
    running.close()
    assert (project.aborted, sending_threads()) == (1, 0)
    assert project.batches == 1


def test_whoever_stops_listening_still_lets_quick_answers_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "GRACE_SECONDS", 60.0)  # what is quick on an idle machine is not on a busy one
    project, second, under_way = MemoryProject(max_records=5, concurrency=1), threading.Event(), threading.Event()

    class Telling(PlainEncoder):
        def encode(self, batch: pa.RecordBatch) -> Encoded:
            if batch.column(KEY)[0].as_py() == "5":
                second.set()
            return super().encode(batch)

    def waits() -> None:
        if not project.batches:
            second.wait(60)
            return
        under_way.set()
        deadline = time.monotonic() + 60
        while not project.aborted and time.monotonic() < deadline:
            time.sleep(0.005)

    project.waits = waits
    running: Any = Delivery(Telling(), project).run(stream(3))
    next(running)
    assert under_way.wait(60)
    running.close()
    assert (project.batches, sending_threads(), project.ended.is_set()) == (2, 0, False)


def test_a_stopped_delivery_reads_no_further_and_answers_what_is_in_flight() -> None:
    project, read = MemoryProject(), []

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in stream(1000):
            read.append(batch)
            yield batch

    delivery = Delivery(PlainEncoder(), project, in_flight_bytes=3 * rows(0, 5).nbytes * GROWTH)
    parts = []
    for part in delivery.run(counted()):
        parts.append(part)
        delivery.stop()
    assert len(read) < 20
    assert sorted(record["key"] for record in project.records) == sorted(keys(parts))
    assert project.aborted == 0


def test_what_travels_whole_is_one_request_however_it_was_read() -> None:
    project = MemoryProject(whole=True, max_records=1 << 40)
    (part,) = Delivery(PlainEncoder(), project).run(stream(7))
    assert (part.batch.num_rows, part.requests, project.batches) == (35, 1, 1)


def test_what_travels_whole_and_is_too_large_is_refused_before_anything_is_sent() -> None:
    project = MemoryProject(whole=True, max_records=1 << 40, max_bytes=100)
    with pytest.raises(RequestRefused, match="one request"):
        list(Delivery(PlainEncoder(), project).run(stream(7)))
    assert project.batches == 0
