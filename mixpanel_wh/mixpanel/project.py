"""A Mixpanel project as a destination: the encoders, clients and shared limits of its syncs.

Importing this module loads no HTTP and no Arrow: the first encoder or destination does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.endpoints import ENDPOINTS
from mixpanel_wh.mixpanel.settings import ProjectSettings

if TYPE_CHECKING:
    from mixpanel_wh.engine.audit_result import Reader
    from mixpanel_wh.engine.ports import Destination, Encoder, Table
    from mixpanel_wh.mixpanel.line import Line


class MixpanelProject:
    """One open project. Its connections are shared by every sync that it delivers; its rate and concurrency by every
    sync of this process that goes to the same project."""

    def __init__(self, settings: ProjectSettings, warehouse_kind: str = "duckdb") -> None:
        self.settings = settings
        self._warehouse_kind = warehouse_kind
        self._lock = threading.Lock()
        self._line: Line | None = None

    def encoder(self, spec: SyncSpec, table: Table, epoch: int, dropped: tuple[str, ...] = ()) -> Encoder:
        """What turns the rows of a sync into records. `dropped` are properties sent before whose columns are gone."""
        from mixpanel_wh.mixpanel.records import encoder_for

        return encoder_for(spec, table, epoch, dropped, self.settings, self._warehouse_kind)

    def destination(self, spec: SyncSpec) -> Destination:
        """What delivers the records of a sync; ConfigError when the settings cannot deliver that record type."""
        return self._opened().client(spec)

    def counting(self, spec: SyncSpec) -> Destination:
        """What counts the requests, records and bytes of a sync in place of sending them; ConfigError as above."""
        from mixpanel_wh.mixpanel.counting import Counting

        return Counting(self._opened().client(spec))

    def seconds_at_rate(self, spec: SyncSpec, records: int, size: int) -> float | None:
        """How long the rate makes so many records of so many uncompressed bytes wait; None where no rate counts."""
        from mixpanel_wh.mixpanel.rate import seconds_at

        settings = self.settings
        if not ENDPOINTS[spec.record].rated:
            return None
        return seconds_at(settings.events_per_second, settings.bytes_per_minute, records, size)

    def reader(self, spec: SyncSpec, table: Table) -> Reader:
        """What reads the records of a sync back, for audits; ConfigError without a service account."""
        from mixpanel_wh.mixpanel.reading import reader_for

        if not self.settings.service_account:
            raise ConfigError([
                f"sync {spec.name}: reading back from Mixpanel needs a service account: set `service_account` and "
                "`service_secret` of the destination"
            ])  # fmt: skip
        return reader_for(spec, table, self.settings.identity, self._opened().fetcher())

    def check(self) -> list[str]:
        """What is wrong with the address and the credentials, one sentence each; nothing is written to the project."""
        from mixpanel_wh.mixpanel.checking import problems

        return problems(self.settings)

    def close(self) -> None:
        """Close the connections; deliveries that still wait end with DestinationUnavailable."""
        with self._lock:
            line, self._line = self._line, None
        if line:
            line.close()

    def __enter__(self) -> MixpanelProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> Line:
        from mixpanel_wh.mixpanel.line import Line

        with self._lock:
            self._line = self._line or Line(self.settings)
            return self._line
