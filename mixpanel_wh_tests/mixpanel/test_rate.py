"""The token buckets that hold a project's rate."""

import threading

import pytest

from mixpanel_wh.mixpanel.rate import Rate, TokenBucket, seconds_at
from mixpanel_wh_tests.mixpanel.delivering import PretendClock


def test_a_full_bucket_lets_one_second_of_units_through_at_once() -> None:
    bucket = TokenBucket(1_000, PretendClock().now)
    assert bucket.reserve(1_000) == 0
    assert bucket.reserve(1) == pytest.approx(0.001)


def test_an_empty_bucket_fills_at_its_rate_and_never_above_one_second() -> None:
    clock = PretendClock()
    bucket = TokenBucket(1_000, clock.now)
    bucket.reserve(1_000)
    clock.wait(0.5)
    assert bucket.reserve(500) == 0
    clock.wait(3_600)
    assert bucket.reserve(2_000) == pytest.approx(1.0)


def test_a_reservation_larger_than_the_bucket_waits_its_time() -> None:
    assert TokenBucket(100, PretendClock().now).reserve(1_000) == pytest.approx(9.0)


def test_no_rate_lets_everything_through() -> None:
    bucket = TokenBucket(None, PretendClock().now)
    assert [bucket.reserve(10**12) for _ in range(3)] == [0, 0, 0]


def test_a_request_waits_for_the_slower_of_events_and_bytes() -> None:
    rate = Rate(1_000, 60_000, PretendClock().now)
    assert rate.reserve(10, 500) == 0
    assert rate.reserve(10, 1_500) == pytest.approx(1.0)
    assert rate.reserve(4_980, 0) == pytest.approx(4.0)


def test_threads_that_share_a_bucket_are_spread_over_the_time_their_units_need() -> None:
    bucket = TokenBucket(1_000, PretendClock().now)
    waits: list[float] = []
    threads = [threading.Thread(target=lambda: waits.append(bucket.reserve(500))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == pytest.approx([0, 0, *(0.5 * n for n in range(1, 19))])


@pytest.mark.parametrize(
    ("events_per_second", "bytes_per_minute", "seconds"),
    [(100, 60_000, 20), (100, 6_000, 50), (100, None, 20), (None, 60_000, 5), (None, None, None)],
)
def test_events_take_as_long_as_the_slower_of_both_limits_makes_them(
    events_per_second: float | None, bytes_per_minute: float | None, seconds: float | None
) -> None:
    assert seconds_at(events_per_second, bytes_per_minute, 2_000, 5_000) == seconds
