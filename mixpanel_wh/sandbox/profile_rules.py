"""Mixpanel's rules for one update of a user or group profile."""

from collections.abc import Mapping
from typing import Any

import orjson

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.calls import Refusal

USER_OPERATIONS = frozenset({"$set", "$set_once", "$add", "$union", "$append", "$remove", "$unset", "$delete"})
GROUP_OPERATIONS = USER_OPERATIONS - {"$add", "$append"}
_OTHER_FIELDS = frozenset({"$token", "$distinct_id", "$group_key", "$group_id", "$ip", "$ignore_time", "$ignore_alias"})


def update_refusal(update: Any, group: bool, known_group_keys: frozenset[str] | None) -> Refusal | None:
    """The first rule the update breaks, or None for a good one."""
    if not isinstance(update, dict):
        return Refusal("", "the update must be a JSON object")
    return (
        _token(update)
        or (_group(update, known_group_keys) if group else _required(update, "$distinct_id"))
        or _size(update)
        or _operations(update, group)
    )


def operations_of(update: Mapping[str, Any]) -> list[str]:
    """The names of the operations in an update, in the order they came."""
    return [key for key in update if key in USER_OPERATIONS]


def too_many_properties(properties: Mapping[str, Any]) -> Refusal | None:
    """The refusal of a profile that would hold more than 2,000 properties."""
    if len(properties) <= rules.PROFILE_PROPERTIES:
        return None
    return Refusal("", f"a profile may hold at most {rules.PROFILE_PROPERTIES} properties")


def _token(update: Mapping[str, Any]) -> Refusal | None:
    return _required(update, "$token")


def _required(update: Mapping[str, Any], key: str) -> Refusal | None:
    value = update.get(key)
    if isinstance(value, str) and value:
        return None
    return Refusal(key, f"'{key}' is required and must be a non-empty string")


def _group(update: Mapping[str, Any], known: frozenset[str] | None) -> Refusal | None:
    missing = _required(update, "$group_key") or _required(update, "$group_id")
    if missing or known is None or update["$group_key"] in known:
        return missing
    return Refusal("$group_key", f"the group key '{update['$group_key']}' does not exist in the project")


def _size(update: Mapping[str, Any]) -> Refusal | None:
    if len(orjson.dumps(update)) <= rules.PROFILE_UPDATE_BYTES:
        return None
    return Refusal("", f"an update must be at most {rules.PROFILE_UPDATE_BYTES} bytes of JSON")


def _operations(update: Mapping[str, Any], group: bool) -> Refusal | None:
    allowed = GROUP_OPERATIONS if group else USER_OPERATIONS
    unknown = next((key for key in update if key not in allowed and key not in _OTHER_FIELDS), None)
    if unknown is not None:
        kind = "group" if group else "user"
        return Refusal(unknown, f"'{unknown}' is not an operation on {kind} profiles")
    names = operations_of(update)
    if not names:
        return Refusal("", f"the update needs one of {', '.join(sorted(allowed))}")
    return next((refusal for name in names if (refusal := _operation(name, update[name]))), None)


def _operation(name: str, value: Any) -> Refusal | None:
    if name == "$delete":
        return None
    if name == "$unset":
        return _unset(value)
    if not isinstance(value, dict):
        return Refusal(name, f"'{name}' must be an object of properties")
    return too_many_properties(value) or next(
        (refusal for key, inner in value.items() if (refusal := _property(name, key, inner))), None
    )


def _unset(value: Any) -> Refusal | None:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return None
    return Refusal("$unset", "'$unset' must be a list of property names")


def _property(operation: str, key: str, value: Any) -> Refusal | None:
    if len(key) > rules.NAME_LENGTH:
        return Refusal(f"{operation}.{key[:40]}…", f"a property name must be at most {rules.NAME_LENGTH} characters")
    if operation == "$add" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return Refusal(f"$add.{key}", "'$add' takes numbers only")
    if operation == "$union" and not isinstance(value, list):
        return Refusal(f"$union.{key}", "'$union' takes lists only")
    if isinstance(value, list | dict) and len(orjson.dumps(value)) > rules.PROFILE_VALUE_BYTES:
        return Refusal(f"{operation}.{key}", f"a list or object must be at most {rules.PROFILE_VALUE_BYTES} bytes")
    return None
