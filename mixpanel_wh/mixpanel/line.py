"""The open line to a project: everything its syncs share, and a client for each."""

from time import monotonic

from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.mixpanel.client import Client
from mixpanel_wh.mixpanel.concurrency import AdaptiveLimit
from mixpanel_wh.mixpanel.project import ProjectSettings
from mixpanel_wh.mixpanel.rate import Rate
from mixpanel_wh.mixpanel.sending import Sender
from mixpanel_wh.mixpanel.target import target_for
from mixpanel_wh.mixpanel.waiting import StoppableClock
from mixpanel_wh.mixpanel.wire import Wire


class Line:
    """Connections, rate and concurrency of one project while it is open."""

    def __init__(self, settings: ProjectSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings.base)
        self._limit = AdaptiveLimit(settings.max_concurrency, monotonic)
        self._rate = Rate(settings.events_per_second, settings.bytes_per_minute, monotonic)
        self._senders: list[Sender] = []

    def client(self, spec: SyncSpec) -> Client:
        """A client for the records of a sync."""
        if spec.record is RecordType.LOOKUP and not self._settings.service_account:
            raise ConfigError([
                f"sync '{spec.name}' sends a lookup table, which needs a service account:"
                " set `service_account` and `service_secret` of the destination"
            ])  # fmt: skip
        target = target_for(self._settings, spec.record, spec.lookup_table_id)
        sender = Sender(self._wire, self._rate, self._limit, self._settings.retry, StoppableClock())
        self._senders.append(sender)
        return Client(target, sender, target.endpoint.gzip or self._settings.gzip_profiles)

    def close(self) -> None:
        """End every wait and close every connection."""
        for sender in self._senders:
            sender.abort()
        self._wire.close()
