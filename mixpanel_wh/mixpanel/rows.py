"""Which row a record of a request came from: by its place, or by its insert id.

Where a row is several records, each of them ends with a newline. JSON holds none inside a text, so counting newlines
counts records.
"""

import re
from collections.abc import Iterator

import numpy as np

from mixpanel_wh.engine.batches import Batch

_INSERT_ID = re.compile(rb'"\$insert_id":\s*"([A-Za-z0-9-]{1,36})"')
_WORD = re.compile(r"[A-Za-z0-9-]+")


def count_records(batch: Batch) -> int:
    """How many records a batch holds, without looking at each where a row is one record."""
    if batch.records_per_row == 1:
        places = np.asarray(batch.offsets[batch.start : batch.stop + 1])
        return int(np.count_nonzero(places[1:] != places[:-1]))
    return bytes(batch.payload).count(b"\n")


def rows_of_records(batch: Batch) -> list[int]:
    """The row position of every record of the request, in the order they were sent."""
    rows = batch.rows
    if batch.records_per_row == 1:
        return rows
    return [row for row in rows for _ in range(bytes(bytes_of(batch, row)).count(b"\n"))]


def rows_of_insert_ids(batch: Batch) -> dict[str, int]:
    """The row position of every `$insert_id` in the batch."""
    return {found.decode(): row for row in batch.rows for found in _INSERT_ID.findall(bytes(bytes_of(batch, row)))}


def words_in(text: str) -> Iterator[str]:
    """Everything in a text that could be an insert id."""
    return (found.group() for found in _WORD.finditer(text))


def bytes_of(batch: Batch, row: int) -> memoryview:
    """The records of one row."""
    return batch.data[batch.offsets[row] : batch.offsets[row + 1]]
