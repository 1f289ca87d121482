"""Answers, read record by record."""

import json
from typing import Any

import pytest

from mixpanel_wh.engine.batches import Batch
from mixpanel_wh.engine.errors import CredentialsRefused, RequestRefused
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.answers import Reading, Sent, read
from mixpanel_wh.mixpanel.rows import count_records
from mixpanel_wh.mixpanel.target import target_for
from mixpanel_wh.mixpanel.wire import Reply
from mixpanel_wh_tests.mixpanel.delivering import ARRAY, LINES, batch_of, event, settings, update

OK = {"code": 200, "status": "OK"}


def reading(record: RecordType, batch: Batch, content: Any, status: int = 200) -> Reading:
    framing = ARRAY if record in (RecordType.USER, RecordType.GROUP) else LINES
    target = target_for(settings("http://user:pass@mixpanel.test"), record, "airports" if record == "lookup" else None)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read(Reply(status, body), Sent(batch, framing, count_records(batch), target))


def events(batch: Batch, content: Any, status: int = 200) -> Reading:
    return reading(RecordType.EVENT, batch, content, status)


def users(batch: Batch, content: Any, status: int = 200) -> Reading:
    return reading(RecordType.USER, batch, content, status)


def refusal(failed: list[Any], imported: int) -> dict[str, Any]:
    return {"code": 400, "error": "some failed", "failed_records": failed, "num_records_imported": imported}


BATCH = batch_of(event(0), None, event(1) + event(2), event(3), records_per_row=2)


def test_a_200_with_every_record_imported_refuses_nothing() -> None:
    assert events(BATCH, OK | {"num_records_imported": 4}) == Reading()


def test_a_200_without_a_count_is_believed() -> None:
    assert events(BATCH, OK) == events(BATCH, 1) == Reading()


def test_a_200_with_fewer_imported_than_sent_is_an_error_that_counts_them() -> None:
    with pytest.raises(RequestRefused, match=r"took 3 of 4 records .* other 1"):
        events(BATCH, OK | {"num_records_imported": 3})


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"OK", b"true", b'{"code": 500}', b'{"status": "busy"}']
)
def test_a_200_that_is_not_mixpanels_is_an_error(body: bytes) -> None:
    with pytest.raises(RequestRefused, match="not as Mixpanel does"):
        events(BATCH, body)


@pytest.mark.parametrize("id_name", ["$insert_id", "insert_id"])
def test_failed_records_are_found_by_index_whatever_the_id_is_called(id_name: str) -> None:
    failed = [{"index": 2, id_name: f"{2:032x}", "field": "properties.time", "message": "too early"}]
    assert events(BATCH, refusal(failed, 3), 400) == Reading(((2, "properties.time", "too early"),))


@pytest.mark.parametrize("id_name", ["$insert_id", "insert_id"])
def test_failed_records_without_an_index_are_found_by_their_id(id_name: str) -> None:
    failed = [{id_name: f"{3:032x}", "field": "", "message": "too early"}]
    assert events(BATCH, refusal(failed, 3), 400) == Reading(((3, None, "too early"),))


def test_failed_records_that_are_only_an_id_are_found_by_it() -> None:
    assert events(BATCH, refusal([f"{1:032x}"], 3), 400) == Reading(
        ((2, None, "refused by Mixpanel without a reason"),)
    )


def test_failed_records_that_are_sentences_are_found_by_the_id_in_them() -> None:
    told = f"'properties.time' is invalid ($insert_id {0:032x})"
    assert events(BATCH, refusal([told], 3), 400) == Reading(((0, None, told),))


def test_a_row_of_which_both_records_failed_is_refused_once() -> None:
    failed = [{"index": 1, "field": "a", "message": "first"}, {"index": 2, "field": "b", "message": "second"}]
    assert events(BATCH, refusal(failed, 2), 400) == Reading(((2, "a", "first"),))
    assert events(BATCH, refusal([f"{1:032x} bad", f"{2:032x} bad"], 2), 400).refused[0][0] == 2


def test_a_record_that_is_named_twice_counts_once() -> None:
    failed = [{"index": 0, "field": "a", "message": "first"}, {"index": 0, "field": "b", "message": "second"}]
    assert events(BATCH, refusal(failed, 3), 400) == Reading(((0, "a", "first"),))
    with pytest.raises(RequestRefused, match=r"took 2 of 4 records .* named 1 .* other 1"):
        events(BATCH, refusal(failed, 2), 400)


@pytest.mark.parametrize("failed", [{"index": 99, "message": "x"}, {"index": True}, "not-an-id-of-ours", 7, None])
def test_a_failed_record_that_was_never_sent_is_an_error(failed: Any) -> None:
    with pytest.raises(RequestRefused, match="not in the request"):
        events(BATCH, refusal([failed], 3), 400)


def test_a_400_that_names_no_record_is_an_error_in_mixpanels_words() -> None:
    with pytest.raises(RequestRefused, match="the body is not valid JSON"):
        events(BATCH, {"code": 400, "error": "the body is not valid JSON"}, 400)


@pytest.mark.parametrize("content", [1, {"status": 1, "error": None}, OK | {"num_good_events": 2}])
def test_a_profile_answer_that_says_yes_refuses_nothing(content: Any) -> None:
    assert users(batch_of(update("a"), update("b")), content) == Reading()


def test_a_profile_answer_of_200_names_its_failed_records() -> None:
    content = refusal([{"index": 1, "field": "$add.n", "message": "numbers only"}], 1) | {"status": 0}
    assert users(batch_of(update("a"), None, update("b")), content) == Reading(((2, "$add.n", "numbers only"),))


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (0, 200, "refused by Mixpanel without a reason"),
        ({"status": 0, "error": "bad update, token token-1"}, 200, "bad update, token ***"),
        ({"status": 1, "error": "some of it"}, 200, "some of it"),
        ({"code": 400, "error": "bad"}, 400, "bad"),
    ],
)
def test_a_profile_answer_that_names_nobody_says_so(content: Any, status: int, why: str) -> None:
    assert users(batch_of(update("a")), content, status) == Reading(unnamed=why)


def test_a_profile_answer_that_took_too_few_is_an_error() -> None:
    with pytest.raises(RequestRefused, match="took 1 of 2"):
        users(batch_of(update("a"), update("b")), {"status": 1, "num_good_events": 1})


def test_a_lookup_table_that_was_refused_tells_its_bad_rows() -> None:
    rows = [{"index": n, "message": f"id {n} is not unique", "status": 0} for n in range(3)]
    with pytest.raises(RequestRefused, match=r"'airports'.* holds what it held .*row 0: id 0 is not unique; row 1"):
        reading(RecordType.LOOKUP, batch_of(b"a,b\r\n"), {"failed_records": rows}, 400)


def test_a_missing_lookup_table_must_be_created_first() -> None:
    with pytest.raises(RequestRefused, match=r"project 42 has no lookup table 'airports': create it in Mixpanel first"):
        reading(RecordType.LOOKUP, batch_of(b"a,b\r\n"), {"error": "not found"}, 404)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_named_with_their_place_and_without_secrets(status: int) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        events(BATCH, {"error": "no access with hush-hush"}, status)
    message = str(caught.value)
    assert "service account of project 42" in message
    assert "`service_account` and `service_secret`" in message
    assert "http://mixpanel.test/import" in message
    assert not any(secret in message for secret in ("hush-hush", "token-1", "user:pass"))


def test_refused_profile_credentials_are_the_tokens() -> None:
    with pytest.raises(CredentialsRefused, match=r"token of project 42 .* correct `token`"):
        users(batch_of(update("a")), {"error": "the project token is wrong"}, 401)


@pytest.mark.parametrize("status", [301, 404])
def test_an_address_that_is_not_mixpanels_says_what_to_check(status: int) -> None:
    with pytest.raises(RequestRefused, match="check `url` and `region`"):
        events(BATCH, b"moved", status)


def test_any_other_status_is_an_error_with_its_words() -> None:
    with pytest.raises(RequestRefused, match="402: pay first"):
        events(BATCH, {"error": "pay first"}, 402)
