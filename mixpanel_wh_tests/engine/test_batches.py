"""Packing: encoded rows become batches that hold every row once, in order, within the limits."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.engine.batches import Batch, Encoded, buffers, pack

LINES = st.lists(st.none() | st.text("aé🙂\n", max_size=12), max_size=60)


def packed(lines: list[str | None], records: int, size: int, per_row: int = 1) -> list[Batch]:
    return list(pack(Encoded(pa.array(lines, pa.string()), records_per_row=per_row), records, size))


@given(LINES, st.integers(1, 9), st.integers(1, 40), st.integers(1, 3), st.booleans(), st.integers(0, 5))
def test_every_byte_travels_once_in_order_and_within_the_limits(
    lines: list[str | None], records: int, size: int, per_row: int, large: bool, cut: int
) -> None:
    array = pa.array(["x" * cut, *lines, "tail"], pa.large_string() if large else pa.string()).slice(1, len(lines))
    found = list(pack(Encoded(array, records_per_row=per_row), records, size))
    assert b"".join(bytes(batch.payload) for batch in found) == "".join(line or "" for line in lines).encode()
    for batch in found:
        assert batch.size == len(batch.payload) > 0
        assert batch.stop - batch.start <= max(1, records // per_row)
        assert batch.size <= size or batch.stop - batch.start == 1
        assert batch.rows == [row for row in range(batch.start, batch.stop) if lines[row]]
    assert [batch.start for batch in found[1:]] >= [batch.stop for batch in found[:-1]]


def test_no_rows_make_no_batch() -> None:
    assert packed([], 10, 10) == []
    assert packed([None, "", None], 10, 10) == []


def test_a_row_larger_than_a_request_travels_alone() -> None:
    found = packed(["aa", "b" * 50, "cc", "d"], 10, 8)
    assert [(batch.start, batch.stop) for batch in found] == [(0, 1), (1, 2), (2, 4)]


def test_rows_that_become_several_records_count_as_many() -> None:
    assert [batch.stop - batch.start for batch in packed(["x"] * 7, 6, 1000, per_row=2)] == [3, 3, 1]
    assert [batch.stop - batch.start for batch in packed(["x"] * 2, 1, 1000, per_row=2)] == [1, 1]


@given(st.lists(st.text("ab", min_size=1, max_size=5), min_size=2, max_size=20))
def test_halves_hold_what_the_whole_held(lines: list[str]) -> None:
    (batch,) = packed(list(lines), 100, 1000)
    first, second = batch.halves()
    assert bytes(first.payload) + bytes(second.payload) == bytes(batch.payload)
    assert first.rows + second.rows == batch.rows
    assert first.rows
    assert second.rows


def test_one_row_cannot_be_halved() -> None:
    (batch,) = packed(["x"], 1, 1)
    with pytest.raises(ValueError, match="one row"):
        batch.halves()


def test_buffers_are_shared_and_not_copied() -> None:
    array = pa.array(["ab", None, "", "cde"])
    data, offsets = buffers(array)
    assert list(offsets) == [0, 2, 2, 2, 5]
    assert bytes(data[:5]) == b"abcde"
    assert data.obj is not None
    assert list(buffers(array.slice(3))[1]) == [2, 5]
    assert list(buffers(pa.array([], pa.string()))[1]) == [0]
    assert list(buffers(pa.array([None, None], pa.large_string()))[1]) == [0, 0, 0]
