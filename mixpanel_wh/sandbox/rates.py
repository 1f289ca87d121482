"""Rolling windows: how much was taken in the last minute, hour or day, and when there is room again."""

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mixpanel_wh.sandbox.calls import RefusedCall
from mixpanel_wh.sandbox.options import SandboxOptions

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


class RollingWindow:
    """Lets through at most `limit` units in any `seconds`; no limit when it is None."""

    def __init__(self, limit: int | None, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._taken: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._lock = threading.Lock()

    def take(self, units: int, what: str) -> None:
        """Counts `units`; raises 429 with Retry-After when they do not fit. An empty window takes any number."""
        if self._limit is None:
            return
        with self._lock:
            now = self._clock()
            self._forget_before(now - self._seconds)
            if self._taken and self._sum + units > self._limit:
                raise _too_many(what, self._limit, self._taken[0][0] + self._seconds - now)
            self._taken.append((now, units))
            self._sum += units

    def clear(self) -> None:
        """Forgets what was taken."""
        with self._lock:
            self._taken.clear()
            self._sum = 0

    def _forget_before(self, moment: float) -> None:
        while self._taken and self._taken[0][0] <= moment:
            self._sum -= self._taken.popleft()[1]


@dataclass(frozen=True)
class Quotas:
    """The rolling windows of one sandbox."""

    events: RollingWindow
    bytes: RollingWindow
    lookup_replacements: RollingWindow
    exports: RollingWindow
    queries: RollingWindow

    def clear(self) -> None:
        """Starts every window afresh."""
        for window in (self.events, self.bytes, self.lookup_replacements, self.exports, self.queries):
            window.clear()


def quotas_of(options: SandboxOptions) -> Quotas:
    """The windows the options ask for."""
    return Quotas(
        events=RollingWindow(options.events_per_minute, _MINUTE, options.clock),
        bytes=RollingWindow(options.bytes_per_minute, _MINUTE, options.clock),
        lookup_replacements=RollingWindow(options.lookup_replacements_per_day, _DAY, options.clock),
        exports=RollingWindow(options.exports_per_hour, _HOUR, options.clock),
        queries=RollingWindow(options.queries_per_hour, _HOUR, options.clock),
    )


def _too_many(what: str, limit: int, wait: float) -> RefusedCall:
    seconds = max(1, math.ceil(wait))
    error = f"rate limit exceeded: at most {limit} {what}; try again in {seconds} s"
    return RefusedCall(429, error, {"Retry-After": str(seconds)})
