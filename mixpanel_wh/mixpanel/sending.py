"""Sends one request until it is answered: rate, concurrency and retries around a single exchange."""

import threading

from mixpanel_wh.engine.ports import Answer
from mixpanel_wh.mixpanel.bodies import Body
from mixpanel_wh.mixpanel.concurrency import AdaptiveLimit
from mixpanel_wh.mixpanel.rate import Rate
from mixpanel_wh.mixpanel.refusals import unavailable
from mixpanel_wh.mixpanel.retry import RetryPolicy, transient
from mixpanel_wh.mixpanel.target import Target
from mixpanel_wh.mixpanel.waiting import Clock
from mixpanel_wh.mixpanel.wire import Broken, Reply, Wire


class Sender:
    """One sync's way to a project, for all its threads; `wire`, `rate` and `limit` are shared with the other syncs."""

    def __init__(self, wire: Wire, rate: Rate, limit: AdaptiveLimit, policy: RetryPolicy, clock: Clock) -> None:
        self._wire = wire
        self._rate = rate
        self._limit = limit
        self._policy = policy
        self._clock = clock
        self._under_way: set[int] = set()  # threads
        self._lock = threading.Lock()

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight now."""
        return self._limit.limit

    def send(self, target: Target, body: Body) -> tuple[Reply, Answer]:
        """The first answer that is not passing trouble, and what it cost (requests, retries, bytes sent).

        Raises DestinationUnavailable when the retry policy gives up. Sending twice what Mixpanel had stored before a
        connection broke is harmless: insert ids are deterministic and profile operations can be repeated.
        """
        failures, failing_since = 0, self._clock.now()
        while True:
            outcome = self._once(target, body)
            if isinstance(outcome, Reply) and not transient(outcome.status):
                cost = (failures + 1) * len(body.content)
                return outcome, Answer(requests=failures + 1, retries=failures, bytes_sent=cost)
            failing_since = failing_since if failures else self._clock.now()
            failures += 1
            self._pause(target, outcome, failures, self._clock.now() - failing_since)

    def abort(self) -> None:
        """End every wait for a pause, a place or the rate with DestinationUnavailable, now and later."""
        self._clock.stop()
        self._limit.wake()

    def cut(self) -> None:
        """Break off every request under way; each of them ends with DestinationUnavailable once it was aborted."""
        with self._lock:
            for thread in self._under_way:
                self._wire.cut(thread)

    def _once(self, target: Target, body: Body) -> Reply | Broken:
        if target.endpoint.rated:
            self._wait_for_rate(body)
        began = self._limit.enter(self._clock)
        pushed_back, hold = True, None
        try:
            reply = self._exchanged(target, body)
            pushed_back, hold = transient(reply.status), reply.asked_pause
            return reply
        except Broken as broken:
            return broken
        finally:
            self._limit.leave(began, pushed_back, hold)

    def _exchanged(self, target: Target, body: Body) -> Reply:
        thread = threading.get_ident()
        with self._lock:
            self._under_way.add(thread)
        try:
            return self._wire.send(target, body)
        finally:
            with self._lock:
                self._under_way.discard(thread)

    def _wait_for_rate(self, body: Body) -> None:
        seconds = self._rate.reserve(body.records, body.raw_size)
        if seconds > 0:
            self._clock.wait(seconds)

    def _pause(self, target: Target, outcome: Reply | Broken, failures: int, failing_for: float) -> None:
        asked = outcome.asked_pause if isinstance(outcome, Reply) else None
        pause = self._policy.pause(failures, asked)
        lasting = isinstance(outcome, Broken) and outcome.lasting
        if lasting or self._policy.gives_up(failures, failing_for, pause, self._wire.reached):
            raise unavailable(target, outcome, failures, failing_for, pause)
        self._clock.wait(pause)
