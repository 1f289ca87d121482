"""Delivery of a stream of record batches: reading, encoding and sending overlap, what is in flight is bounded.

The caller's thread reads. Encoders work in one thread a core, senders in as many threads as the destination finds
useful. What comes out is one `Answered` a record batch, in the order the batches were read, once every request of it
has been answered.
"""

import os
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine.batches import KEY, Batch, Encoded, pack
from mixpanel_wh.engine.errors import RequestRefused
from mixpanel_wh.engine.ports import Answer, Destination, Encoder
from mixpanel_wh.engine.senders import Senders
from mixpanel_wh.engine.texts import text

IN_FLIGHT_BYTES = 64 * 1024 * 1024
GRACE_SECONDS = 2.0  # for answers to requests under way, before they are broken off
GROWTH = 4  # an Arrow batch, its encoded lines and their compressed copies, as a multiple of the Arrow batch
REJECTED = pa.schema([("row_key", pa.string()), ("column", pa.string()), ("reason", pa.string()),
                      ("origin", pa.string())])  # fmt: skip
_RULES = text("rules")
NOTHING_REJECTED = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in REJECTED], schema=REJECTED)


@dataclass(frozen=True)
class Answered:
    """One record batch, every request of it answered. `rejected` has a row for each rejected row."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch
    records: int = 0
    requests: int = 0
    retries: int = 0
    bytes_sent: int = 0
    bytes_raw: int = 0

    @property
    def accepted(self) -> int:
        """How many rows are in Mixpanel now."""
        return int(self.batch.num_rows - self.rejected.num_rows)


@dataclass(frozen=True)
class _Underway:
    """A record batch on its way; `size` counts against what may be in flight."""

    batch: pa.RecordBatch
    encoding: "Future[tuple[Encoded, list[Future[Answer]]]]"
    size: int


def _refused_rows(batch: pa.RecordBatch, answers: list[Answer]) -> pa.RecordBatch | None:
    """Rows that Mixpanel refused, each once, with its key; None where there are none."""
    refused = {row: (field, reason) for answer in answers for row, field, reason in answer.refused}
    if not refused:
        return None
    rows = sorted(refused)
    keys = pc.take(batch.column(KEY).cast(pa.string()), pa.array(rows, pa.int64()))
    columns = [refused[row][0] for row in rows], [refused[row][1] for row in rows], ["mixpanel"] * len(rows)
    return pa.record_batch([keys, *(pa.array(column, pa.string()) for column in columns)], schema=REJECTED)


def _ruled_out(encoded: Encoded) -> pa.RecordBatch | None:
    """Rows that broke a rule before they were sent."""
    if encoded.rejected is None or not encoded.rejected.num_rows:
        return None
    found = encoded.rejected
    columns = [found.column(name).cast(pa.string()) for name in ("row_key", "column", "reason")]
    return pa.record_batch([*columns, pa.repeat(_RULES, found.num_rows)], schema=REJECTED)


def _answered(underway: _Underway) -> Answered:
    encoded, sending = underway.encoding.result()
    answers = [send.result() for send in sending]
    parts = [part for part in (_ruled_out(encoded), _refused_rows(underway.batch, answers)) if part is not None]
    rejected = pa.Table.from_batches(parts, REJECTED).combine_chunks().to_batches()
    return Answered(
        underway.batch,
        rejected[0] if rejected else NOTHING_REJECTED,
        records=sum(answer.records for answer in answers),
        requests=sum(answer.requests for answer in answers),
        retries=sum(answer.retries for answer in answers),
        bytes_sent=sum(answer.bytes_sent for answer in answers),
        bytes_raw=sum(answer.bytes_raw for answer in answers),
    )


def _whole(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All rows as one record batch, for what travels in one request; nothing when there are no rows."""
    held = list(batches)
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


class Delivery:
    """One stream of record batches on its way to a destination. Used once."""

    def __init__(self, encoder: Encoder, destination: Destination, in_flight_bytes: int = IN_FLIGHT_BYTES) -> None:
        self._encoder = encoder
        self._destination = destination
        self._limit = in_flight_bytes
        self._stopped = Event()
        self._failed = False
        self._first_error: BaseException | None = None
        self._lock = Lock()
        self._encoders = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="encode")
        self._senders = Senders(lambda: destination.concurrency)

    def stop(self) -> None:
        """Read no further; what is in flight is still answered."""
        self._stopped.set()

    def run(self, batches: Iterator[pa.RecordBatch]) -> Generator[Answered, None, None]:
        """Deliver the batches; an error of any stage ends the stream, with nothing left running.

        What a request fails for is told as soon as the others have ended, which no longer wait: not in its turn.
        An interrupt from outside waits for requests under way a moment only, and then breaks them off: none of them may
        arrive after what the next run sends.
        """
        underway: deque[_Underway] = deque()
        size, patient = 0, True
        try:
            for batch in _whole(batches) if self._destination.whole else batches:
                while underway and (size + batch.nbytes * GROWTH > self._limit or self._first_is_done(underway)):
                    size -= underway[0].size
                    yield _answered(underway.popleft())
                if self._stopped.is_set():
                    break
                if batch.num_rows:
                    underway.append(self._start(batch))
                    size += underway[-1].size
            while underway:
                yield _answered(underway.popleft())
        except BaseException as error:
            self._fail(error)
            patient = isinstance(error, Exception)
            if patient and self._first_error not in (None, error):
                raise self._first_error from None
            raise
        finally:
            self._first_error = None  # its traceback holds this delivery, and with it the reader
            self._encoders.shutdown(wait=True, cancel_futures=True)
            if patient:
                self._senders.shutdown(wait=True)
            else:
                self._senders.end(GRACE_SECONDS, self._destination.cut)
            if isinstance(batches, Generator):
                batches.close()  # or the warehouse might be closed before its rows are

    def _fail(self, error: BaseException) -> None:
        """Remember the first error of the delivery, and end every wait for the destination."""
        with self._lock:
            if not self._failed:
                self._failed, self._first_error = True, error
                self._destination.abort()

    def _deliver(self, batch: Batch) -> Answer:
        try:
            return self._destination.deliver(batch, self._encoder.framing)
        except BaseException as error:
            self._fail(error)
            raise

    def _first_is_done(self, underway: deque[_Underway]) -> bool:
        encoding = underway[0].encoding
        return encoding.done() and (encoding.exception() is not None or all(s.done() for s in encoding.result()[1]))

    def _start(self, batch: pa.RecordBatch) -> _Underway:
        return _Underway(batch, self._encoders.submit(self._encode, batch), batch.nbytes * GROWTH)

    def _encode(self, batch: pa.RecordBatch) -> tuple[Encoded, list[Future[Answer]]]:
        encoded = self._encoder.encode(batch)
        destination = self._destination
        packed = list(pack(encoded, destination.max_records, destination.max_bytes))
        if destination.whole and len(packed) > 1:
            limit = destination.max_bytes / 1_000_000
            raise RequestRefused(
                f"a lookup table travels in one request of at most {limit:.0f} MB and this one is larger: "
                "send fewer columns (properties: allow) or fewer rows (a view)"
            )
        return encoded, [self._senders.submit(partial(self._deliver, one)) for one in packed]
