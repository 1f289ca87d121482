"""What each profile operation makes of a profile's properties."""

from collections.abc import Callable, Mapping
from typing import Any

from mixpanel_wh.sandbox.profile_rules import operations_of

Properties = dict[str, Any]


def updated(profile: Properties | None, update: Mapping[str, Any]) -> Properties | None:
    """The profile after the update's operations, in the order they came; None when it is deleted."""
    result = None if profile is None else dict(profile)
    for name in operations_of(update):
        result = None if name == "$delete" else _OPERATIONS[name]({} if result is None else result, update[name])
    return result


def _set(profile: Properties, values: Properties) -> Properties:
    return profile | values


def _set_once(profile: Properties, values: Properties) -> Properties:
    return values | profile


def _add(profile: Properties, values: Properties) -> Properties:
    return profile | {key: _number(profile.get(key)) + value for key, value in values.items()}


def _union(profile: Properties, values: Properties) -> Properties:
    return profile | {key: _united(_list(profile.get(key)), value) for key, value in values.items()}


def _append(profile: Properties, values: Properties) -> Properties:
    return profile | {key: [*_list(profile.get(key)), value] for key, value in values.items()}


def _remove(profile: Properties, values: Properties) -> Properties:
    lists = {key: profile[key] for key in values if isinstance(profile.get(key), list)}
    return profile | {key: [item for item in items if item != values[key]] for key, items in lists.items()}


def _unset(profile: Properties, names: list[str]) -> Properties:
    gone = set(names)
    return {key: value for key, value in profile.items() if key not in gone}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _united(items: list[Any], more: list[Any]) -> list[Any]:
    return items + [item for place, item in enumerate(more) if item not in items and item not in more[:place]]


_OPERATIONS: dict[str, Callable[[Properties, Any], Properties]] = {
    "$set": _set,
    "$set_once": _set_once,
    "$add": _add,
    "$union": _union,
    "$append": _append,
    "$remove": _remove,
    "$unset": _unset,
}
