"""Starts and stops a sandbox: inside a program's own process, or for a terminal until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mixpanel_wh.sandbox.errors import SandboxError
from mixpanel_wh.sandbox.options import SandboxOptions

if TYPE_CHECKING:
    import uvicorn

    from mixpanel_wh.sandbox.project import Project

_KEEP_ALIVE_SECONDS = 120
_STOP_SECONDS = 5
_POLL_SECONDS = 0.005
_LOOK_SECONDS = 0.1


class Sandbox:
    """A running sandbox. As a context manager it stops at the end of the block."""

    def __init__(self, url: str, server: uvicorn.Server, thread: threading.Thread, project: Project) -> None:
        self.url = url
        self._server = server
        self._thread = thread
        self._project = project

    @classmethod
    def start(cls, options: SandboxOptions | None = None) -> Sandbox:
        """Runs the server on a thread of this process; returns once it answers. Raises SandboxError."""
        from mixpanel_wh.sandbox.project import opened

        options = options or SandboxOptions(port=0)
        listener = _listener(options)
        try:
            project = opened(options)
        except BaseException:
            listener.close()
            raise
        try:
            return cls(_url(options, listener), *_running(project, listener), project)
        except BaseException:
            listener.close()
            project.store.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stops the server and writes everything acknowledged to the data file."""
        self._server.should_exit = True
        self._thread.join()
        self._project.store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def serve(options: SandboxOptions) -> None:
    """Prints the sandbox's address and serves until SIGTERM or SIGINT, then stops cleanly. Raises SandboxError."""
    with asked_to_stop() as asked, Sandbox.start(options) as box:
        print(f"The sandbox answers at {box.url}", flush=True)
        while box.alive and not asked.is_set():
            time.sleep(_LOOK_SECONDS)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, also where a shell made this process ignore Ctrl-C."""
    asked = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    earlier = [signal.signal(number, lambda *_: asked.set()) for number in numbers]
    try:
        yield asked
    finally:
        for number, action in zip(numbers, earlier, strict=True):
            signal.signal(number, action)


def _running(project: Project, listener: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    server = _server(project)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise SandboxError("the sandbox's server ended while starting")
        time.sleep(_POLL_SECONDS)
    return server, thread


def _server(project: Project) -> uvicorn.Server:
    import uvicorn

    from mixpanel_wh.sandbox.app import application
    from mixpanel_wh.sandbox.wire import Transports, tracking_protocol

    transports: Transports = {}
    config = uvicorn.Config(
        application(project, transports),
        http=tracking_protocol(transports),
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def _listener(options: SandboxOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        listener.close()
        raise SandboxError(_why_not(options, error)) from None
    return listener


def _why_not(options: SandboxOptions, error: OSError) -> str:
    if error.errno == 98 or "in use" in str(error):
        return f"port {options.port} on {options.host} is in use: stop what listens there or choose another port"
    return f"the sandbox cannot listen on {options.host}:{options.port}: {error.strerror or error}"


def _url(options: SandboxOptions, listener: socket.socket) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{listener.getsockname()[1]}"
