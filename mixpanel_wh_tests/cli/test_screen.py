"""What is printed for people: tables, numbers, progress."""

import pytest

from mixpanel_wh.cli.progress import line
from mixpanel_wh.cli.screen import Heading, count, fitting, plain_table, size, span
from mixpanel_wh.engine.run import Progress

HEADINGS = (Heading("sync"), Heading("mode", spare=1), Heading("rows", True), Heading("note", spare=2))
ROWS = [("flights", "mirror", "1,000", "seen"), ("a", "full", "5", "new")]


def test_a_plain_table_puts_numbers_on_the_right() -> None:
    assert plain_table(HEADINGS[:3], [row[:3] for row in ROWS]) == [
        "sync     mode     rows",
        "flights  mirror  1,000",
        "a        full        5",
    ]


def test_a_narrow_terminal_shows_fewer_columns_and_never_fewer_than_needed() -> None:
    assert fitting(HEADINGS, ROWS, 80) == [0, 1, 2, 3]
    assert fitting(HEADINGS, ROWS, 25) == [0, 1, 2]
    assert fitting(HEADINGS, ROWS, 15) == [0, 2]
    assert fitting(HEADINGS, ROWS, 1) == [0, 2]


def test_columns_without_any_content_go_first() -> None:
    assert fitting(HEADINGS, [("flights", "", "1,000", "seen")], 25) == [0, 2, 3]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h"), (-5, "-5 s")],
)
def test_spans_are_shown_in_two_units(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2_000_000_000_000, "2,000.0 GB")]
)
def test_sizes_are_shown_in_the_unit_that_suits_them(octets: int, text: str) -> None:
    assert size(octets) == text


def test_counts_have_commas_and_nothing_is_shown_for_no_count() -> None:
    assert (count(1_234_567), count(None)) == ("1,234,567", "")


def test_a_line_of_progress_says_how_far_a_run_is() -> None:
    assert line(Progress("flights", 120_000, 480_000, 2.0, 3)) == (
        "flights: 120,000 of 480,000 rows (25 %), 60,000 rows/s, 3 rejected"
    )
    assert line(Progress("flights", 10, None, 1.0, 0)) == "flights: 10 rows, 10 rows/s"
