"""A run that is interrupted while Mixpanel is slow: no request of it is under way any more when its lease is given back."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from mixpanel_wh.engine.batches import Framing
from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, USER, make
from mixpanel_wh_tests.mixpanel.delivering import batch_of, settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround


def interrupt_once_met(url: str) -> None:
    """Ctrl-C, as soon as a request has met the standing fault."""
    while not any(one["fired"] for one in requests.get(f"{url}/sandbox/faults", timeout=30).json()):
        threading.Event().wait(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def sending() -> list[threading.Thread]:
    """The threads of deliveries."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("send")]


@pytest.mark.parametrize("seconds", [1.5, 600], ids=["answered soon", "answered never"])
def test_nothing_is_under_way_when_an_interrupted_run_has_ended(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, seconds: float
) -> None:
    make(ground, 30)
    holding.fault(url, "slow", path="/import", seconds=seconds, times=None)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(interrupt_once_met, url)
        with pytest.raises(KeyboardInterrupt):
            run_sync(EVENT, warehouse, project)
    for thread in sending():
        thread.join(60)
    assert sending() == []
    assert warehouse.state.load(EVENT.name).pending is not None
    holding.mend(url)
    run_sync(EVENT, warehouse, project)
    assert holding.summary(url)["events"]["visible"] == 30


def test_a_request_that_has_only_left_in_part_never_arrives_whole() -> None:
    size = 48_000_000  # more than both machines' buffers hold
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with MixpanelProject(settings(address)) as project, ThreadPoolExecutor(1) as threads:
            client = project.destination(USER)
            client.max_bytes = 2 * size
            under_way = threads.submit(client.deliver, batch_of(b"x" * size), Framing())
            with closing(server.accept()[0]) as connection:
                arrived = len(connection.recv(1024))
                client.abort()
                client.cut()
                with pytest.raises(DestinationUnavailable):
                    under_way.result(60)
                arrived += rest(connection)
    assert arrived < size


def rest(connection: socket.socket) -> int:
    """How many bytes still come."""
    count = 0
    try:
        while received := len(connection.recv(1 << 20)):
            count += received
    except ConnectionResetError:
        pass
    return count
