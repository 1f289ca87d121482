"""User and group profiles: operations, rules and the three forms of the answer."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import (
    ACCOUNT,
    PROJECT,
    engage,
    group,
    lines,
    properties,
    summary,
    zipped,
)


@pytest.mark.parametrize(
    ("operations", "kept"),
    [
        ([{"$set": {"a": 1}}, {"$set": {"a": 2, "b": 3}}], {"a": 2, "b": 3}),
        ([{"$set": {"a": 1}}, {"$set_once": {"a": 2, "b": 3}}], {"a": 1, "b": 3}),
        ([{"$add": {"a": 2}}, {"$add": {"a": -0.5}}], {"a": 1.5}),
        ([{"$union": {"a": [1, 2, 2]}}, {"$union": {"a": [2, 3]}}], {"a": [1, 2, 3]}),
        ([{"$append": {"a": 1}}, {"$append": {"a": 1}}], {"a": [1, 1]}),
        ([{"$set": {"a": [1, 2, 1], "b": 1}}, {"$remove": {"a": 1, "b": 1, "c": 1}}], {"a": [2], "b": 1}),
        ([{"$set": {"a": 1, "b": 2}}, {"$unset": ["a", "c"]}], {"b": 2}),
        ([{"$set": {"a": 1}}, {"$delete": ""}, {"$set": {"b": 2}}], {"b": 2}),
        ([{"$set": {"a": 1}, "$add": {"a": 1}}], {"a": 2}),
        ([{"$set": {"a": None, "é": {"x": [1]}}}], {"a": None, "é": {"x": [1]}}),
    ],
)
def test_operations_are_applied_in_order(box: Sandbox, operations: list[dict[str, Any]], kept: dict[str, Any]) -> None:
    assert engage(box, *operations).json() == {"status": 1, "error": None}
    assert properties(box) == kept


def test_operations_build_on_what_earlier_requests_left(box: Sandbox) -> None:
    engage(box, {"$set": {"a": 1}})
    engage(box, {"$add": {"a": 4}})
    assert properties(box) == {"a": 5}


def test_delete_removes_the_profile(box: Sandbox) -> None:
    engage(box, {"$set": {"a": 1}})
    engage(box, {"$delete": "", "$ignore_alias": True})
    assert lines(box, "profiles") == []
    engage(box, {"$delete": ""})
    assert summary(box)["profiles"] == 0


def test_a_profile_can_be_deleted_and_made_again_in_one_request(box: Sandbox) -> None:
    engage(box, {"$set": {"a": 1}})
    engage(box, {"$delete": ""}, {"$set": {"b": 1}})
    assert properties(box) == {"b": 1}


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ({"$set": 5}, "$set"),
        ({"$unset": "a"}, "list of property names"),
        ({"$unset": [1]}, "list of property names"),
        ({"$add": {"a": "1"}}, "numbers"),
        ({"$add": {"a": True}}, "numbers"),
        ({"$union": {"a": 1}}, "lists"),
        ({"$increment": {"a": 1}}, "$increment"),
        ({}, "needs one of"),
        ({"$set": {"x" * 256: 1}}, "255"),
        ({"$set": {f"p{n}": 1 for n in range(2_001)}}, "2000"),
        ({"$set": {"a": ["x" * 1_000] * 300}}, "262144"),
        ({"$set": {"a": "x" * 1_048_600}}, "1048576"),
        ({"$set": {"a": 1}, "$token": ""}, "$token"),
        ({"$set": {"a": 1}, "$distinct_id": ""}, "$distinct_id"),
        ({"$set": {"a": 1}, "$distinct_id": 5}, "$distinct_id"),
    ],
)
def test_a_bad_update_is_answered_with_200_and_the_reason(box: Sandbox, operation: dict[str, Any], word: str) -> None:
    answer = engage(box, {"$set": {"good": 1}}, operation)
    assert (answer.status_code, answer.json()["status"]) == (200, 0)
    assert "record 1" in answer.json()["error"]
    assert word in answer.json()["error"]
    assert properties(box) == {"good": 1}
    assert summary(box)["rejected"] == 1


def test_a_profile_holds_at_most_two_thousand_properties_over_all_updates(box: Sandbox) -> None:
    assert engage(box, {"$set": {f"a{n}": 1 for n in range(1_500)}}).json()["status"] == 1
    assert "2000" in engage(box, {"$set": {f"b{n}": 1 for n in range(501)}}).json()["error"]
    assert engage(box, {"$set": {f"b{n}": 1 for n in range(500)}}).json()["status"] == 1
    assert len(properties(box)) == 2_000


def test_a_list_of_256_kilobytes_is_accepted(box: Sandbox) -> None:
    assert engage(box, {"$set": {"a": ["x" * 1_000] * 261}}).json()["status"] == 1


def test_extra_fields_are_accepted(box: Sandbox) -> None:
    assert engage(box, {"$set": {"a": 1}, "$ip": "0", "$ignore_time": True}).json()["status"] == 1


def test_without_verbose_and_strict_the_answer_is_1_or_0(box: Sandbox) -> None:
    assert engage(box, {"$set": {"a": 1}}, query="").text == "1"
    answer = engage(box, {"$set": 1}, query="")
    assert (answer.status_code, answer.text) == (200, "0")


def test_with_strict_the_answer_lists_the_failed_records(box: Sandbox) -> None:
    assert engage(box, {"$set": {"a": 1}}, query="strict=1").json() == {
        "code": 200,
        "num_records_imported": 1,
        "status": "OK",
    }
    answer = engage(box, {"$set": {"a": 1}}, {"$set": 5}, query="strict=1")
    assert answer.status_code == 200
    assert answer.json() == {
        "code": 400,
        "error": "record 1: '$set' must be an object of properties",
        "failed_records": [
            {"index": 1, "id": "ada", "field": "$set", "message": "'$set' must be an object of properties"}
        ],
        "num_records_imported": 1,
        "status": "Bad Request",
    }


def test_with_strict_and_verbose_the_status_is_the_verbose_one(box: Sandbox) -> None:
    answer = engage(box, {"$set": 5}, query="strict=1&verbose=1").json()
    assert (answer["status"], len(answer["failed_records"])) == (0, 1)


def test_a_request_has_at_most_two_thousand_updates(box: Sandbox) -> None:
    assert engage(box, *[{"$add": {"n": 1}}] * 2_000).json()["status"] == 1
    assert properties(box) == {"n": 2_000}
    assert engage(box, *[{"$add": {"n": 1}}] * 2_001).status_code == 413


def test_a_body_that_is_not_json_is_400(box: Sandbox) -> None:
    assert requests.post(f"{box.url}/engage", data=b"[NaN]", timeout=30).status_code == 400


def test_profiles_take_gzip(box: Sandbox) -> None:
    body = zipped([{"$token": "t", "$distinct_id": "ada", "$set": {"a": 1}}])
    answer = requests.post(f"{box.url}/engage", data=body, headers={"Content-Encoding": "gzip"}, timeout=30)
    assert answer.text == "1"


def test_a_wrong_token_is_401(start: Callable[..., Sandbox]) -> None:
    box = start(project_token="right")
    assert engage(box, {"$set": {"a": 1}, "$token": "right"}).status_code == 200
    assert engage(box, {"$set": {"b": 1}, "$token": "wrong"}).status_code == 401
    assert properties(box) == {"a": 1}


def test_groups_keep_their_own_profiles_by_key_and_id(box: Sandbox) -> None:
    group(box, {"$set": {"a": 1}})
    group(box, {"$set": {"a": 2}}, id="other")
    group(box, {"$union": {"b": [1]}, "$set_once": {"a": 9}}, key="airline")
    assert lines(box, "groups") == [
        {"$group_key": "airline", "$group_id": "acme", "$properties": {"b": [1], "a": 9}},
        {"$group_key": "company", "$group_id": "acme", "$properties": {"a": 1}},
        {"$group_key": "company", "$group_id": "other", "$properties": {"a": 2}},
    ]
    totals = summary(box)
    assert (totals["groups"], totals["groups_total"], totals["profiles"]) == ({"airline": 1, "company": 2}, 3, 0)


@pytest.mark.parametrize("operation", ["$add", "$append"])
def test_groups_have_no_add_and_no_append(box: Sandbox, operation: str) -> None:
    assert operation in group(box, {operation: {"a": 1}}).json()["error"]


@pytest.mark.parametrize("missing", ["$group_key", "$group_id", "$token"])
def test_a_group_update_needs_token_key_and_id(box: Sandbox, missing: str) -> None:
    assert missing in group(box, {"$set": {"a": 1}, missing: ""}).json()["error"]


def test_a_group_key_must_exist_where_the_keys_are_known(start: Callable[..., Sandbox]) -> None:
    box = start(known_group_keys=frozenset({"company"}))
    assert group(box, {"$set": {"a": 1}}).json()["status"] == 1
    assert "does not exist" in group(box, {"$set": {"a": 1}}, key="airline").json()["error"]


def query(box: Sandbox, path: str = "/api/query/engage", **asked: str) -> dict[str, Any]:
    """One page of the profile query."""
    answer = requests.post(f"{box.url}{path}", auth=ACCOUNT, params=PROJECT, data=asked, timeout=30)
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", ["/api/query/engage", "/api/2.0/engage"])
def test_profiles_are_queried_a_thousand_at_a_time(box: Sandbox, path: str) -> None:
    updates = [{"$token": "t", "$distinct_id": f"u{n:04}", "$set": {"n": n}} for n in range(1_200)]
    requests.post(f"{box.url}/engage", json=updates, timeout=30)
    first = query(box, path)
    second = query(box, path, page="1", session_id=first["session_id"])
    assert (first["total"], first["page_size"], len(first["results"]), len(second["results"])) == (
        1200,
        1000,
        1000,
        200,
    )
    assert second["results"][-1] == {"$distinct_id": "u1199", "$properties": {"n": 1_199}}


def test_a_second_page_needs_the_session(box: Sandbox) -> None:
    assert "session_id" in query(box, page="1")["error"]


def test_profiles_are_queried_by_their_ids(box: Sandbox) -> None:
    engage(box, {"$set": {"a": 1}})
    engage(box, {"$set": {"a": 2}}, id="bob")
    assert [one["$distinct_id"] for one in query(box, distinct_id="bob")["results"]] == ["bob"]
    assert query(box, distinct_ids='["ada","nobody"]')["total"] == 1
    assert "where" in query(box, where="true")["error"]


def test_group_profiles_are_queried_by_the_number_of_their_key(box: Sandbox) -> None:
    group(box, {"$set": {"a": 1}}, key="company")
    engage(box, {"$set": {"a": 2}})
    answer = requests.get(f"{box.url}/api/app/projects/1/data-groups/", auth=ACCOUNT, params=PROJECT, timeout=30)
    [listed] = answer.json()["results"]
    assert listed["property_name"] == "company"
    found = query(box, data_group_id=listed["data_group_id"])
    assert (found["total"], [one["$properties"] for one in found["results"]]) == (1, [{"a": 1}])
    assert "no group key" in query(box, data_group_id="7")["error"]
