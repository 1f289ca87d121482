"""Keeps a costly answer from being made too often."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_SHARE = 8
_CHEAP_SECONDS = 0.05


@dataclass(frozen=True)
class Made:
    """An answer, the version of what it was made from, when it was made and how long that took, in seconds."""

    version: str
    content: bytes
    at: float
    took: float


class Pace:
    """Gives the last answer again while it is current, or while making costly ones would take a tenth of the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Made | None = None

    def made(self, version: str, make: Callable[[], bytes]) -> Made:
        """The last answer, or a new one; `version` names what a new one would be made from."""
        with self._lock:
            last, now = self._last, time.monotonic()
            if last is None or (last.version != version and now - last.at > _rest(last)):
                content = make()
                done = time.monotonic()
                last = self._last = Made(version, content, done, done - now)
            return last


def _rest(made: Made) -> float:
    return 0.0 if made.took < _CHEAP_SECONDS else made.took * _SHARE
