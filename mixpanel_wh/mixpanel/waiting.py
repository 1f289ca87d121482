"""Time as one delivery sees it: a monotonic clock whose waits end at once when the delivery is aborted."""

import threading
import time
from typing import Protocol

from mixpanel_wh.engine.errors import DestinationUnavailable


class Clock(Protocol):
    """Tells the time and waits; a test puts one in place that only pretends to."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def wait(self, seconds: float) -> None:
        """Return after `seconds`; DestinationUnavailable when the delivery is aborted before or meanwhile."""

    def stop(self) -> None:
        """End every wait, now and later."""


class StoppableClock:
    """The real clock. `stop` ends every wait, so that nobody who aborts a delivery waits out a long pause."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`; DestinationUnavailable when aborted before or meanwhile."""
        if self._stopped.wait(max(0.0, seconds)):
            raise DestinationUnavailable(
                "the delivery was stopped before Mixpanel answered: the next run sends it again"
            )

    def stop(self) -> None:
        """End every wait, now and later."""
        self._stopped.set()
