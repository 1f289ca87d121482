"""When a request is tried again and when it is given up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.retry import RetryPolicy, asked_pause, transient

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@given(st.integers(1, 2_000))
def test_a_pause_lies_between_one_second_and_the_doubled_bound_of_at_most_a_minute(failures: int) -> None:
    pause = RetryPolicy().pause(failures, None)
    assert 1.0 <= pause <= min(60.0, 2.0 * 2.0 ** min(failures - 1, 10))


def test_the_pauses_of_many_clients_are_spread_over_the_whole_range() -> None:
    pauses = [RetryPolicy().pause(6, None) for _ in range(500)]
    assert min(pauses) < 10
    assert max(pauses) > 50


def test_what_the_server_asks_for_wins_over_the_backoff() -> None:
    assert RetryPolicy().pause(1, 17.0) == 17.0
    assert RetryPolicy().pause(9, 0.0) == 0.0


def test_it_gives_up_after_the_last_attempt_or_when_the_time_is_up() -> None:
    policy = RetryPolicy(attempts=3, total=100.0, first_contact=10.0)
    assert not policy.gives_up(2, 50.0, 50.0, reached=True)
    assert policy.gives_up(3, 0.0, 1.0, reached=True)
    assert policy.gives_up(1, 50.0, 50.1, reached=True)


def test_an_address_that_never_answered_is_given_up_sooner() -> None:
    policy = RetryPolicy(total=100.0, first_contact=10.0)
    assert policy.gives_up(1, 9.0, 2.0, reached=False)
    assert not policy.gives_up(1, 9.0, 2.0, reached=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.25", 0.25),
        ("-5", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 12:00:05 -0000", 5.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert asked_pause(header, NOW) == seconds


def test_only_statuses_that_pass_by_themselves_are_tried_again() -> None:
    assert [status for status in (200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 599) if transient(status)] == [
        408, 429, 500, 502, 503, 504, 599,
    ]  # fmt: skip
