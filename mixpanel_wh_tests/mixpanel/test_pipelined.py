"""The client inside the engine's delivery: many requests at once, through every kind of trouble at the same time."""

import json
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
import requests

from mixpanel_wh.engine.batches import KEY, Encoded
from mixpanel_wh.engine.errors import CredentialsRefused
from mixpanel_wh.engine.pipeline import Answered, Delivery
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.mixpanel.retry import RetryPolicy
from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh_tests.mixpanel.delivering import (
    ARRAY,
    LINES,
    Request,
    Response,
    event,
    scripted,
    settings,
    spec,
    update,
)

TROUBLE = [
    {"kind": "rate_limit", "retry_after": 0, "probability": 0.1, "seed": 1},
    {"kind": "rate_limit", "retry_after": 0, "probability": 0.1, "seed": 2, "after_store": True},
    {"kind": "server_error", "status": 502, "probability": 0.1, "seed": 3},
    {"kind": "server_error", "status": 500, "probability": 0.1, "seed": 4, "after_store": True},
    {"kind": "reset", "probability": 0.1, "seed": 5},
    {"kind": "reset", "probability": 0.1, "seed": 6, "after_store": True},
    {"kind": "cut", "probability": 0.1, "seed": 7},
    {"kind": "slow", "seconds": 0.05, "probability": 0.1, "seed": 8},
]


class ReadyLines:
    """An encoder for rows that hold their records already."""

    def __init__(self, record: RecordType) -> None:
        self.framing = ARRAY if record is RecordType.USER else LINES

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        return Encoded(batch.column("line"))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(port=0)) as one:
        yield one


@pytest.fixture
def troubled(box: Sandbox) -> Iterator[str]:
    """The address of a sandbox in which half of all requests go wrong in some way."""
    lasting = [fault | {"times": None} for fault in TROUBLE]
    requests.post(f"{box.url}/sandbox/reset", timeout=60).raise_for_status()
    requests.post(f"{box.url}/sandbox/faults", json=lasting, timeout=60).raise_for_status()
    yield box.url
    requests.post(f"{box.url}/sandbox/reset", timeout=60).raise_for_status()


def stream(lines: list[bytes], size: int = 500) -> Iterator[pa.RecordBatch]:
    """Record batches of rows that are encoded already."""
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        keys = [str(start + n) for n in range(len(part))]
        yield pa.record_batch({KEY: keys, "line": pa.array(part, pa.binary())})


def delivered(url: str, record: RecordType, lines: list[bytes], max_bytes: int) -> list[Answered]:
    """What became of the rows, sent in requests of at most so many bytes."""
    patient = RetryPolicy(attempts=60, least=0.0, first=0.001, longest=0.01)
    with MixpanelProject(settings(url, retry=patient)) as project:
        destination = project.destination(spec(record))
        destination.max_bytes = max_bytes
        return list(Delivery(ReadyLines(record), destination).run(stream(lines)))


def held(url: str, what: str) -> list[str]:
    return requests.get(f"{url}/sandbox/{what}", timeout=60).text.splitlines()


def test_every_event_is_there_once_whatever_happens_to_half_of_the_requests(troubled: str) -> None:
    parts = delivered(troubled, RecordType.EVENT, [event(n) for n in range(6_000)], max_bytes=10_000)
    assert sum(part.accepted for part in parts) == sum(part.records for part in parts) == 6_000
    assert sum(part.retries for part in parts) > 20
    ids = [int(json.loads(line)["properties"]["$insert_id"], 16) for line in held(troubled, "events")]
    assert sorted(ids) == list(range(6_000))


def test_every_profile_is_there_once_whatever_happens_to_half_of_the_requests(troubled: str) -> None:
    parts = delivered(troubled, RecordType.USER, [update(f"u{n:04}", n=n) for n in range(3_000)], max_bytes=5_000)
    assert sum(part.accepted for part in parts) == 3_000
    profiles = [json.loads(line) for line in held(troubled, "profiles")]
    assert [one["$properties"]["n"] for one in profiles] == list(range(3_000))


def test_refused_rows_are_named_among_many_requests_that_are_cut_for_their_size(box: Sandbox) -> None:
    requests.post(f"{box.url}/sandbox/reset", timeout=60).raise_for_status()
    small = {"kind": "too_large", "limit_bytes": 70_000}
    requests.post(f"{box.url}/sandbox/faults", json=small, timeout=60).raise_for_status()
    lines = [event(n, **({"time": 5} if n % 700 == 3 else {})) for n in range(4_000)]
    parts = delivered(box.url, RecordType.EVENT, lines, max_bytes=1_000_000)
    keys = [key for part in parts for key in part.rejected.column("row_key").to_pylist()]
    assert keys == [str(n) for n in range(4_000) if n % 700 == 3]
    assert len(held(box.url, "events")) == 4_000 - len(keys)


def test_refused_credentials_end_everything_although_others_wait_out_a_long_pause() -> None:
    arrived, busy = threading.Event(), threading.Event()

    def one_refused(request: Request) -> Response:
        if event(1_499)[:-1] in request.body:
            arrived.set()
            assert busy.wait(60)
            return Response(401, {"error": "no longer"})
        assert arrived.wait(60)
        busy.set()
        return Response(503, headers={"Retry-After": "300"})

    with scripted(one_refused) as server, MixpanelProject(settings(server.url, retry=RetryPolicy())) as project:
        delivery = Delivery(ReadyLines(RecordType.EVENT), project.destination(spec(RecordType.EVENT)))
        began = time.monotonic()
        with pytest.raises(CredentialsRefused):
            list(delivery.run(stream([event(n) for n in range(1_500)])))
    assert time.monotonic() - began < 60
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("send", "encode"))]
