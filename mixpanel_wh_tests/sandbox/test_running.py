"""Starting, stopping and restarting; many clients at once."""

import ast
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
import requests

from mixpanel_wh.sandbox import Sandbox, SandboxError, SandboxOptions
from mixpanel_wh_tests.sandbox.calling import engage, event, group, lines, replace_table, send, summary, visible

SERVE = """
import sys
from pathlib import Path
from mixpanel_wh.sandbox import SandboxOptions, serve
serve(SandboxOptions(port=0, data=Path(sys.argv[1])))
"""


class Elsewhere:
    """A sandbox in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    command = [sys.executable, "-c", SERVE, str(tmp_path / "box.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        yield Elsewhere(process, process.stdout.readline().split()[-1])
        process.kill()


def test_a_restart_with_a_data_file_keeps_everything(tmp_path: Path) -> None:
    options = SandboxOptions(port=0, data=tmp_path / "box.duckdb")
    with Sandbox.start(options) as box:
        send(box, [event(plan="free"), event(insert_id="b"), event(insert_id="c", time=1)])
        engage(box, {"$set": {"a": 1}})
        group(box, {"$set": {"a": 1}})
        replace_table(box, "id\n1\n")
        before, events = summary(box), visible(box)
    with Sandbox.start(options) as box:
        assert (summary(box), visible(box)) == (before, events)
        send(box, [event(plan="paid")])
        engage(box, {"$add": {"a": 1}})
        assert visible(box, insert_id="first")[0]["properties"]["plan"] == "paid"
        assert lines(box, "profiles")[0]["$properties"] == {"a": 2}
        assert [one["number"] for one in lines(box, "requests")] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_with_status_0_on_a_signal_and_loses_nothing(
    elsewhere: Elsewhere, tmp_path: Path, number: signal.Signals
) -> None:
    for n in range(20):
        body = [event(insert_id=f"i{n}")]
        requests.post(f"{elsewhere.url}/import", json=body, auth=("token", ""), timeout=30)
    elsewhere.process.send_signal(number)
    output, _ = elsewhere.process.communicate(timeout=120)
    assert (elsewhere.process.returncode, output) == (0, "")
    with duckdb.connect(str(tmp_path / "box.duckdb")) as database:
        assert database.execute("SELECT count(*) FROM events").fetchall() == [(20,)]


def test_a_data_file_in_use_is_one_clear_sentence(elsewhere: Elsewhere, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"box\.duckdb is in use by another process"):
        Sandbox.start(SandboxOptions(port=0, data=tmp_path / "box.duckdb"))


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"port {port} on 127.0.0.1 is in use"):
            Sandbox.start(SandboxOptions(port=port))


def test_a_file_that_is_not_duckdbs_is_one_clear_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 1_000)
    with pytest.raises(SandboxError, match="not a DuckDB database"):
        Sandbox.start(SandboxOptions(port=0, data=path))


def test_a_folder_that_does_not_exist_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="cannot be opened"):
        Sandbox.start(SandboxOptions(port=0, data=tmp_path / "none" / "box.duckdb"))


def test_the_address_is_on_the_loopback_by_default(box: Sandbox) -> None:
    assert box.url.startswith("http://127.0.0.1:")


def test_a_stopped_sandbox_does_not_answer() -> None:
    with Sandbox.start() as box:
        assert requests.get(f"{box.url}/sandbox/summary", timeout=30).status_code == 200
    assert not box.alive
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{box.url}/sandbox/summary", timeout=30)


def test_importing_the_package_loads_no_server_and_no_database() -> None:
    heavy = {"duckdb", "pyarrow", "starlette", "uvicorn", "msgspec"}
    code = f"import mixpanel_wh.sandbox, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_sandbox_judges_by_itself_and_imports_no_other_room() -> None:
    code = "import mixpanel_wh.sandbox.app, sys; print(sorted(m for m in sys.modules if m.startswith('mixpanel_wh.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith("mixpanel_wh.sandbox") for name in ast.literal_eval(done.stdout))


def test_many_clients_at_once_lose_nothing(box: Sandbox) -> None:
    def one(client: int) -> None:
        for batch in range(5):
            ids = [f"c{client}-b{batch}-{n}" for n in range(200)]
            assert send(box, [event(insert_id=id, client=client) for id in ids]).status_code == 200
            assert engage(box, {"$add": {"n": 1}}).json()["status"] == 1
            summary(box)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(one, range(8)))
    assert summary(box)["events"] == {
        "raw": 8_000,
        "visible": 8_000,
        "by_name": {"Signed up": {"raw": 8_000, "visible": 8_000, "tombstones": 0}},
    }
    assert len({one["properties"]["$insert_id"] for one in visible(box)}) == 8_000
    assert lines(box, "profiles")[0]["$properties"] == {"n": 40}


def test_events_can_be_read_while_others_arrive_and_after_a_reset(box: Sandbox) -> None:
    send(box, [event(insert_id=f"i{n}", text="x" * 200) for n in range(2_000)])
    with requests.get(f"{box.url}/sandbox/events", stream=True, timeout=30) as answer:
        rows = answer.iter_lines()
        next(rows)
        send(box, [event(insert_id="late")])
        requests.post(f"{box.url}/sandbox/reset", timeout=30)
        assert len(list(rows)) == 1_999
    assert summary(box)["events"]["raw"] == 0
