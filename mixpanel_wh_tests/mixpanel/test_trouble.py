"""Trouble on the way to Mixpanel that the sandbox does not make: a server that follows a script makes it."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mixpanel_wh.engine.errors import DestinationUnavailable, RequestRefused
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.mixpanel.retry import RetryPolicy
from mixpanel_wh_tests.mixpanel.delivering import (
    ARRAY,
    LINES,
    Request,
    Response,
    batch_of,
    event,
    scripted,
    settings,
    spec,
    update,
)

FINE = Response(content={"code": 200, "num_records_imported": 1_000_000, "status": "OK"})
BUSY = Response(503, {"error": "busy with hush-hush"})
NOWHERE = "http://127.0.0.1:9"


def test_requests_say_who_sends_what_to_whom() -> None:
    with scripted(FINE) as server, MixpanelProject(settings(server.url + "/")) as project:
        project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1), None, event(2)), LINES)
        project.destination(spec(RecordType.USER)).deliver(batch_of(update("a"), update("b")), ARRAY)
    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/import?strict=1&project_id=42")
    assert first.headers["content-type"] == "application/x-ndjson"
    assert first.headers["authorization"] == "Basic YWNjb3VudC0xOmh1c2gtaHVzaA=="
    assert first.headers["user-agent"].startswith("mixpanel_wh")
    assert first.body == event(1) + event(2)
    assert second.path == "/engage?strict=1&verbose=1"
    assert "authorization" not in second.headers
    assert second.body == b"[" + update("a")[1:] + update("b") + b"]"


def test_a_thread_keeps_its_connection_and_no_cookie() -> None:
    cookie = Response(content=FINE.content, headers={"Set-Cookie": "a=b"})
    with scripted(cookie) as server, MixpanelProject(settings(server.url)) as project:
        destination = project.destination(spec(RecordType.EVENT))
        for number in range(3):
            destination.deliver(batch_of(event(number)), LINES)
    assert not any("cookie" in request.headers for request in server.requests)


def test_a_redirect_is_not_followed_with_credentials() -> None:
    with scripted(FINE) as other:
        moved = Response(302, b"moved", headers={"Location": other.url})
        with (
            scripted(moved) as server,
            MixpanelProject(settings(server.url)) as project,
            pytest.raises(RequestRefused, match="check `url`"),
        ):
            project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)
        assert other.requests == []


def test_an_outage_is_given_up_with_a_sentence_and_without_secrets() -> None:
    with scripted(FINE, BUSY) as server:
        url = server.url.replace("//", "//someone:hush-hush@")
        with MixpanelProject(settings(url)) as project:
            destination = project.destination(spec(RecordType.EVENT))
            destination.deliver(batch_of(event(1)), LINES)
            with pytest.raises(DestinationUnavailable) as caught:
                destination.deliver(batch_of(event(2)), LINES)
    message = str(caught.value)
    assert f"{server.url}/import still answers 503 after 4 tries" in message
    assert "the next run finishes" in message
    assert not any(secret in message for secret in ("hush-hush", "someone", "project_id"))


def test_a_pause_longer_than_the_patience_is_not_waited_for() -> None:
    with (
        scripted(Response(429, {"error": "slow down"}, {"Retry-After": "86400"})) as server,
        MixpanelProject(settings(server.url)) as project,
        pytest.raises(DestinationUnavailable, match=r"still answers 429 after 1 try .* pause of 86400 s"),
    ):
        project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with MixpanelProject(settings(NOWHERE)) as project:
        with pytest.raises(DestinationUnavailable, match=r"http://127.0.0.1:9/import cannot be reached .*refused"):
            project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)
        (problem, *_) = project.check()
    assert "cannot be reached after 2 tries" in problem
    assert "connection refused" in problem


def test_an_address_that_never_answered_gets_little_patience() -> None:
    impatient = RetryPolicy(attempts=1_000, least=0.0, first=0.001, longest=0.001, total=3_600, first_contact=0.05)
    with MixpanelProject(settings(NOWHERE, retry=impatient)) as project, pytest.raises(DestinationUnavailable):
        project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://"])
def test_an_address_that_makes_no_sense_is_a_sentence_at_once(url: str) -> None:
    with MixpanelProject(settings(url)) as project, pytest.raises(DestinationUnavailable, match="after 1 try"):
        project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)


@pytest.mark.parametrize("cut", [0, 5])
def test_an_answer_that_breaks_off_is_not_believed(cut: int) -> None:
    broken = Response(content=FINE.content, breaks=cut)
    with scripted(broken, FINE) as server, MixpanelProject(settings(server.url)) as project:
        answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)
    assert (answer.requests, answer.retries) == (2, 1)


def judged(request: Request) -> Response:
    """An old profile endpoint: no names, only whether all went well."""
    return Response(content=0 if b'"bad-' in request.body else 1)


def test_bad_profiles_that_nobody_names_are_found_by_halving() -> None:
    rows = [update(f"bad-{n}" if n in (17, 1_500) else f"good-{n}") for n in range(2_000)]
    with scripted(judged) as server, MixpanelProject(settings(server.url)) as project:
        answer = project.destination(spec(RecordType.USER)).deliver(batch_of(*rows), ARRAY)
    assert [row for row, _, _ in answer.refused] == [17, 1_500]
    assert answer.records == 2_000
    assert answer.requests == len(server.requests) < 50


def test_profiles_that_are_all_refused_without_names_are_an_error() -> None:
    with (
        scripted(Response(content={"status": 0, "error": "token, missing or empty"})) as server,
        MixpanelProject(settings(server.url)) as project,
        pytest.raises(RequestRefused, match=r"does not say which .token, missing or empty."),
    ):
        project.destination(spec(RecordType.USER)).deliver(batch_of(*(update(f"u{n}") for n in range(500))), ARRAY)


def test_aborting_ends_a_long_pause_at_once_and_leaves_other_syncs_alone() -> None:
    patient = RetryPolicy(least=60.0, first=60.0)
    asked = threading.Event()

    def busy(_: Request) -> Response:
        asked.set()
        return BUSY

    with scripted(busy, FINE) as server, MixpanelProject(settings(server.url, retry=patient)) as project:
        destination = project.destination(spec(RecordType.EVENT))
        with ThreadPoolExecutor(1) as threads:
            under_way = threads.submit(destination.deliver, batch_of(event(1)), LINES)
            assert asked.wait(60)
            destination.abort()
            with pytest.raises(DestinationUnavailable, match="stopped before Mixpanel answered"):
                under_way.result(60)
        with pytest.raises(DestinationUnavailable):
            destination.deliver(batch_of(event(2)), LINES)
        assert project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(3)), LINES).records == 1


def test_closing_the_project_ends_every_pause() -> None:
    asked = threading.Event()

    def busy(_: Request) -> Response:
        asked.set()
        return Response(429, headers={"Retry-After": "60"})

    with scripted(busy) as server, ThreadPoolExecutor(1) as threads:
        project = MixpanelProject(settings(server.url, retry=RetryPolicy()))
        under_way = threads.submit(project.destination(spec(RecordType.EVENT)).deliver, batch_of(event(1)), LINES)
        assert asked.wait(60)
        project.close()
        with pytest.raises(DestinationUnavailable):
            under_way.result(60)


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    in_flight, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def counting(_: Request) -> Response:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
            if in_flight == 3:
                full.set()
        full.wait(60)
        time.sleep(0.01)  # long enough for one too many
        with lock:
            in_flight -= 1
        return FINE

    with scripted(counting) as server, MixpanelProject(settings(server.url, max_concurrency=3)) as project:
        destination = project.destination(spec(RecordType.EVENT))
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda n: destination.deliver(batch_of(event(n)), LINES), range(60)))
    assert sum(answer.records for answer in answers) == 60
    assert most == 3


def test_the_rate_is_shared_by_the_syncs_of_a_project() -> None:
    with scripted(FINE) as server, MixpanelProject(settings(server.url, events_per_second=100)) as project:
        first, second = (project.destination(spec(RecordType.EVENT)) for _ in range(2))
        began = time.monotonic()
        first.deliver(batch_of(*(event(n) for n in range(100))), LINES)
        second.deliver(batch_of(*(event(n) for n in range(20))), LINES)
    assert time.monotonic() - began >= 0.15
    assert len(server.requests) == 2


def test_secrets_are_in_no_repr() -> None:
    chosen = settings(NOWHERE)
    assert not any(secret in repr(chosen) for secret in ("token-1", "hush-hush"))


def test_naming_a_project_loads_no_http_and_no_arrow() -> None:
    code = (
        "import sys; from mixpanel_wh.mixpanel.project import MixpanelProject;"
        "from mixpanel_wh.mixpanel.settings import ProjectSettings;"
        "MixpanelProject(ProjectSettings('1', 't'));"
        "print([name for name in ('requests', 'isal', 'pyarrow', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_request_that_is_cut_off_ends_at_once_and_leaves_other_syncs_alone() -> None:
    asked, gate = threading.Event(), threading.Event()

    def slow(_: Request) -> Response:
        asked.set()
        gate.wait(60)
        return FINE

    with scripted(slow, FINE) as server, MixpanelProject(settings(server.url)) as project, ThreadPoolExecutor(1) as threads:
        destination = project.destination(spec(RecordType.EVENT))
        under_way = threads.submit(destination.deliver, batch_of(event(1)), LINES)
        assert asked.wait(60)
        destination.abort()
        destination.cut()
        with pytest.raises(DestinationUnavailable):
            under_way.result(60)
        assert project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(2)), LINES).records == 1
        destination.cut()
        gate.set()
