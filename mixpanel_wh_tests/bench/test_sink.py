"""The discarding server of the bench answers, and ends with whoever started it."""

import socket
import subprocess
import sys
import time

import requests

from mixpanel_wh.bench.sink import sink

STARTS = """
import time
from mixpanel_wh.bench.sink import sink

if __name__ == "__main__":
    with sink() as url:
        print(url, flush=True)
        time.sleep(600)
"""


def answers(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError:
        return False
    return True


def test_the_sink_answers_as_mixpanel_does_to_a_success() -> None:
    with sink() as url:
        assert requests.post(f"{url}/import", data=b"x" * 3_000_000, timeout=30).json() == {"code": 200, "status": "OK"}
        assert requests.post(f"{url}/engage", data=b"[]", timeout=30).json()["status"] == 1
    assert not answers(url)


def test_a_sink_ends_with_a_bench_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout
        url = bench.stdout.readline().strip()
        assert answers(url)
        bench.kill()
    deadline = time.monotonic() + 120
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(url)
