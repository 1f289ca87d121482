"""Which row a record of a request came from."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.rows import count_records, rows_of_insert_ids, rows_of_records
from mixpanel_wh_tests.mixpanel.delivering import batch_of, event, update

counts = st.lists(st.integers(0, 3), min_size=1, max_size=40).filter(any)


@given(counts, st.data())
def test_every_record_of_newline_delimited_rows_is_found(counts: list[int], data: st.DataObject) -> None:
    rows = [b"".join(event(10 * row + n) for n in range(count)) for row, count in enumerate(counts)]
    batch = batch_of(*rows, records_per_row=max(counts))
    start = data.draw(st.integers(0, len(counts) - 1))
    part = replace(batch, start=start, stop=data.draw(st.integers(start + 1, len(counts))))
    expected = [row for row in range(part.start, part.stop) for _ in range(counts[row])]
    assert rows_of_records(part) == expected
    assert count_records(part) == len(expected)


@given(counts)
def test_every_record_of_rows_in_an_array_is_found(counts: list[int]) -> None:
    rows = [b"".join(update(f"u{n}", text='},\n{"') for n in range(count)) for count in counts]
    batch = batch_of(*rows, records_per_row=max(counts))
    expected = [row for row, count in enumerate(counts) for _ in range(count)]
    assert rows_of_records(batch) == expected
    assert count_records(batch) == len(expected)


def test_rejected_rows_hold_no_record() -> None:
    batch = batch_of(event(0), None, event(2), b"", event(4))
    assert rows_of_records(batch) == [0, 2, 4]
    assert count_records(batch) == 3


def test_insert_ids_lead_to_their_rows() -> None:
    batch = batch_of(event(1) + event(2), None, event(3), records_per_row=2)
    assert rows_of_insert_ids(batch) == {f"{1:032x}": 0, f"{2:032x}": 0, f"{3:032x}": 2}
