"""How often a project may be asked: so many requests in any hour and any second, counted in this process.

Mixpanel's pages "Raw Export API" and "Query API" give rolling windows, so every request is remembered for an hour.
"""

import threading
from collections import deque
from collections.abc import Callable

HOUR, SECOND = 3_600.0, 1.0


class Pace:
    """The requests of one kind to one project; safe to use from several threads."""

    def __init__(self, an_hour: int, a_second: int, now: Callable[[], float]) -> None:
        self._limits = ((an_hour, HOUR), (a_second, SECOND))
        self._now = now
        self._asked: deque[float] = deque()
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Seconds until another request may start; 0 when it may start now."""
        with self._lock:
            now = self._now()
            return max((self._wait(now, most, span) for most, span in self._limits), default=0.0)

    def take(self) -> None:
        """Count a request that starts now."""
        with self._lock:
            self._asked.append(self._now())

    def _wait(self, now: float, most: int, span: float) -> float:
        while self._asked and self._asked[0] <= now - HOUR:
            self._asked.popleft()
        if len(self._asked) < most:
            return 0.0
        return max(0.0, self._asked[-most] + span - now)
