"""The lease that keeps two runs of one sync apart, and expires by itself when its holder dies."""

import os
import socket
import time
from datetime import UTC, datetime, timedelta
from types import TracebackType

from mixpanel_wh.engine.errors import SyncBusy
from mixpanel_wh.engine.ports import StateStore
from mixpanel_wh.engine.state import Lease

LIFETIME = timedelta(minutes=10)
RENEW_SECONDS = 30.0


def _died(holder: str) -> bool:
    """Whether the holder was a process of this machine that is gone; False when it cannot be known."""
    host, _, rest = holder.partition("|")
    pid = rest.partition("|")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class LeaseKeeper:
    """Holds a sync's lease inside a `with` block; SyncBusy when another living run holds it."""

    def __init__(self, sync: str, run_id: str, state: StateStore) -> None:
        self._sync, self._state = sync, state
        self._holder = f"{socket.gethostname()}|{os.getpid()}|{run_id}"
        self._renewed = 0.0

    def __enter__(self) -> "LeaseKeeper":
        held = self._acquire()
        if held and _died(held.holder):
            self._state.release(self._sync, held.holder)
            held = self._acquire()
        if held:
            raise self._busy(held)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._state.release(self._sync, self._holder)

    def renew(self) -> None:
        """Push the expiry back, at most once in `RENEW_SECONDS`; SyncBusy when it expired and another run took it."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            held = self._acquire()
            if held:
                raise self._busy(held)

    def _busy(self, held: Lease) -> SyncBusy:
        host, _, rest = held.holder.partition("|")
        return SyncBusy(
            f"sync {self._sync} is being run by process {rest.partition('|')[0]} on {host}: wait for it to end "
            f"(its lease expires at {held.expires_at:%H:%M:%S} UTC if it has died)"
        )

    def _acquire(self) -> Lease | None:
        self._renewed = time.monotonic()
        return self._state.acquire(Lease(self._sync, self._holder, datetime.now(UTC) + LIFETIME))
