"""The client, delivering to the real sandbox over HTTP."""

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mixpanel_wh.engine.batches import Framing
from mixpanel_wh.engine.errors import ConfigError, CredentialsRefused, RequestRefused
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.client import TOO_LARGE
from mixpanel_wh.mixpanel.endpoints import SMALLEST_BYTE_LIMIT
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox, SandboxOptions, ServiceAccount
from mixpanel_wh_tests.mixpanel.delivering import (
    ARRAY,
    LINES,
    batch_of,
    event,
    group_update,
    settings,
    spec,
    update,
)

OPTIONS = SandboxOptions(
    port=0,
    project_id="42",
    project_token="token-1",
    service_account=ServiceAccount("account-1", "hush-hush"),
    known_group_keys=frozenset({"airline"}),
)
CSV = Framing(prefix=b"id,city\r\n")


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox.start(OPTIONS) as box:
        yield box


@pytest.fixture
def box(server: Sandbox) -> str:
    requests.post(f"{server.url}/sandbox/reset", timeout=60).raise_for_status()
    return server.url


@pytest.fixture
def project(box: str) -> Iterator[MixpanelProject]:
    with MixpanelProject(settings(box)) as project:
        yield project


def fault(box: str, kind: str, **more: Any) -> None:
    requests.post(f"{box}/sandbox/faults", json={"kind": kind, **more}, timeout=60).raise_for_status()


def summary(box: str) -> dict[str, Any]:
    content: dict[str, Any] = requests.get(f"{box}/sandbox/summary", timeout=60).json()
    return content


def held(box: str, what: str) -> list[dict[str, Any]]:
    lines = requests.get(f"{box}/sandbox/{what}", timeout=60).text.splitlines()
    return [json.loads(line) for line in lines]


def event_ids(box: str) -> list[int]:
    return sorted(int(one["properties"]["$insert_id"], 16) for one in held(box, "events"))


def test_events_arrive_compressed_and_every_byte_is_counted(box: str, project: MixpanelProject) -> None:
    batch = batch_of(*(event(n) for n in range(500)))
    answer = project.destination(spec(RecordType.EVENT)).deliver(batch, LINES)
    assert (answer.records, answer.requests, answer.retries, answer.refused) == (500, 1, 0, ())
    assert answer.bytes_raw == batch.size
    assert 0 < answer.bytes_sent < batch.size / 4
    assert event_ids(box) == list(range(500))


def test_events_travel_with_the_token_alone_where_there_is_no_service_account(box: str) -> None:
    with MixpanelProject(settings(box, service_account=None, service_secret=None)) as project:
        answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(1)), LINES)
    assert answer.records == 1
    assert event_ids(box) == [1]


def test_rows_that_mixpanel_refuses_are_named_and_the_others_are_stored(box: str, project: MixpanelProject) -> None:
    rows = [event(0), event(1, time=5), None, event(3, distinct_id="null"), event(4)]
    answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(*rows), LINES)
    assert [(row, field) for row, field, _ in answer.refused] == [(1, "properties.time"), (3, "properties.distinct_id")]
    assert "1971" in answer.refused[0][2]
    assert event_ids(box) == [0, 4]


@pytest.mark.parametrize("shape", ["$insert_id", "insert_id", "string"])
def test_failed_records_are_read_in_every_shape(box: str, project: MixpanelProject, shape: str) -> None:
    fault(box, "partial_400", records=2, shape=shape)
    rows = [None, event(0) + event(1), event(2), event(3)]
    answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(*rows, records_per_row=2), LINES)
    assert [row for row, _, _ in answer.refused] == [1]
    assert "injected" in answer.refused[0][2]
    assert (answer.records, event_ids(box)) == (4, [2, 3])


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "server_error", "status": 503, "times": 2},
        {"kind": "server_error", "status": 500, "times": 2, "after_store": True},
        {"kind": "rate_limit", "retry_after": 0, "times": 2},
        {"kind": "reset", "times": 2},
        {"kind": "reset", "times": 2, "after_store": True},
        {"kind": "cut", "times": 2},
    ],
)
def test_passing_trouble_is_retried_until_every_event_is_there_once(
    box: str, project: MixpanelProject, trouble: dict[str, Any]
) -> None:
    fault(box, path="/import", **trouble)
    answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(*(event(n) for n in range(50))), LINES)
    assert (answer.records, answer.requests, answer.retries) == (50, 3, 2)
    assert event_ids(box) == list(range(50))


def test_a_slow_answer_is_waited_for(box: str, project: MixpanelProject) -> None:
    fault(box, "slow", seconds=0.2, path="/import")
    answer = project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(0)), LINES)
    assert (answer.requests, answer.retries) == (1, 0)


def test_retry_after_is_obeyed(box: str, project: MixpanelProject) -> None:
    fault(box, "rate_limit", retry_after=1, path="/import")
    began = time.monotonic()
    project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(0)), LINES)
    assert time.monotonic() - began >= 1.0


def test_a_413_halves_the_byte_limit_once_and_later_batches_are_cut_before_they_are_sent(
    box: str, project: MixpanelProject
) -> None:
    fault(box, "too_large", limit_bytes=150_000)
    destination = project.destination(spec(RecordType.EVENT))
    batch = batch_of(*(event(n, text="x" * 400) for n in range(600)))
    answer = destination.deliver(batch, LINES)
    assert (answer.records, answer.requests, answer.retries, answer.bytes_raw) == (600, 2 + 4, 0, batch.size)
    assert SMALLEST_BYTE_LIMIT <= destination.max_bytes < 150_000
    again = destination.deliver(batch_of(*(event(n, text="y" * 400) for n in range(600))), LINES)
    assert again.requests == 4
    assert event_ids(box) == list(range(600))


def test_a_single_record_that_is_too_large_is_a_refused_row(box: str, project: MixpanelProject) -> None:
    fault(box, "too_large", limit_bytes=5_000)
    destination = project.destination(spec(RecordType.EVENT))
    answer = destination.deliver(batch_of(event(0), None, event(2, text="x" * 6_000), event(3)), LINES)
    assert answer.refused == ((2, None, TOO_LARGE),)
    assert destination.max_bytes == SMALLEST_BYTE_LIMIT
    assert event_ids(box) == [0, 3]


def test_wrong_credentials_stop_at_once_and_say_which(box: str) -> None:
    with MixpanelProject(settings(box, service_secret="wrong-secret")) as project, pytest.raises(
        CredentialsRefused, match="`service_secret`"
    ) as caught:
        project.destination(spec(RecordType.EVENT)).deliver(batch_of(event(0)), LINES)
    assert "wrong-secret" not in str(caught.value)
    assert summary(box)["requests"] == 1


def test_a_wrong_token_stops_profiles_at_once(box: str, project: MixpanelProject) -> None:
    wrong = update("a").replace(b"token-1", b"token-2")
    with pytest.raises(CredentialsRefused, match="correct `token`"):
        project.destination(spec(RecordType.USER)).deliver(batch_of(wrong), ARRAY)


def test_user_profiles_arrive_and_the_bad_ones_are_named(box: str, project: MixpanelProject) -> None:
    rows = [update("a", city="Oslo"), update(""), None, update("c", city="Rome")]
    answer = project.destination(spec(RecordType.USER)).deliver(batch_of(*rows), ARRAY)
    assert [(row, field) for row, field, _ in answer.refused] == [(1, "$distinct_id")]
    assert (answer.records, answer.requests) == (3, 1)
    assert answer.bytes_sent == answer.bytes_raw == sum(len(row) for row in rows if row) + 1
    assert len(held(box, "profiles")) == 2


def test_profiles_are_compressed_when_that_is_switched_on(box: str) -> None:
    with MixpanelProject(settings(box, gzip_profiles=True)) as project:
        answer = project.destination(spec(RecordType.USER)).deliver(
            batch_of(*(update(f"u{n}", city="Oslo") for n in range(100))), ARRAY
        )
    assert answer.bytes_sent < answer.bytes_raw
    assert len(held(box, "profiles")) == 100


def test_group_profiles_arrive_and_an_unknown_group_key_is_named(box: str, project: MixpanelProject) -> None:
    rows = [group_update("AA", name="One"), group_update("BB").replace(b'"airline"', b'"planet"')]
    answer = project.destination(spec(RecordType.GROUP)).deliver(batch_of(*rows), ARRAY)
    assert [(row, field) for row, field, _ in answer.refused] == [(1, "$group_key")]
    assert len(held(box, "groups")) == 1


def test_a_lookup_table_is_replaced_in_one_request(box: str, project: MixpanelProject) -> None:
    destination = project.destination(spec(RecordType.LOOKUP, lookup_table_id="airports of the world"))
    rows = [f"A{n},City {n}\r\n".encode() for n in range(3_000)]
    answer = destination.deliver(batch_of(*rows), CSV)
    assert destination.whole
    assert (answer.records, answer.requests) == (3_000, 1)
    text = requests.get(f"{box}/sandbox/lookup-tables/airports of the world", timeout=60).text
    assert len(list(csv.reader(io.StringIO(text)))) == 3_001


def test_a_lookup_table_with_bad_rows_is_an_error_that_names_them(project: MixpanelProject) -> None:
    destination = project.destination(spec(RecordType.LOOKUP, lookup_table_id="airports"))
    with pytest.raises(RequestRefused, match=r"did not replace lookup table 'airports'.*row 1: .*not unique"):
        destination.deliver(batch_of(b"A,1\r\n", b"A,2\r\n"), CSV)


def test_a_lookup_table_over_the_limit_is_an_error_and_nothing_is_sent(box: str, project: MixpanelProject) -> None:
    destination = project.destination(spec(RecordType.LOOKUP, lookup_table_id="airports"))
    destination.max_bytes = 1_000
    with pytest.raises(RequestRefused, match=r"'airports' is 0\.0 MB of CSV and Mixpanel takes at most 0\.0 MB"):
        destination.deliver(batch_of(b"A,1\r\n" * 100, b"B,2\r\n" * 200), CSV)
    assert summary(box)["requests"] == 0


def test_a_lookup_table_that_mixpanel_finds_too_large_is_an_error(box: str, project: MixpanelProject) -> None:
    fault(box, "too_large", limit_bytes=10)
    destination = project.destination(spec(RecordType.LOOKUP, lookup_table_id="airports"))
    with pytest.raises(RequestRefused, match="413"):
        destination.deliver(batch_of(b"A,1\r\n", b"B,2\r\n"), CSV)


def test_a_lookup_table_needs_a_service_account(box: str) -> None:
    with MixpanelProject(settings(box, service_account=None)) as project, pytest.raises(
        ConfigError, match="needs a service account"
    ):
        project.destination(spec(RecordType.LOOKUP, lookup_table_id="airports"))


def test_a_batch_without_any_record_sends_nothing(box: str, project: MixpanelProject) -> None:
    batch = batch_of(event(0), None, None)
    empty = batch.halves()[1]
    answer = project.destination(spec(RecordType.EVENT)).deliver(empty, LINES)
    assert (answer.requests, answer.records, summary(box)["requests"]) == (0, 0, 0)


def test_checking_a_good_project_finds_nothing_and_writes_nothing(box: str, project: MixpanelProject) -> None:
    assert project.check() == []
    assert summary(box)["events"]["raw"] == 0


def test_checking_names_each_credential_that_is_wrong(box: str) -> None:
    with MixpanelProject(settings(box, service_secret="nope-nope", token="token-9")) as project:
        account, token = project.check()
    assert "`service_account` and `service_secret`" in account
    assert "correct `token`" in token
    assert not any(secret in account + token for secret in ("nope-nope", "token-9"))


def test_checking_a_wrong_project_id_says_so(box: str) -> None:
    with MixpanelProject(settings(box, project_id="43")) as project:
        (problem,) = project.check()
    assert "project 43" in problem
