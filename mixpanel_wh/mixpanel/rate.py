"""The project's rate: token buckets for events and bytes that every sync of a destination shares.

Mixpanel's "Import Events" page: 2 GB of uncompressed JSON a minute, or about 30,000 events a second.
"""

import threading
from collections.abc import Callable

BURST_SECONDS = 1.0


def seconds_at(
    events_per_second: float | None, bytes_per_minute: float | None, events: int, size: int
) -> float | None:
    """The seconds that so many events of `size` uncompressed bytes take at both limits, of which the slower counts;
    None where both are off. What passes at once in the first second is not taken off."""
    times = [events / events_per_second] if events_per_second else []
    times += [60 * size / bytes_per_minute] if bytes_per_minute else []
    return max(times, default=None)


class TokenBucket:
    """Lets `per_second` units through a second, and at most one second's worth at once; None lets everything through.

    A reservation is a promise: the caller waits as long as it is told and then sends. Reservations are served in the
    order they came, and one that is larger than the bucket is not refused but waits its time.
    """

    def __init__(self, per_second: float | None, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._lock = threading.Lock()
        self._tokens = (per_second or 0.0) * BURST_SECONDS
        self._filled_at = now()

    def reserve(self, units: int) -> float:
        """Take `units` out; returns the seconds to wait before using them."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            self._fill(self._per_second)
            self._tokens -= units
            return max(0.0, -self._tokens / self._per_second)

    def _fill(self, per_second: float) -> None:
        now = self._now()
        full = per_second * BURST_SECONDS
        self._tokens = min(full, self._tokens + (now - self._filled_at) * per_second)
        self._filled_at = now


class Rate:
    """Both buckets of a destination. `bytes_per_minute` counts uncompressed bytes."""

    def __init__(
        self, events_per_second: float | None, bytes_per_minute: float | None, now: Callable[[], float]
    ) -> None:
        self._events = TokenBucket(events_per_second, now)
        self._bytes = TokenBucket(None if bytes_per_minute is None else bytes_per_minute / 60, now)

    def reserve(self, events: int, size: int) -> float:
        """Take a request's records and bytes out; returns the seconds to wait before sending it."""
        return max(self._events.reserve(events), self._bytes.reserve(size))
