"""JSON texts in columns, told plainly: what of them is sent, and the limits on lists and objects."""

import json
import math
from typing import Any

from mixpanel_wh.mixpanel.rules import Limits
from mixpanel_wh_tests.mixpanel.records.values_plainly import Bad, number


def read(text: str) -> Any:
    """The JSON value of a text as it is sent, before any limit; None of a blank one, Bad where it is not JSON."""
    if not text.strip():
        return None
    try:
        return _sent(json.loads(text))
    except (ValueError, RecursionError):
        raise Bad("json") from None


def _sent(value: Any) -> Any:
    if isinstance(value, dict):
        return {_whole(key): _sent(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_sent(inner) for inner in value]
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return number(value) if type(value) is int else value


def _whole(text: str) -> str:
    """U+FFFD in place of half characters."""
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def check_nested(value: Any, limits: Limits) -> None:
    """Bad where a list or object passes the limits."""
    if isinstance(value, list | dict):
        if limits.elements is not None:
            _check_inside(value, limits, 0)
        if len(size_of(value)) > limits.nested_bytes:
            raise Bad("nested size")


def _check_inside(value: Any, limits: Limits, level: int) -> None:
    if not isinstance(value, list | dict):
        return
    if len(value) > (limits.elements or 0) or (isinstance(value, dict) and level == limits.levels):
        raise Bad("nested shape")
    deeper = level + isinstance(value, dict)
    for inner in value.values() if isinstance(value, dict) else value:
        _check_inside(inner, limits, deeper)


def size_of(value: Any) -> bytes:
    """About the bytes that a value takes as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode()
