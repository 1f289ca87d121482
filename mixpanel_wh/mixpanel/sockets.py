"""Sockets of requests under way, by the thread that sends: so that somebody else can break one off."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager

NO_FAREWELL = struct.pack("ii", 1, 0)
"""SO_LINGER of zero: what still waits in this machine's buffers when the socket is closed is not sent any more."""
Opened = Callable[[socket.socket], None]


class Sockets:
    """The socket that each thread talks over."""

    def __init__(self) -> None:
        self._of: dict[int, socket.socket] = {}
        self._lock = threading.Lock()

    def opened(self, found: socket.socket) -> None:
        """The thread that calls this talks over this socket from now on."""
        with self._lock:
            self._of[threading.get_ident()] = found

    def cut(self, thread: int) -> None:
        """Break the exchange of a thread off: it fails at once, and nothing more of it leaves this machine."""
        with self._lock:
            found = self._of.pop(thread, None)
        if found is not None:
            with suppress(OSError):  # it has ended by itself
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_FAREWELL)
                found.shutdown(socket.SHUT_RDWR)


class WatchedAdapter(HTTPAdapter):
    """requests' adapter for one thread, that tells of every socket it opens."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> Any:
        """The pools of direct connections, watched."""
        super().init_poolmanager(*args, **more)
        _watch(self.poolmanager, self._opened)

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        """The pools of connections through a proxy, watched."""
        return _watch(super().proxy_manager_for(*args, **more), self._opened)


def _watch(pools: PoolManager, opened: Opened) -> PoolManager:
    kinds = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    pools.pool_classes_by_scheme = {scheme: _watched(kind, opened) for scheme, kind in kinds.items()}
    return pools


def _watched(kind: Any, opened: Opened) -> Any:
    class Connection(kind.ConnectionCls):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            opened(self.sock)

    return type(kind.__name__, (kind,), {"ConnectionCls": Connection})
