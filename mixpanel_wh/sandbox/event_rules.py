"""Mixpanel's rules for one event, each a function that says what is wrong with it or nothing.

This is the exact reading: it runs on every event that is not plainly good.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.calls import Refusal
from mixpanel_wh.sandbox.options import Identity


@dataclass(frozen=True, slots=True)
class Reading:
    """How a batch is read: the identity scheme, whether ids may be missing, and the server's time in seconds."""

    identity: Identity
    strict: bool
    now: float


Check = Callable[[Mapping[str, Any], Reading], Refusal | None]


def first_refusal(record: Any, reading: Reading) -> Refusal | None:
    """The first rule the event breaks, or None for a good one."""
    if not isinstance(record, dict):
        return Refusal("event", "the record must be a JSON object with 'event' and 'properties'")
    return next((refusal for check in _CHECKS if (refusal := check(record, reading))), None)


def is_identity_event(record: Mapping[str, Any], reading: Reading) -> bool:
    """Whether the event is one of the original identity scheme's own, which need no time, id or $insert_id."""
    return reading.identity == "original" and record.get("event") in rules.IDENTITY_EVENTS


def time_in_ms(value: float) -> int:
    """Milliseconds since the epoch of a time in seconds or milliseconds: read as seconds where that is before 2969."""
    return int(value) if value >= rules.EARLIEST_SECOND * 1_000 else int(value * 1_000)


def _event_name(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    name = record.get("event")
    if not isinstance(name, str) or not name:
        return Refusal("event", "'event' is required and must be a non-empty string")
    if len(name) > rules.NAME_LENGTH:
        return Refusal("event", f"'event' must be at most {rules.NAME_LENGTH} characters, and this has {len(name)}")
    if reading.identity == "simplified" and name in rules.IDENTITY_EVENTS:
        return Refusal("event", f"'{name}' is not allowed in a project with simplified identity merging")
    return None


def _properties(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    properties = record.get("properties")
    if not isinstance(properties, dict):
        return Refusal("properties", "'properties' is required and must be an object")
    if len(properties) >= rules.EVENT_PROPERTIES:
        return Refusal("properties", f"an event must have fewer than {rules.EVENT_PROPERTIES} properties")
    return None


def _time(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    time = record["properties"].get("time")
    if time is None:
        return (
            None if is_identity_event(record, reading) else Refusal("properties.time", "'properties.time' is required")
        )
    if isinstance(time, bool) or not isinstance(time, int | float):
        return _bad_time("must be a number of seconds or milliseconds since the epoch")
    seconds = time_in_ms(time) / 1_000
    if seconds < rules.EARLIEST_SECOND:
        return _bad_time("must not be before 1971-01-01")
    if seconds > reading.now + rules.FUTURE_SECONDS:
        return _bad_time("must not be more than 1 hour in the future")
    return None


def _bad_time(why: str) -> Refusal:
    return Refusal("properties.time", f"'properties.time' is invalid: it {why}")


def _someone(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    properties = record["properties"]
    given = [key for key in _identity_keys(reading) if properties.get(key) is not None]
    if not given and reading.strict and not is_identity_event(record, reading):
        return Refusal("properties.distinct_id", "'properties.distinct_id' is required; an empty string means nobody")
    return next((refusal for key in given if (refusal := _person(key, properties[key]))), None)


def _identity_keys(reading: Reading) -> tuple[str, ...]:
    return ("distinct_id", "$user_id", "$device_id") if reading.identity == "simplified" else ("distinct_id",)


def _person(key: str, value: Any) -> Refusal | None:
    if not isinstance(value, str):
        return Refusal(f"properties.{key}", f"'properties.{key}' is invalid: it must be a string")
    if value in rules.JUNK_IDS:
        return Refusal(f"properties.{key}", f"'properties.{key}' is invalid: '{value}' stands for no one")
    return None


def _insert_id(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    value = record["properties"].get("$insert_id")
    if value is None and (not reading.strict or is_identity_event(record, reading)):
        return None
    if value is None or value == "":
        return Refusal("properties.$insert_id", "'properties.$insert_id' is required")
    if not isinstance(value, str) or not rules.INSERT_ID.fullmatch(value):
        return _bad_insert_id("must be at most 36 characters of A-Z, a-z, 0-9 and -")
    return _bad_insert_id(f"'{value}' identifies nothing") if value in rules.JUNK_IDS else None


def _bad_insert_id(why: str) -> Refusal:
    return Refusal("properties.$insert_id", f"'properties.$insert_id' is invalid: {why}")


def _names_of_properties(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    long = next((name for name in record["properties"] if len(name) > rules.NAME_LENGTH), None)
    if long is None:
        return None
    return Refusal(f"properties.{long[:40]}…", f"a property name must be at most {rules.NAME_LENGTH} characters")


def _size(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    if len(orjson.dumps(record)) >= rules.EVENT_BYTES:
        return Refusal("event", f"an event must be smaller than {rules.EVENT_BYTES} bytes of JSON")
    return None


def _nested_values(record: Mapping[str, Any], reading: Reading) -> Refusal | None:
    nested = ((key, value) for key, value in record["properties"].items() if isinstance(value, dict | list))
    for key, value in nested:
        why = _too_nested(value, 0) or _too_big(value)
        if why:
            return Refusal(f"properties.{key}", f"'properties.{key}' is invalid: {why}")
    return None


def _too_big(value: Any) -> str:
    big = len(orjson.dumps(value)) > rules.NESTED_VALUE_BYTES
    return f"a list or object must be at most {rules.NESTED_VALUE_BYTES} bytes of JSON" if big else ""


def _too_nested(value: Any, levels: int) -> str:
    if isinstance(value, dict):
        if levels == rules.NESTED_LEVELS:
            return f"objects may be nested at most {rules.NESTED_LEVELS} levels deep"
        if len(value) >= rules.NESTED_KEYS:
            return f"a nested object must have fewer than {rules.NESTED_KEYS} keys"
        return next((why for inner in value.values() if (why := _too_nested(inner, levels + 1))), "")
    if isinstance(value, list):
        if len(value) >= rules.LIST_ELEMENTS:
            return f"a list must have fewer than {rules.LIST_ELEMENTS} elements"
        return next((why for inner in value if (why := _too_nested(inner, levels))), "")
    return ""


_CHECKS: tuple[Check, ...] = (
    _event_name,
    _properties,
    _time,
    _someone,
    _insert_id,
    _names_of_properties,
    _size,
    _nested_values,
)
