"""Copies of an event: the latest one counts, tombstones hide, the raw export keeps them all."""

import json

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import ACCOUNT, NOW_MS, PROJECT, event, export, send, summary, visible

DAY_MS = 86_400_000


def test_the_copy_ingested_last_is_the_visible_one(box: Sandbox) -> None:
    send(box, [event(plan="free"), event(plan="paid")])
    send(box, [event(plan="team")])
    assert [one["properties"]["plan"] for one in visible(box)] == ["team"]
    assert summary(box)["events"] == {
        "raw": 3,
        "visible": 1,
        "by_name": {"Signed up": {"raw": 3, "visible": 1, "tombstones": 0}},
    }


@pytest.mark.parametrize(
    "other",
    [
        event("Signed in"),
        event(distinct_id="bob"),
        event(time=NOW_MS - 1),
        event(insert_id="second"),
    ],
)
def test_events_that_differ_in_name_id_time_or_insert_id_are_two(box: Sandbox, other: dict[str, object]) -> None:
    send(box, [event(), other])
    assert summary(box)["events"]["visible"] == 2


def test_the_same_time_in_seconds_and_milliseconds_is_the_same_event(box: Sandbox) -> None:
    send(box, [event(time=1_600_000_000), event(time=1_600_000_000_000)])
    assert summary(box)["events"]["visible"] == 1


def test_a_tombstone_hides_the_event_and_a_later_copy_shows_it_again(box: Sandbox) -> None:
    send(box, [event(plan="free"), event(_deleted=True)])
    assert visible(box) == []
    assert (summary(box)["tombstones"], summary(box)["events"]["visible"]) == (1, 0)
    send(box, [event(plan="paid")])
    assert visible(box)[0]["properties"]["plan"] == "paid"
    assert summary(box)["tombstones"] == 0


@pytest.mark.parametrize("value", [False, None, "true", 1])
def test_only_a_deleted_of_true_is_a_tombstone(box: Sandbox, value: object) -> None:
    send(box, [event(_deleted=value)])
    assert summary(box)["events"]["visible"] == 1


def test_tombstones_are_shown_on_request(box: Sandbox) -> None:
    send(box, [event(), event(_deleted=True)])
    assert [one["properties"]["_deleted"] for one in visible(box, include_tombstones="1")] == [True]


def test_visible_events_can_be_filtered(box: Sandbox) -> None:
    send(
        box,
        [
            event("A", "a", distinct_id="ada"),
            event("B", "b", distinct_id="bob"),
            event("B", "c", time=NOW_MS - 3 * DAY_MS),
        ],
    )
    day = "2100-01-01"
    ids = {
        str(query): [one["properties"]["$insert_id"] for one in visible(box, **query)]
        for query in (
            {"event": "B"},
            {"distinct_id": "bob"},
            {"insert_id": "c"},
            {"from_date": day},
            {"to_date": day},
            {"limit": "2"},
            {"limit": "1", "event": "A"},
        )
    }
    assert list(ids.values()) == [["b", "c"], ["b"], ["c"], [], ["a", "b", "c"], ["c", "b"], ["a"]]


def test_the_raw_export_gives_every_copy(box: Sandbox) -> None:
    send(box, [event(plan="free"), event(_deleted=True), event(plan="paid")])
    assert [one["properties"].get("plan") for one in export(box)] == ["free", None, "paid"]


def test_the_raw_export_gives_seconds_unless_asked_for_milliseconds(box: Sandbox) -> None:
    send(box, [event(time=1_600_000_000_123)])
    assert export(box)[0]["properties"]["time"] == 1_600_000_000
    assert export(box, time_in_ms="true")[0]["properties"]["time"] == 1_600_000_000_123


def test_the_raw_export_filters_by_event_and_by_days_both_included(box: Sandbox) -> None:
    send(box, [event("A", f"i{n}", time=1_600_000_000 + n * 86_400) for n in range(4)] + [event("B", "b")])
    found = export(box, event=json.dumps(["A"]), from_date="2020-09-14", to_date="2020-09-15")
    assert [one["properties"]["$insert_id"] for one in found] == ["i1", "i2"]
    assert len(export(box, limit="3")) == 3


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({}, "from_date"),
        ({"from_date": "2020-01-01"}, "to_date"),
        ({"from_date": "yesterday", "to_date": "2020-01-01"}, "from_date"),
        ({"from_date": "2020-01-01", "to_date": "2020-01-02", "event": "A"}, "JSON list"),
        ({"from_date": "2020-01-01", "to_date": "2020-01-02", "where": "true"}, "where"),
        ({"from_date": "2020-01-01", "to_date": "2020-01-02", "limit": "0"}, "limit"),
    ],
)
def test_an_export_that_cannot_be_answered_says_why(box: Sandbox, query: dict[str, str], word: str) -> None:
    answer = requests.get(f"{box.url}/api/2.0/export", auth=ACCOUNT, params=PROJECT | query, timeout=30)
    assert (answer.status_code, word in answer.json()["error"]) == (400, True)


def test_an_export_needs_a_service_account(box: Sandbox) -> None:
    url = f"{box.url}/api/2.0/export"
    assert requests.get(url, params=PROJECT, timeout=30).status_code == 401
    assert requests.get(url, params=PROJECT, auth=("token", ""), timeout=30).status_code == 401
