"""What the client's tests share: batches made by hand, a clock that only pretends, a server that follows a script."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.batches import Batch, Encoded, Framing, pack
from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.mixpanel.retry import RetryPolicy
from mixpanel_wh.mixpanel.settings import ProjectSettings

LINES = Framing()
ARRAY = Framing(b"[", b"]", 1)
QUICK = RetryPolicy(attempts=4, least=0.0, first=0.001, longest=0.002, total=120.0, first_contact=60.0)


class PretendClock:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waits: list[float] = []
        self._stopped = False

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        if self._stopped:
            raise DestinationUnavailable("stopped")
        self.time += max(0.0, seconds)
        if seconds > 0:
            self.waits.append(seconds)

    def stop(self) -> None:
        self._stopped = True


def batch_of(*rows: bytes | None, records_per_row: int = 1) -> Batch:
    """All rows as one batch; a None is a row that was rejected before."""
    encoded = Encoded(pa.array(rows, pa.large_binary()), records_per_row=records_per_row)
    (batch,) = pack(encoded, 10_000_000, 1 << 40)
    return batch


def event(number: int, **properties: Any) -> bytes:
    """An event as an encoder makes it; `insert_id` of event n is n in hex digits."""
    values = {"time": 1_700_000_000_000 + number, "distinct_id": f"user-{number}", "$insert_id": f"{number:032x}"}
    return json.dumps({"event": "Seen", "properties": values | properties}, separators=(",", ":")).encode() + b"\n"


def update(id: str, **properties: Any) -> bytes:
    """A user profile update as an encoder makes it, with a comma in front."""
    return b"," + json.dumps({"$token": "token-1", "$distinct_id": id, "$set": properties}).encode() + b"\n"


def group_update(id: str, **properties: Any) -> bytes:
    """A group profile update as an encoder makes it, with a comma in front."""
    one = {"$token": "token-1", "$group_key": "airline", "$group_id": id, "$set": properties}
    return b"," + json.dumps(one).encode() + b"\n"


def spec(record: RecordType, **more: Any) -> SyncSpec:
    """A sync of one record type."""
    return SyncSpec(record.value, TableName(("main", "table")), record, Mode.APPEND, **more)


def settings(url: str, **more: Any) -> ProjectSettings:
    """A project with a service account, quick retries and no rate."""
    chosen: dict[str, Any] = {
        "project_id": "42",
        "token": "token-1",
        "service_account": "account-1",
        "service_secret": "hush-hush",
        "retry": QUICK,
        "events_per_second": None,
        "bytes_per_minute": None,
    }
    return ProjectSettings(url=url, **chosen | more)


@dataclass(frozen=True)
class Request:
    """A request as the scripted server read it; `body` is uncompressed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """What the scripted server answers; `breaks` closes the connection after that many bytes of the body."""

    status: int = 200
    content: Any = field(default_factory=lambda: {"code": 200, "status": "OK"})
    headers: dict[str, str] = field(default_factory=dict)
    breaks: int | None = None

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


class Script(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A real HTTP server on this machine whose answers a function of the test decides."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Script

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, plain)
        self.server.requests.append(request)
        self._reply(self.server.answer(request))

    def _reply(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in {"Content-Length": str(len(response.body)), **response.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body[: response.breaks])
        if response.breaks is not None:
            self.close_connection = True

    do_POST = do_PUT = do_GET = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def scripted(*responses: Response | Callable[[Request], Response]) -> Iterator[Script]:
    """A server that gives the responses in turn, the last one for ever; a function is asked for each response."""
    left = list(responses)
    lock = threading.Lock()

    def answer(request: Request) -> Response:
        with lock:
            response = left.pop(0) if len(left) > 1 else left[0]
        return response(request) if callable(response) else response

    with Script(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
