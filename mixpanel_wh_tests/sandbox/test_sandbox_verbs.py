"""The sandbox's own verbs and its page."""

import re
import time
from typing import Any

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import (
    engage,
    event,
    group,
    inject,
    lines,
    replace_table,
    send,
    send_bytes,
    summary,
    visible,
    zipped,
)


def asked_overview(box: Sandbox, since: str = "") -> dict[str, Any]:
    """One answer of the kind the page is fed with."""
    content: dict[str, Any] = requests.get(f"{box.url}/sandbox/overview", params={"since": since}, timeout=30).json()
    return content


def overview(box: Sandbox) -> dict[str, Any]:
    """The overview once it has caught up with the summary."""
    while (content := asked_overview(box))["summary"] != summary(box):
        time.sleep(0.02)
    return content


def fill(box: Sandbox) -> None:
    """Some of everything."""
    send(box, [event("A", "a"), event("B", "b"), event("B", "c", time=1)])
    engage(box, {"$set": {"a": 1}})
    group(box, {"$set": {"a": 1}})
    replace_table(box, "id\n1\n")


def test_an_empty_sandbox_sums_up_to_nothing(box: Sandbox) -> None:
    assert summary(box) == {
        "events": {"raw": 0, "visible": 0, "by_name": {}},
        "tombstones": 0,
        "profiles": 0,
        "groups": {},
        "groups_total": 0,
        "lookup_tables": {},
        "lookup_rows": 0,
        "requests": 0,
        "rejected": 0,
        "bytes": 0,
        "bytes_uncompressed": 0,
    }


def test_the_summary_counts_requests_rejections_and_bytes(box: Sandbox) -> None:
    body = zipped([event(insert_id=f"i{n}") for n in range(50)] + [{}])
    send_bytes(box, body, **{"Content-Encoding": "gzip"})
    totals = summary(box)
    assert (totals["requests"], totals["rejected"], totals["bytes"]) == (1, 1, len(body))
    assert totals["bytes_uncompressed"] > 10 * len(body)


def test_reset_forgets_everything(box: Sandbox) -> None:
    empty = summary(box)
    fill(box)
    inject(box, kind="server_error", times=None)
    assert requests.post(f"{box.url}/sandbox/reset", timeout=30).status_code == 200
    assert summary(box) == empty
    assert send(box, [event()]).status_code == 200
    assert lines(box, "requests")[0]["number"] == 1


def test_requests_are_listed_newest_first(box: Sandbox) -> None:
    fill(box)
    found = lines(box, "requests", limit="3")
    assert [one["path"] for one in found] == ["/lookup-tables/planes", "/groups", "/engage"]
    assert {one["status"] for one in found} == {200}


def test_rejections_are_listed_with_their_reasons(box: Sandbox) -> None:
    send(box, [event(), event(insert_id="bad", distinct_id="anonymous")])
    (found,) = lines(box, "rejections")
    assert (found["id"], found["field"], found["place"]) == ("bad", "properties.distinct_id", 1)
    assert "anonymous" in found["record"]


def test_a_request_met_by_a_fault_says_so(box: Sandbox) -> None:
    inject(box, kind="rate_limit")
    send(box, [event()])
    assert lines(box, "requests")[0]["note"] == "fault: rate_limit"


def test_the_overview_holds_what_the_page_shows(box: Sandbox) -> None:
    fill(box)
    content = overview(box)
    assert sum(sum(bar["by_name"].values()) for bar in content["timeline"]["bars"]) == 2
    assert len(content["requests"]) == 4
    assert len(content["rejections"]) == 1
    assert content["profiles"][0]["$distinct_id"] == "ada"


def test_the_overview_says_when_nothing_changed(box: Sandbox) -> None:
    fill(box)
    assert asked_overview(box, since=overview(box)["version"]) == {"unchanged": True}


@pytest.mark.parametrize("days", [0, 1, 40, 3_000, 15_000])
def test_the_timeline_has_at_most_sixty_bars_whatever_the_span(box: Sandbox, days: int) -> None:
    times = [1_700_000_000 - days * 864 * n for n in range(100)]
    send(box, [event(insert_id=f"i{n}", time=time) for n, time in enumerate(times)])
    bars = overview(box)["timeline"]["bars"]
    assert 1 <= len(bars) <= 61
    assert sum(bar["by_name"]["Signed up"] for bar in bars) == 100


def test_the_page_is_one_file_that_loads_nothing_from_elsewhere(box: Sandbox) -> None:
    page = requests.get(box.url, timeout=30)
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.search(r"""(src|href)=["'](?!data:|/sandbox/)""", page.text)
    assert "@import" not in page.text


def test_looking_does_not_count_as_a_request(box: Sandbox) -> None:
    requests.get(box.url, timeout=30)
    visible(box)
    assert summary(box)["requests"] == 0


@pytest.mark.parametrize("query", [{"limit": "x"}, {"from_date": "x"}])
def test_a_filter_that_makes_no_sense_is_400(box: Sandbox, query: dict[str, str]) -> None:
    assert requests.get(f"{box.url}/sandbox/events", params=query, timeout=30).status_code == 400


def test_faults_that_are_not_json_are_400(box: Sandbox) -> None:
    assert requests.post(f"{box.url}/sandbox/faults", data=b"{", timeout=30).status_code == 400
