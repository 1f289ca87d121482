"""The sandbox page as a person reads it: what arrived, what was refused, and it keeps up by itself."""

import time

import pytest
import requests
from selenium import webdriver

from mixpanel_wh_tests.browser.person import Person

EVENTS = [
    {"event": "Signed up", "properties": {"time": 1_704_103_200 + n, "distinct_id": f"u{n}", "$insert_id": f"first-{n}"}}
    for n in range(3)
]  # fmt: skip


@pytest.fixture
def reader(driver: webdriver.Chrome, sandbox: str) -> Person:
    """Somebody who looks at the page of an empty sandbox."""
    requests.post(f"{sandbox}/sandbox/reset", timeout=30).raise_for_status()
    reader = Person(driver, sandbox)
    reader.opens("/")
    reader.reads("Nothing has arrived yet")
    return reader


def sends(sandbox: str, *records: object) -> None:
    """Events, as any client sends them."""
    requests.post(
        f"{sandbox}/import", params={"strict": 1, "project_id": 1}, json=records, auth=("robot", "secret"), timeout=30
    )


def test_an_empty_sandbox_says_what_to_do(reader: Person) -> None:
    assert "curl -u user:secret" in reader.page()


def test_events_appear_by_themselves_with_their_numbers(reader: Person, sandbox: str) -> None:
    sends(sandbox, *EVENTS)
    reader.reads(
        "Visible events 3",
        "Signed up",
        "Rejected records 0 none",
        "POST /import 200 3",
        "2024-01-01 10:00:02 Signed up u2",
    )


def test_a_click_opens_all_of_an_event(reader: Person, sandbox: str) -> None:
    sends(sandbox, *EVENTS[:1])
    reader.reads("Signed up")
    assert "first-0" not in reader.page()
    reader.clicks_on("//div[@id='events']//tr[contains(@class, 'row')]")
    reader.reads('"$insert_id": "first-0"')


def test_a_refused_record_is_shown_with_its_reason(reader: Person, sandbox: str) -> None:
    sends(sandbox, {"event": "Signed up", "properties": {"time": time.time(), "distinct_id": "x" * 300}}, EVENTS[0])
    reader.reads("Latest rejections", "Rejected records 1 reasons below", "insert_id")
