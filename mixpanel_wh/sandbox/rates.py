"""Limits: how much was taken in the last second, minute, hour or day, when there is room again, and how much goes on
at once."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mixpanel_wh.sandbox.calls import RefusedCall
from mixpanel_wh.sandbox.options import SandboxOptions

_SECOND, _MINUTE, _HOUR, _DAY = 1.0, 60.0, 3_600.0, 86_400.0


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


class Gate:
    """Lets at most `limit` calls go on at once; no limit when it is None."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._inside = 0
        self._lock = threading.Lock()

    def enter(self, what: str) -> None:
        """Counts a call that begins; raises 429 when as many go on already."""
        with self._lock:
            if self._limit is not None and self._inside >= self._limit:
                error = f"rate limit exceeded: at most {self._limit} {what} at once"
                raise RefusedCall(429, error, {"Retry-After": "1"})
            self._inside += 1

    def leave(self) -> None:
        """A call has ended."""
        with self._lock:
            self._inside -= 1

    @contextmanager
    def through(self, what: str) -> Iterator[None]:
        """The time of one call."""
        self.enter(what)
        try:
            yield
        finally:
            self.leave()


class Streamed:
    """An answer that leaves its gate once it was read to its end, or was given up."""

    def __init__(self, parts: Iterable[bytes], gate: Gate) -> None:
        self._parts, self._gate = iter(parts), gate
        self._inside = True

    def __iter__(self) -> "Streamed":
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the gate."""
        if self._inside:
            self._inside = False
            self._gate.leave()

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True)
class Quotas:
    """The limits of one sandbox."""

    events: RollingWindow
    bytes: RollingWindow
    lookup_replacements: RollingWindow
    exports: RollingWindow
    exports_a_second: RollingWindow
    queries: RollingWindow
    exports_at_once: Gate
    queries_at_once: Gate

    def clear(self) -> None:
        """Starts every window afresh."""
        for limit in vars(self).values():
            if isinstance(limit, RollingWindow):
                limit.clear()


def quotas_of(options: SandboxOptions) -> Quotas:
    """The windows the options ask for."""
    return Quotas(
        events=RollingWindow(options.events_per_minute, _MINUTE, options.clock),
        bytes=RollingWindow(options.bytes_per_minute, _MINUTE, options.clock),
        lookup_replacements=RollingWindow(options.lookup_replacements_per_day, _DAY, options.clock),
        exports=RollingWindow(options.exports_per_hour, _HOUR, options.clock),
        exports_a_second=RollingWindow(options.exports_per_second, _SECOND, options.clock),
        queries=RollingWindow(options.queries_per_hour, _HOUR, options.clock),
        exports_at_once=Gate(options.exports_at_once),
        queries_at_once=Gate(options.queries_at_once),
    )


def _too_many(what: str, limit: int, wait: float) -> RefusedCall:
    seconds = max(1, math.ceil(wait))
    error = f"rate limit exceeded: at most {limit} {what}; try again in {seconds} s"
    return RefusedCall(429, error, {"Retry-After": str(seconds)})
