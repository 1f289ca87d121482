"""The adaptive limit on requests in flight."""

import threading

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.mixpanel.concurrency import AdaptiveLimit
from mixpanel_wh.mixpanel.waiting import StoppableClock
from mixpanel_wh_tests.mixpanel.delivering import PretendClock


def exchange(limit: AdaptiveLimit, clock: PretendClock, took: float, pushed_back: bool = False) -> None:
    began = limit.enter(clock)
    clock.time += took
    limit.leave(began, pushed_back)


def test_the_limit_grows_with_fast_answers_up_to_the_most() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    assert limit.limit == 4
    for _ in range(30):
        exchange(limit, clock, took=0.2)
    assert limit.limit == 16


def test_it_stops_growing_where_more_in_flight_would_bring_nothing() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    for _ in range(30):
        exchange(limit, clock, took=0.002)
    assert limit.limit == 4
    for _ in range(30):
        exchange(limit, clock, took=0.021)
    assert limit.limit == 10


def test_slow_answers_do_not_make_it_grow() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    exchange(limit, clock, took=0.3)
    for _ in range(10):
        exchange(limit, clock, took=5.0)
    assert limit.limit == 5


def test_a_push_back_halves_it_and_it_never_falls_below_one() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    seen = []
    for _ in range(5):
        exchange(limit, clock, took=0.1, pushed_back=True)
        seen.append(limit.limit)
    assert seen == [2, 1, 1, 1, 1]


def test_requests_that_were_in_flight_together_halve_it_once() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    together = [limit.enter(clock) for _ in range(4)]
    clock.time += 0.1
    for began in together:
        limit.leave(began, pushed_back=True)
    assert limit.limit == 2


def test_after_a_push_back_it_grows_by_one_a_full_round() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(16, clock.now)
    exchange(limit, clock, took=0.1, pushed_back=True)
    for _ in range(3):
        exchange(limit, clock, took=0.1)
    assert limit.limit == 3


def test_a_limit_of_one_recovers() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(1, clock.now)
    exchange(limit, clock, took=0.1, pushed_back=True)
    exchange(limit, clock, took=0.1)
    assert limit.limit == 1


def test_nobody_sends_while_mixpanel_asked_for_a_pause() -> None:
    clock = PretendClock()
    limit = AdaptiveLimit(4, clock.now)
    limit.leave(limit.enter(clock), pushed_back=True, hold=30.0)
    limit.enter(clock)
    assert clock.waits == [30.0]


def test_an_aborted_delivery_stops_waiting_for_a_place_while_others_keep_theirs() -> None:
    limit = AdaptiveLimit(1, PretendClock().now)
    aborted, other = StoppableClock(), StoppableClock()
    held = limit.enter(other)
    errors: list[Exception] = []

    def wait_for_a_place() -> None:
        try:
            limit.enter(aborted)
        except DestinationUnavailable as error:
            errors.append(error)

    thread = threading.Thread(target=wait_for_a_place)
    thread.start()
    aborted.stop()
    limit.wake()
    limit.leave(held, pushed_back=False)
    thread.join(60)
    assert len(errors) == 1
    limit.enter(other)
    with pytest.raises(DestinationUnavailable, match="next run sends it again"):
        limit.enter(aborted)
