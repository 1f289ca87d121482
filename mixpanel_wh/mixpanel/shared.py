"""The limits of a project that is open more than once in this process: Mixpanel counts all of it together."""

import threading
from dataclasses import dataclass
from time import monotonic

from mixpanel_wh.mixpanel.concurrency import AdaptiveLimit
from mixpanel_wh.mixpanel.rate import Rate
from mixpanel_wh.mixpanel.settings import ProjectSettings

Key = tuple[object, ...]


@dataclass
class Limits:
    """The rate and the concurrency of one project; `users` says how often it is open."""

    rate: Rate
    concurrency: AdaptiveLimit
    users: int = 0


class SharedLimits:
    """One pair of limits for each project, from the first time it is opened until it is closed as often."""

    def __init__(self) -> None:
        self._open: dict[Key, Limits] = {}
        self._lock = threading.Lock()

    def opened(self, settings: ProjectSettings) -> Limits:
        """The limits of a project; whoever asks gives them back with `closed`."""
        with self._lock:
            limits = self._open.setdefault(_key(settings), _limits(settings))
            limits.users += 1
            return limits

    def closed(self, settings: ProjectSettings) -> None:
        """One user less."""
        with self._lock:
            limits = self._open[_key(settings)]
            limits.users -= 1
            if not limits.users:
                del self._open[_key(settings)]


def _key(settings: ProjectSettings) -> Key:
    """What tells projects apart; the same project under other limits has limits of its own."""
    return (
        settings.base, settings.project_id, settings.events_per_second, settings.bytes_per_minute,
        settings.max_concurrency,
    )  # fmt: skip


def _limits(settings: ProjectSettings) -> Limits:
    rate = Rate(settings.events_per_second, settings.bytes_per_minute, monotonic)
    return Limits(rate, AdaptiveLimit(settings.max_concurrency, monotonic))


SHARED = SharedLimits()
