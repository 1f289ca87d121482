"""How many requests may be in flight: grows while answers are fast, halves when Mixpanel pushes back.

Mixpanel's "Import Events" page: 10 to 20 concurrent clients of 2,000 events each deliver best.
"""

import threading
from collections.abc import Callable

from mixpanel_wh.mixpanel.waiting import Clock

ALWAYS_FAST = 1.0
"""An answer within this many seconds is fast, however fast earlier ones were."""
ENOUGH_A_SECOND = 500
"""Requests a second beyond which more in flight only get in each other's way: a million events a second."""
FEWEST = 4


class AdaptiveLimit:
    """A limit between 1 and `most` on the requests in flight, shared by the threads of a destination.

    It starts at 4 and grows by one with each fast answer until Mixpanel pushes back for the first time; from then on by
    one for each full round of fast answers. It stops growing where so many in flight make a million events a second
    at the time that answers take. A push back halves it, once for all requests that were in flight together.
    """

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most = max(1, most)
        self._now = now
        self._limit = float(min(self._most, FEWEST))
        self._busy = 0
        self._best = float("inf")
        self._halved_at: float | None = None
        self._held_until = 0.0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    def enter(self, clock: Clock) -> float:
        """Return when a request may start: its starting time, to be given back to `leave`.

        DestinationUnavailable when the delivery whose `clock` this is was aborted.
        """
        clock.wait(self._held_until - self._now())
        with self._changed:
            while self._busy >= int(self._limit):
                self._changed.wait()
                clock.wait(0)
            self._busy += 1
        return self._now()

    def leave(self, began: float, pushed_back: bool, hold: float | None = None) -> None:
        """A request ended. `hold`: the seconds for which Mixpanel asked that nothing more be sent."""
        now = self._now()
        with self._changed:
            self._busy -= 1
            if pushed_back:
                self._halve(began, now)
                self._held_until = max(self._held_until, now + (hold or 0.0))
            else:
                self._grow(now - began)
            self._changed.notify_all()

    def wake(self) -> None:
        """Let everyone who waits see whether its delivery was aborted."""
        with self._changed:
            self._changed.notify_all()

    def _halve(self, began: float, now: float) -> None:
        if self._halved_at is None or began >= self._halved_at:
            self._limit = max(1.0, self._limit / 2)
            self._halved_at = now

    def _grow(self, took: float) -> None:
        self._best = min(self._best, took)
        if took <= max(ALWAYS_FAST, 2 * self._best):
            step = 1.0 if self._halved_at is None else 1.0 / self._limit
            enough = max(FEWEST, ENOUGH_A_SECOND * took)
            self._limit = max(self._limit, min(float(self._most), enough, self._limit + step))
