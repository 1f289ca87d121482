"""Reading back has limits: so many exports and queries an hour, a second and at once, and counts by day."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh.sandbox.calls import RefusedCall
from mixpanel_wh.sandbox.rates import Gate, Streamed
from mixpanel_wh_tests.sandbox.calling import ACCOUNT, NOW_MS, PROJECT, engage, event, send

DATES = {"from_date": "1970-01-01", "to_date": "2100-01-01"}


class Clock:
    """A clock that a test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def asked(box: Sandbox, path: str, **query: str) -> requests.Response:
    """What a GET of Mixpanel's answers."""
    return requests.get(f"{box.url}{path}", auth=ACCOUNT, params=PROJECT | query, timeout=30)


def test_the_limits_are_mixpanels_unless_chosen_otherwise() -> None:
    usual = SandboxOptions()
    assert (usual.exports_per_hour, usual.exports_per_second, usual.exports_at_once) == (60, 3, 100)
    assert (usual.queries_per_hour, usual.queries_at_once) == (60, 5)


def test_a_fourth_export_within_a_second_comes_too_early(start: Callable[..., Sandbox]) -> None:
    clock = Clock()
    box = start(clock=clock)
    assert [asked(box, "/api/2.0/export", **DATES).status_code for _ in range(4)] == [200, 200, 200, 429]
    clock.now += 1
    assert asked(box, "/api/2.0/export", **DATES).status_code == 200


@pytest.mark.parametrize(
    ("path", "event_names"),
    [("/api/2.0/export", '["Seen"]'), ("/api/query/engage", "Seen"), ("/api/query/segmentation", "Seen")],
)
def test_one_more_than_sixty_in_an_hour_is_refused_with_the_time_to_wait(
    start: Callable[..., Sandbox], path: str, event_names: str
) -> None:
    clock = Clock()
    box = start(clock=clock)
    query = PROJECT | {"event": event_names, "from_date": "2024-01-01", "to_date": "2024-01-02"}
    with requests.Session() as session:
        for _ in range(60):
            clock.now += 1
            assert session.get(f"{box.url}{path}", auth=ACCOUNT, params=query, timeout=30).status_code == 200
        clock.now += 1
        refused = session.get(f"{box.url}{path}", auth=ACCOUNT, params=query, timeout=30)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3540")


def test_a_gate_lets_so_many_in_at_once_and_again_when_one_left() -> None:
    gate = Gate(2)
    with gate.through("queries"):
        gate.enter("queries")
        with pytest.raises(RefusedCall, match="at most 2 queries at once"):
            gate.enter("queries")
        gate.leave()
    gate.enter("queries")
    Gate(None).enter("anything")


def test_an_export_is_going_on_until_it_was_read_or_given_up() -> None:
    gate = Gate(1)
    gate.enter("exports")
    stream = Streamed([b"1", b"2"], gate)
    assert next(stream) == b"1"
    with pytest.raises(RefusedCall):
        gate.enter("exports")
    assert list(stream) == [b"2"]
    gate.enter("exports")
    given_up = Streamed([b"1"], gate)
    del given_up
    gate.enter("exports")


def test_a_session_that_the_first_page_did_not_begin_leads_nowhere(box: Sandbox) -> None:
    engage(box, {"$set": {"a": 1}})
    first = asked(box, "/api/query/engage").json()
    assert asked(box, "/api/query/engage", page="1", session_id=first["session_id"]).json()["results"] == []
    assert asked(box, "/api/query/engage", page="1", session_id="made up").status_code == 400
    assert asked(box, "/api/query/engage", page="1").status_code == 400


def counted(box: Sandbox, **query: str) -> Any:
    """The counts of the last ten days."""
    days = {"from_date": day(NOW_MS - 10 * 86_400_000), "to_date": day(NOW_MS)}
    return asked(box, "/api/query/segmentation", **(days | {"event": "Signed up"} | query))


def day(ms: int) -> str:
    """The day of a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


def test_visible_events_are_counted_by_day(box: Sandbox) -> None:
    earlier = NOW_MS - 3 * 86_400_000
    send(box, [event(insert_id="a"), event(insert_id="a"), event(insert_id="b", time=earlier)])
    send(box, [event(insert_id="c"), event(insert_id="c", _deleted=True), event("Other", insert_id="d")])
    answer = counted(box).json()
    values = answer["data"]["values"]["Signed up"]
    assert (len(answer["data"]["series"]), answer["legend_size"]) == (11, 1)
    assert {name: number for name, number in values.items() if number} == {day(NOW_MS): 1, day(earlier): 1}


def test_a_property_narrows_what_is_counted(box: Sandbox) -> None:
    send(box, [event(insert_id="a", plan="free"), event(insert_id="b", plan='a "b"'), event(insert_id="c")])
    for where, number in (('properties["plan"] == "free"', 1), ('properties["plan"] == "a \\"b\\""', 1)):
        assert sum(counted(box, where=where).json()["data"]["values"]["Signed up"].values()) == number


@pytest.mark.parametrize(
    "query",
    [{"where": "properties['a'] > 1"}, {"on": 'properties["a"]'}, {"unit": "hour"}, {"type": "unique"}, {"event": ""},
     {"to_date": "1970-01-01"}],
)  # fmt: skip
def test_what_the_sandbox_does_not_count_is_refused(box: Sandbox, query: dict[str, str]) -> None:
    assert counted(box, **query).status_code == 400
