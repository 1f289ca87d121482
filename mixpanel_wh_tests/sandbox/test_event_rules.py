"""Each of Mixpanel's rules for an event, on both sides of its limit."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import NOW_MS, event, event_of, refusal, send, visible

JUNK = (
    "00000000-0000-0000-0000-000000000000 anon anonymous nil none null n/a na undefined unknown <nil> 0 -1 true false"
)
JUNK_IDS = [*JUNK.split(), "[]", "{}"]
HOUR_MS = 3_600_000


def accepted(box: Sandbox, record: Any) -> dict[str, Any]:
    """The properties the sandbox keeps of an event it accepts."""
    answer = send(box, [record])
    assert answer.status_code == 200, answer.text
    (kept,) = visible(box)
    found: dict[str, Any] = kept["properties"]
    return found


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ({"time": ...}, "properties.time"),
        ({"distinct_id": ...}, "properties.distinct_id"),
        ({"$insert_id": ...}, "properties.$insert_id"),
        ({"time": None}, "properties.time"),
        ({"distinct_id": None}, "properties.distinct_id"),
        ({"$insert_id": None}, "properties.$insert_id"),
    ],
)
def test_time_distinct_id_and_insert_id_are_required(box: Sandbox, missing: dict[str, Any], field: str) -> None:
    found, message = refusal(box, event_of(missing))
    assert (found, "required" in message) == (field, True)


@pytest.mark.parametrize("record", [1, None, "x", [], {}, {"properties": {}}, {"event": 5, "properties": {}}])
def test_an_event_is_an_object_with_a_name(box: Sandbox, record: Any) -> None:
    assert refusal(box, record)[0] == "event"


@pytest.mark.parametrize("properties", [None, 5, [], "x"])
def test_properties_are_an_object(box: Sandbox, properties: Any) -> None:
    assert refusal(box, {"event": "A", "properties": properties})[0] == "properties"


def test_an_event_name_has_1_to_255_characters(box: Sandbox) -> None:
    assert refusal(box, event(""))[0] == "event"
    assert "255" in refusal(box, event("x" * 256))[1]
    assert send(box, [event("x" * 255, "a"), event("é" * 255, "b")]).status_code == 200


@pytest.mark.parametrize("time", [31_535_999, -5, 0, 31_535_999_999 // 1_000, 1.5])
def test_a_time_before_1971_is_refused(box: Sandbox, time: float) -> None:
    assert "1971-01-01" in refusal(box, event(time=time))[1]


@pytest.mark.parametrize("ahead", [HOUR_MS + 60_000, 10 * 365 * 24 * HOUR_MS])
@pytest.mark.parametrize("unit", [1, 1_000])
def test_a_time_more_than_an_hour_ahead_is_refused(box: Sandbox, ahead: int, unit: int) -> None:
    now = int(time.time() * 1_000)  # the tests before this one may have taken a while
    assert "1 hour" in refusal(box, event(time=(now + ahead) // unit))[1]


def test_a_time_less_than_an_hour_ahead_is_accepted(box: Sandbox) -> None:
    assert accepted(box, event(time=NOW_MS + HOUR_MS - 60_000))["time"] == NOW_MS + HOUR_MS - 60_000


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (31_536_000, 31_536_000_000),
        (1_600_000_000, 1_600_000_000_000),
        (1_600_000_000_123, 1_600_000_000_123),
        (1_600_000_000.5, 1_600_000_000_500),
    ],
)
def test_times_are_seconds_or_milliseconds(box: Sandbox, sent: float, kept: int) -> None:
    assert accepted(box, event(time=sent))["time"] == kept


@pytest.mark.parametrize("time", ["1600000000", True, [], {}])
def test_a_time_that_is_no_number_is_refused(box: Sandbox, time: Any) -> None:
    assert refusal(box, event(time=time))[0] == "properties.time"


@pytest.mark.parametrize("id", JUNK_IDS)
def test_junk_ids_are_refused(box: Sandbox, id: str) -> None:
    assert refusal(box, event(distinct_id=id))[0] == "properties.distinct_id"
    assert refusal(box, event_of({"distinct_id": ..., "$user_id": id}))[0] == "properties.$user_id"
    assert refusal(box, event_of({"distinct_id": ..., "$device_id": id}))[0] == "properties.$device_id"
    assert refusal(box, event(insert_id=id))[0] == "properties.$insert_id"


def test_there_are_seventeen_junk_ids() -> None:
    assert len(set(JUNK_IDS)) == 17


def test_an_empty_distinct_id_means_nobody_and_is_accepted(box: Sandbox) -> None:
    assert accepted(box, event(distinct_id=""))["distinct_id"] == ""


@pytest.mark.parametrize("key", ["distinct_id", "$user_id", "$device_id"])
@pytest.mark.parametrize("id", [5, 1.5, True, ["a"], {"a": 1}])
def test_an_id_that_is_no_string_is_refused(box: Sandbox, key: str, id: Any) -> None:
    assert refusal(box, event_of({key: id}))[0] == f"properties.{key}"


@pytest.mark.parametrize("id", ["x" * 37, "a_b", "a b", "é", "a.b", "", 5, "a\n"])
def test_an_insert_id_has_at_most_36_of_the_allowed_characters(box: Sandbox, id: Any) -> None:
    assert refusal(box, event_of({"$insert_id": id}))[0] == "properties.$insert_id"


@pytest.mark.parametrize("id", ["x" * 36, "A-z-9", "-", "1"])
def test_an_insert_id_of_allowed_characters_is_accepted(box: Sandbox, id: str) -> None:
    assert accepted(box, event(insert_id=id))["$insert_id"] == id


@pytest.mark.parametrize(
    ("ids", "distinct_id"),
    [
        ({"$user_id": "ada", "$device_id": "phone"}, "ada"),
        ({"$device_id": "phone"}, "$device:phone"),
        ({"$user_id": "", "$device_id": "phone"}, "$device:phone"),
        ({"$user_id": ""}, ""),
        ({"$user_id": "ada", "distinct_id": "other"}, "ada"),
        ({"$device_id": "phone", "distinct_id": "other"}, "$device:phone"),
        ({"$user_id": "", "distinct_id": "other"}, "other"),
    ],
)
def test_simplified_identity_computes_the_distinct_id(box: Sandbox, ids: dict[str, str], distinct_id: str) -> None:
    kept = accepted(box, event_of({"distinct_id": ...} | ids))
    assert kept["distinct_id"] == distinct_id
    assert all(kept[key] == value for key, value in ids.items() if key != "distinct_id")


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge"])
def test_simplified_identity_refuses_the_events_of_the_original_one(box: Sandbox, name: str) -> None:
    assert "simplified" in refusal(box, event(name))[1]


def test_original_identity_takes_its_own_events_and_only_the_distinct_id(start: Callable[..., Sandbox]) -> None:
    box = start(identity="original")
    merge = {"event": "$merge", "properties": {"$distinct_ids": ["a", "b"]}}
    assert send(box, [merge, event("$identify", "b"), event("$create_alias", "c")]).status_code == 200
    assert refusal(box, event_of({"distinct_id": ..., "$user_id": "ada"}))[0] == "properties.distinct_id"


def test_an_event_has_fewer_than_255_properties(box: Sandbox) -> None:
    assert refusal(box, event_of({f"p{n}": n for n in range(252)}))[0] == "properties"
    assert len(accepted(box, event_of({f"p{n}": n for n in range(251)}))) == 254


def test_a_property_name_has_at_most_255_characters(box: Sandbox) -> None:
    assert "255" in refusal(box, event_of({"x" * 256: 1}))[1]
    assert accepted(box, event_of({"x" * 255: 1}))["x" * 255] == 1


def test_objects_are_nested_at_most_three_levels(box: Sandbox) -> None:
    assert "3 levels" in refusal(box, event(a={"b": {"c": {"d": {"e": 1}}}}))[1]
    assert "3 levels" in refusal(box, event(a=[{"b": [{"c": {"d": {}}}]}]))[1]
    assert accepted(box, event(a={"b": {"c": {"d": [1]}}}))["a"] == {"b": {"c": {"d": [1]}}}


def test_a_nested_object_has_fewer_than_255_keys(box: Sandbox) -> None:
    assert "255 keys" in refusal(box, event(a={f"k{n}": 1 for n in range(255)}))[1]
    assert len(accepted(box, event(a={f"k{n}": 1 for n in range(254)}))["a"]) == 254


def test_a_list_has_fewer_than_255_elements(box: Sandbox) -> None:
    assert "255 elements" in refusal(box, event(a=list(range(255))))[1]
    assert "255 elements" in refusal(box, event(a={"b": list(range(255))}))[1]
    assert len(accepted(box, event(a=list(range(254))))["a"]) == 254


def test_a_list_or_object_has_at_most_8_kilobytes(box: Sandbox) -> None:
    assert "8192 bytes" in refusal(box, event(a=["x" * 250] * 40))[1]
    assert "8192 bytes" in refusal(box, event(a={f"k{n}": "x" * 250 for n in range(40)}))[1]
    assert send(box, [event(a=["x" * 250] * 32)]).status_code == 200


def test_an_event_is_smaller_than_a_megabyte(box: Sandbox) -> None:
    assert "1048576 bytes" in refusal(box, event(text="x" * 1_048_576))[1]
    assert send(box, [event(text="x" * 1_048_000)]).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("x" * 256, "x" * 255),
        ("x" * 255, "x" * 255),
        ("é" * 128, "é" * 127),
        ("😀" * 64, "😀" * 63),
        ('"' * 300, '"' * 255),
        (["y" * 300], ["y" * 255]),
        ({"a": "z" * 300}, {"a": "z" * 255}),
    ],
)
def test_strings_are_cut_at_255_bytes_at_a_whole_character(box: Sandbox, sent: Any, kept: Any) -> None:
    assert accepted(box, event(value=sent))["value"] == kept


@pytest.mark.parametrize("value", ['a"b\\c\n\té', "{[,]}:", 2**60, -1.5e-7, True, False, None, "", [], {}, [[1]]])
def test_values_come_back_as_they_were_sent(box: Sandbox, value: Any) -> None:
    assert accepted(box, event_of({"value": value, "time_": 1, "my time": "time"}))["value"] == value


values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        texts | st.sampled_from(["_deleted", "times"]), values | texts | st.lists(texts, max_size=3), max_size=5
    )
)
def test_any_properties_come_back_the_same(running_box: Sandbox, some: dict[str, Any]) -> None:
    extra = {f"x{name}": value for name, value in some.items()}
    insert_id = f"i{abs(hash(repr(extra)))}"
    assert send(running_box, [event_of(extra, "Any", insert_id)]).status_code == 200
    (kept,) = visible(running_box, event="Any", insert_id=insert_id, limit="1")
    assert kept["properties"] == event_of(extra, "Any", insert_id)["properties"]
