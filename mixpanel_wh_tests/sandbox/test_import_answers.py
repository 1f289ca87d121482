"""How /import answers: bodies, batches, partial failures and credentials."""

import gzip
import json
from collections.abc import Callable

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox, ServiceAccount
from mixpanel_wh_tests.sandbox.calling import (
    ACCOUNT,
    PROJECT,
    event,
    send,
    send_bytes,
    summary,
    visible,
    zipped,
)


def test_a_good_batch_is_answered_with_the_number_of_events_stored(box: Sandbox) -> None:
    answer = send(box, [event(insert_id="a"), event(insert_id="b")])
    assert (answer.status_code, answer.json()) == (200, {"code": 200, "num_records_imported": 2, "status": "OK"})
    assert summary(box)["events"]["visible"] == 2


def test_the_good_events_of_a_bad_batch_are_stored_all_the_same(box: Sandbox) -> None:
    answer = send(box, [event(insert_id="a"), event(insert_id="b", time=...), event(insert_id="c")])
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 400,
        "error": "some data points in the request failed validation",
        "failed_records": [
            {
                "index": 1,
                "$insert_id": "b",
                "field": "properties.time",
                "message": "'properties.time' is required",
            }
        ],
        "num_records_imported": 2,
        "status": "Bad Request",
    }
    assert [one["properties"]["$insert_id"] for one in visible(box)] == ["a", "c"]


def test_without_strict_bad_events_are_dropped_and_the_answer_is_200(box: Sandbox) -> None:
    answer = send(box, [event(insert_id="a"), event(insert_id="b", time=...)], strict="0")
    assert (answer.status_code, answer.json()["num_records_imported"]) == (200, 1)
    assert summary(box)["rejected"] == 1


def test_without_strict_a_missing_insert_id_is_made_up(box: Sandbox) -> None:
    assert send(box, [{"event": "A", "properties": {"time": 1_600_000_000}}], strict="0").status_code == 200
    assert len(visible(box)[0]["properties"]["$insert_id"]) == 36


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_newline_delimited_json_is_read_line_by_line(box: Sandbox, end: str) -> None:
    body = end.join(json.dumps(event(insert_id=f"i{n}")) for n in range(3)) + end
    answer = send_bytes(box, body.encode(), "application/x-ndjson; charset=utf-8")
    assert (answer.status_code, answer.json()["num_records_imported"]) == (200, 3)


def test_gzip_bodies_are_read_even_in_several_members(box: Sandbox) -> None:
    body = json.dumps([event()]).encode()
    halves = gzip.compress(body[:20]) + gzip.compress(body[20:])
    assert send_bytes(box, halves, **{"Content-Encoding": "gzip"}).status_code == 200


@pytest.mark.parametrize("spoil", [lambda body: body[:-9], lambda body: b"no gzip at all"])
def test_a_body_that_is_not_gzip_is_refused_whole(box: Sandbox, spoil: Callable[[bytes], bytes]) -> None:
    answer = send_bytes(box, spoil(zipped([event()])), **{"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert "not valid gzip" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'[{"event":"A","properties":{"time":NaN}}]',
        b'[{"event":"A","properties":{"x":Infinity}}]',
        b'[{"event":"A","properties":{"x":"\xff"}}]',
        b'[{"event":"A"},]',
    ],
)
def test_a_body_that_is_not_json_is_refused_whole(box: Sandbox, body: bytes) -> None:
    answer = send_bytes(box, body)
    assert (answer.status_code, answer.json()["status"]) == (400, "Bad Request")
    assert "not valid JSON" in answer.json()["error"]
    assert summary(box)["events"]["raw"] == 0


def test_a_bad_line_of_ndjson_refuses_the_whole_body(box: Sandbox) -> None:
    body = json.dumps(event()) + '\n{"event":\n'
    assert send_bytes(box, body.encode(), "application/x-ndjson").status_code == 400
    assert summary(box)["events"]["raw"] == 0


def test_a_body_that_is_one_object_is_refused_with_what_to_send(box: Sandbox) -> None:
    assert "JSON array" in send(box, event()).json()["error"]


def test_a_content_type_that_is_not_json_is_refused(box: Sandbox) -> None:
    assert "text/csv" in send_bytes(box, b"[]", "text/csv").json()["error"]


def test_a_content_encoding_that_is_not_gzip_is_refused(box: Sandbox) -> None:
    assert send_bytes(box, b"[]", **{"Content-Encoding": "br"}).status_code == 400


def test_an_empty_batch_stores_nothing_and_is_fine(box: Sandbox) -> None:
    assert send(box, []).json()["num_records_imported"] == 0


def test_two_thousand_events_fit_and_one_more_is_413(box: Sandbox) -> None:
    events = [event(insert_id=f"i{n}") for n in range(2_001)]
    assert send(box, events[:2_000]).status_code == 200
    answer = send(box, events)
    assert (answer.status_code, answer.json()["status"]) == (413, "Request Entity Too Large")
    assert "2000 records" in answer.json()["error"]
    assert summary(box)["events"]["raw"] == 2_000


def test_a_body_over_ten_megabytes_is_413_also_when_it_is_small_on_the_wire(box: Sandbox) -> None:
    events = [event(insert_id=f"i{n}", text="x" * 9_000) for n in range(1_200)]
    answer = send_bytes(box, zipped(events), **{"Content-Encoding": "gzip"})
    assert (answer.status_code, "10485760 bytes" in answer.json()["error"]) == (413, True)


def test_the_byte_limit_can_be_chosen(start: Callable[..., Sandbox]) -> None:
    box = start(byte_limit=2_097_152)
    events = [event(insert_id=f"i{n}", text="x" * 9_000) for n in range(300)]
    assert send(box, events).json()["error"] == "request exceeds max limit of 2097152 bytes"
    assert send(box, events[:150]).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic ???"}])
def test_a_call_without_basic_credentials_is_401(box: Sandbox, headers: dict[str, str]) -> None:
    answer = requests.post(f"{box.url}/import", json=[event()], headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (401, "Unauthorized")


def test_any_credentials_do_when_none_are_asked_for(box: Sandbox) -> None:
    assert send(box, [event()], auth=("anyone", "at all")).status_code == 200
    assert send(box, [event()], auth=("a-token", ""), params={}).status_code == 200


def test_a_service_account_needs_the_project_id(box: Sandbox) -> None:
    answer = send(box, [event()], params={})
    assert (answer.status_code, "project_id" in answer.json()["error"]) == (400, True)


def test_credentials_that_are_asked_for_must_match(start: Callable[..., Sandbox]) -> None:
    box = start(project_token="right", project_id="1", service_account=ServiceAccount(*ACCOUNT))
    assert send(box, [event()]).status_code == 200
    assert send(box, [event()], auth=("right", "")).status_code == 200
    assert send(box, [event()], auth=("user", "wrong")).status_code == 401
    assert send(box, [event()], auth=("wrong", "secret")).status_code == 401
    assert send(box, [event()], auth=("wrong", "")).status_code == 401
    assert send(box, [event()], params={"project_id": "2"}).status_code == 401


def test_secrets_do_not_appear_in_the_repr_of_options(start: Callable[..., Sandbox]) -> None:
    assert "secret" not in repr(ServiceAccount(*ACCOUNT))


def test_an_unknown_path_is_a_404_that_says_so(box: Sandbox) -> None:
    answer = requests.get(f"{box.url}/api/app/data-deletions/v3.0/", params=PROJECT, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (404, "the sandbox has no GET /api/app/data-deletions/v3.0/")


def test_the_wrong_method_on_a_known_path_is_a_404_too(box: Sandbox) -> None:
    assert requests.delete(f"{box.url}/import", timeout=30).json()["status"] == "Not Found"


def test_events_over_the_rate_are_429_with_retry_after(start: Callable[..., Sandbox]) -> None:
    now = [1_700_000_000.0]
    box = start(events_per_minute=3, clock=lambda: now[0])
    batch = [event(time=1_600_000_000)] * 2
    assert send(box, batch).status_code == 200
    now[0] += 20
    answer = send(box, batch)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "40")
    now[0] += 40
    assert send(box, batch).status_code == 200


def test_bytes_over_the_rate_are_429(start: Callable[..., Sandbox]) -> None:
    box = start(bytes_per_minute=300)
    assert [send(box, [event()] * 2).status_code for _ in range(2)] == [200, 429]
