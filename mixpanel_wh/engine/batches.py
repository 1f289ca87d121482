"""Records on their way: what an encoder returns, and the slices of it that travel as one request each.

A record batch of N rows becomes one contiguous buffer: row i's bytes are `data[offsets[i]:offsets[i + 1]]`, empty
for a row that was rejected. A request body is a slice of that buffer, so nothing is joined or copied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

CONTROL_PREFIX = "_mp_"
KEY = "_mp_key"
OP = "_mp_op"
FAULT = "_mp_fault"
EVENT = "_mp_event"
TIME = "_mp_time"
USER = "_mp_user"
DEVICE = "_mp_device"
OLD_KEY = "_mp_old_key"
OLD_EVENT = "_mp_old_event"
OLD_TIME = "_mp_old_time"
OLD_USER = "_mp_old_user"
OLD_DEVICE = "_mp_old_device"
INSERT_TIME = "_mp_insert_time"
NEAR = "_mp_near"
NEW = "_mp_new"


@dataclass(frozen=True)
class Framing:
    """How records stand in a request body: `prefix + records[skip:] + suffix`.

    Newline-delimited JSON needs nothing; a JSON array is `[`, the records without their first comma, `]`; a CSV
    body starts with its header line.
    """

    prefix: bytes = b""
    suffix: bytes = b""
    skip: int = 0


@dataclass(frozen=True)
class Encoded:
    """What an encoder made of one record batch of N rows.

    `lines` has N entries, null where the row was rejected. `records_per_row` is the largest number of records that
    one row became. `rejected` has a row for each rejection: `row` (int64, position in the batch), `row_key`,
    `column`, `reason` (text).
    """

    lines: pa.Array
    rejected: pa.RecordBatch | None = None
    records_per_row: int = 1

    @property
    def rows(self) -> int:
        """How many rows went in."""
        return len(self.lines)


@dataclass(frozen=True)
class Batch:
    """One request's records: rows `start` to `stop` of an encoded buffer. `offsets` has one entry more than rows."""

    data: memoryview
    offsets: memoryview
    start: int
    stop: int
    records_per_row: int = 1

    @property
    def payload(self) -> memoryview:
        """The bytes of the records, without framing."""
        return self.data[self.offsets[self.start] : self.offsets[self.stop]]

    @property
    def size(self) -> int:
        """Length of the payload in bytes."""
        return int(self.offsets[self.stop] - self.offsets[self.start])

    @property
    def rows(self) -> list[int]:
        """The positions of the rows that hold at least one record, in order."""
        return [i for i in range(self.start, self.stop) if self.offsets[i] != self.offsets[i + 1]]

    def halves(self) -> tuple[Batch, Batch]:
        """The batch cut in two; a batch of one row cannot be cut (ValueError)."""
        if self.stop - self.start < 2:
            raise ValueError("a batch of one row cannot be halved")
        middle = (self.start + self.stop) // 2
        return replace(self, stop=middle), replace(self, start=middle)


def buffers(lines: pa.Array) -> tuple[memoryview, memoryview]:
    """The data and the offsets (`len(lines) + 1` of them) behind a string or large_string array without copying."""
    import pyarrow as pa

    large = pa.types.is_large_string(lines.type) or pa.types.is_large_binary(lines.type)
    width = 8 if large else 4
    _, offsets, data = lines.buffers()
    whole = memoryview(offsets).cast("B") if offsets else memoryview(bytes(width))
    cut = whole[lines.offset * width : (lines.offset + len(lines) + 1) * width]
    places = cut.cast("q") if large else cut.cast("i")
    return memoryview(data).cast("B") if data else memoryview(b""), places


def pack(encoded: Encoded, max_records: int, max_bytes: int) -> Iterator[Batch]:
    """Cut an encoded buffer into batches of at most `max_records` records and `max_bytes` bytes, in row order.

    A single row larger than `max_bytes` travels alone. Slices without any record are left out.
    """
    data, offsets = buffers(encoded.lines)
    rows, step = len(encoded.lines), max(1, max_records // encoded.records_per_row)
    start = 0
    while start < rows:
        fits = bisect_right(offsets, offsets[start] + max_bytes, start + 1, rows + 1) - 1
        stop = min(rows, start + step, max(fits, start + 1))
        if offsets[stop] > offsets[start]:
            yield Batch(data, offsets, start, stop, encoded.records_per_row)
        start = stop
