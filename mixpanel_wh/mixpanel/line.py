"""The open line to a project: everything its syncs share, and a client for each."""

import threading

from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.mixpanel.client import Client
from mixpanel_wh.mixpanel.fetching import Fetcher
from mixpanel_wh.mixpanel.sending import Sender
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.mixpanel.shared import SHARED
from mixpanel_wh.mixpanel.target import target_for
from mixpanel_wh.mixpanel.waiting import StoppableClock
from mixpanel_wh.mixpanel.wire import Wire


class Line:
    """The connections of one project while it is open, and its limits, which it shares with every other line to it."""

    def __init__(self, settings: ProjectSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings.base)
        self._limits = SHARED.opened(settings)
        self._senders: list[Sender] = []
        self._fetcher: Fetcher | None = None
        self._lock = threading.Lock()

    def client(self, spec: SyncSpec) -> Client:
        """A client for the records of a sync."""
        if spec.record is RecordType.LOOKUP and not self._settings.service_account:
            raise ConfigError([
                f"sync '{spec.name}' sends a lookup table, which needs a service account:"
                " set `service_account` and `service_secret` of the destination"
            ])  # fmt: skip
        target = target_for(self._settings, spec.record, spec.lookup_table_id)
        limits, retry = self._limits, self._settings.retry
        sender = Sender(self._wire, limits.rate, limits.concurrency, retry, StoppableClock())
        self._senders.append(sender)
        return Client(target, sender, target.endpoint.gzip or self._settings.gzip_profiles)

    def fetcher(self) -> Fetcher:
        """What reads from the project; one for all syncs, since Mixpanel counts requests a project."""
        with self._lock:
            self._fetcher = self._fetcher or Fetcher(self._settings, StoppableClock())
            return self._fetcher

    def close(self) -> None:
        """End every wait and close every connection."""
        if self._fetcher:
            self._fetcher.close()
        for sender in self._senders:
            sender.abort()
        self._wire.close()
        SHARED.closed(self._settings)
