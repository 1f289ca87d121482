"""What is open to one project twice in a process counts against one rate, as Mixpanel counts it."""

from dataclasses import replace

from mixpanel_wh.mixpanel.shared import SharedLimits
from mixpanel_wh_tests.mixpanel.delivering import settings

ONE = settings("http://127.0.0.1:1", events_per_second=100)


def test_a_project_that_is_open_twice_has_one_rate() -> None:
    shared = SharedLimits()
    first, second = shared.opened(ONE), shared.opened(ONE)
    assert first.rate.reserve(100, 0) == 0
    assert second.rate.reserve(100, 0) > 0.9
    assert first.concurrency is second.concurrency


def test_a_rate_ends_with_the_last_who_uses_it() -> None:
    shared = SharedLimits()
    first = shared.opened(ONE)
    shared.opened(ONE)
    shared.closed(ONE)
    assert shared.opened(ONE) is first
    shared.closed(ONE)
    shared.closed(ONE)
    assert shared.opened(ONE) is not first


def test_other_projects_and_other_limits_have_rates_of_their_own() -> None:
    shared = SharedLimits()
    first = shared.opened(ONE)
    for other in (replace(ONE, project_id="2"), replace(ONE, url="http://127.0.0.1:2"), replace(ONE, events_per_second=7)):
        assert shared.opened(other) is not first
