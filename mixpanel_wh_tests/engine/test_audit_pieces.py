"""A span of time in the pieces in which an audit reads it."""

from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.engine.audit import DAY_MS, PIECES, ROWS_A_PIECE, pieces


@given(st.integers(0, 20_000), st.integers(1, 400 * DAY_MS), st.integers(0, 50 * ROWS_A_PIECE))
def test_pieces_cover_the_span_without_a_gap_in_few_reads_that_end_at_midnight(
    day: int, length: int, rows: int
) -> None:
    since = day * DAY_MS
    found = list(pieces(since, since + length, rows))
    assert found[0][0] == since
    assert found[-1][1] == since + length
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert all(end % DAY_MS == 0 for _, end in found[:-1])
    assert len(found) <= PIECES


def test_an_empty_span_has_no_pieces() -> None:
    assert list(pieces(DAY_MS, DAY_MS, 5)) == []


def test_few_rows_are_read_in_one_piece_and_many_day_by_day() -> None:
    week = 7 * DAY_MS
    assert list(pieces(0, week, ROWS_A_PIECE)) == [(0, week)]
    assert len(list(pieces(0, week, 50 * ROWS_A_PIECE))) == 7
