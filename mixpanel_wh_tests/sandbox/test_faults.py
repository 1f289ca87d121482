"""Faults on request: each kind, when it strikes, and what was stored when it did."""

import time
from typing import Any

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import engage, event, inject, replace_table, send, summary


def raw(box: Sandbox) -> int:
    """How many events were stored."""
    count: int = summary(box)["events"]["raw"]
    return count


def statuses(box: Sandbox, times: int) -> list[int]:
    """The statuses of so many good requests."""
    return [send(box, [event()]).status_code for _ in range(times)]


def test_rate_limit_is_429_with_retry_after_and_stores_nothing(box: Sandbox) -> None:
    inject(box, kind="rate_limit", retry_after=7)
    answer = send(box, [event()])
    assert (answer.status_code, answer.headers["Retry-After"], raw(box)) == (429, "7", 0)
    assert statuses(box, 1) == [200]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_has_the_status_asked_for(box: Sandbox, status: int) -> None:
    inject(box, kind="server_error", status=status)
    assert (statuses(box, 2), raw(box)) == ([status, 200], 1)


def test_unauthorized_is_401(box: Sandbox) -> None:
    inject(box, kind="unauthorized")
    assert statuses(box, 2) == [401, 200]


def test_reset_breaks_the_connection_before_anything_is_stored(box: Sandbox) -> None:
    inject(box, kind="reset")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        send(box, [event()])
    assert raw(box) == 0


@pytest.mark.parametrize(("kind", "stored"), [("reset", 1), ("cut", 1)])
def test_the_answer_can_be_lost_after_the_records_were_stored(box: Sandbox, kind: str, stored: int) -> None:
    inject(box, kind=kind, after_store=True)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        send(box, [event()])
    assert raw(box) == stored


def test_a_server_error_can_come_after_the_records_were_stored(box: Sandbox) -> None:
    inject(box, kind="server_error", status=502, after_store=True)
    assert (statuses(box, 1), raw(box)) == ([502], 1)


def test_slow_answers_are_whole_in_the_end(box: Sandbox) -> None:
    inject(box, kind="slow", seconds=0.2)
    answer = send(box, [event()])
    assert (answer.status_code, answer.json()["num_records_imported"]) == (200, 1)


def test_a_slow_answer_meets_a_client_that_does_not_wait(box: Sandbox) -> None:
    inject(box, kind="slow", seconds=4)
    with pytest.raises(requests.RequestException):
        send(box, [event()], timeout=0.3)
    until = time.monotonic() + 60
    while not raw(box) and time.monotonic() < until:  # a busy server gets to it a little later
        time.sleep(0.02)
    assert raw(box) == 1


@pytest.mark.parametrize("shape", ["$insert_id", "insert_id"])
def test_partial_400_refuses_some_events_in_the_shape_asked_for(box: Sandbox, shape: str) -> None:
    inject(box, kind="partial_400", shape=shape, records=2)
    answer = send(box, [event(insert_id=f"i{n}") for n in range(5)])
    assert (answer.status_code, answer.json()["num_records_imported"], raw(box)) == (400, 3, 3)
    assert [(one["index"], one[shape]) for one in answer.json()["failed_records"]] == [(0, "i0"), (1, "i1")]


def test_partial_400_can_list_plain_strings(box: Sandbox) -> None:
    inject(box, kind="partial_400", shape="string", records=0)
    answer = send(box, [event(insert_id="a"), event(insert_id="b", time=1)])
    (failed,) = answer.json()["failed_records"]
    assert failed == "'properties.time' is invalid: it must not be before 1971-01-01 ($insert_id b)"


def test_partial_400_waits_for_events(box: Sandbox) -> None:
    inject(box, kind="partial_400")
    assert engage(box, {"$set": {"a": 1}}).json()["status"] == 1
    assert statuses(box, 2) == [400, 200]


def test_too_large_is_413_above_the_bytes_given_until_it_is_cleared(box: Sandbox) -> None:
    inject(box, kind="too_large", limit_bytes=1_000)
    batch = [event(insert_id=f"i{n}") for n in range(20)]
    assert [send(box, batch).status_code for _ in range(2)] == [413, 413]
    assert send(box, batch[:5]).status_code == 200
    requests.delete(f"{box.url}/sandbox/faults", timeout=30)
    assert send(box, batch).status_code == 200


def test_a_fault_meets_only_its_path(box: Sandbox) -> None:
    inject(box, kind="server_error", path="/engage", times=None)
    assert statuses(box, 1) == [200]
    assert engage(box, {"$set": {"a": 1}}).status_code == 503
    inject(box, kind="rate_limit", path="/lookup-tables")
    assert replace_table(box, "id\n1\n").status_code == 429


def test_a_fault_lets_requests_pass_first_and_strikes_so_many_times(box: Sandbox) -> None:
    inject(box, kind="server_error", skip=1, times=2)
    assert statuses(box, 4) == [200, 503, 503, 200]


def test_faults_strike_one_after_the_other(box: Sandbox) -> None:
    inject(box, kind="server_error", status=500)
    inject(box, kind="server_error", status=502)
    assert statuses(box, 3) == [500, 502, 200]


def test_a_fault_strikes_with_its_probability_the_same_way_for_the_same_seed(box: Sandbox) -> None:
    seen = []
    for _ in range(2):
        requests.delete(f"{box.url}/sandbox/faults", timeout=30)
        inject(box, kind="server_error", times=None, probability=0.5, seed=3)
        seen.append(statuses(box, 12))
    assert seen[0] == seen[1]
    assert set(seen[0]) == {200, 503}


def test_standing_faults_are_listed_with_how_often_they_struck(box: Sandbox) -> None:
    inject(box, kind="server_error", times=3)
    statuses(box, 2)
    (fault,) = requests.get(f"{box.url}/sandbox/faults", timeout=30).json()
    assert (fault["kind"], fault["times"], fault["fired"]) == ("server_error", 3, 2)


@pytest.mark.parametrize(
    "fault",
    [
        {},
        5,
        {"kind": "earthquake"},
        {"kind": "slow", "minutes": 5},
        {"kind": "server_error", "status": 200},
        {"kind": "partial_400", "shape": "round"},
        {"kind": "slow", "seconds": "long"},
        {"kind": "slow", "times": "often"},
        {"kind": "partial_400", "records": 1.5},
        {"kind": "slow", "path": 5},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(box: Sandbox, fault: Any) -> None:
    answer = requests.post(f"{box.url}/sandbox/faults", json=fault, timeout=30)
    assert (answer.status_code, "fault" in answer.json()["error"]) == (400, True)
    assert requests.get(f"{box.url}/sandbox/faults", timeout=30).json() == []
