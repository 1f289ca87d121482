"""JSON text in a column: spliced into the record as it is where that is surely right, rebuilt where it might not be.

SQL looks at every text once and passes the plain ones: valid, on one line, without NULLs, without NaN, without
integers that a double cannot hold, small and shallow. The others are read and written again in Python, exactly.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from mixpanel_wh.mixpanel.records.sql import literal
from mixpanel_wh.mixpanel.rules import NAME_LENGTH, WIDEST_INTEGER, Limits

_SHORT = 500
"""A text this short holds neither 255 elements nor 255 keys nor 8 KB: each element takes two characters at least."""
# DuckDB's reader also takes NaN, Infinity and a comma before a closing bracket, which JSON does not have. A lone
# surrogate is one of `\ud8..` to `\udf..`; pairs look the same and are read exactly, too.
_DOUBTFUL = r"""(?i)[:\[,]\s*(?:[-+]?(?:nan|inf)|null)|[0-9]{16}|[0-9]e|,\s*[}\]]|[\n\r]|\\ud[89a-f]|/[*/]"""


class Refused(Exception):
    """Why a JSON text cannot be sent."""


def is_plain(x: str) -> str:
    """SQL: whether the JSON text `x` may be spliced as it is; never NULL for a text."""
    braces = f"(strlen({x}) - strlen(replace({x}, '{{', '')))"
    return (
        f"strlen({x}) <= {_SHORT} AND {braces} <= 3 AND NOT regexp_matches({x}, {literal(_DOUBTFUL)}) "
        f"AND json_valid({x})"
    )


def is_plain_object(x: str, taken: list[str]) -> str:
    """SQL: whether the members of the JSON object `x` may be spliced as they are; `taken` are names that must not
    occur among its keys."""
    names = ", ".join(literal(name) for name in taken)
    free = f" AND NOT list_has_any(json_keys({x}), [{names}])" if names else ""
    short = f"coalesce(list_max(list_transform(json_keys({x}), lambda k: strlen(k))), 0) <= {NAME_LENGTH}"
    return f"starts_with(ltrim({x}), '{{') AND {is_plain(x)} AND {short}{free}"


def members(x: str) -> str:
    """SQL: the members of a plain JSON object, without the braces."""
    inner = f"substr(trim({x}), 2, length(trim({x})) - 2)"
    return f"trim({inner})"


@dataclass(frozen=True)
class Reader:
    """The exact reading of JSON texts under a record's limits. `taken` are keys to leave out."""

    limits: Limits
    taken: frozenset[str] = frozenset()
    keep_nulls: bool = False

    def value(self, text: str) -> str | None:
        """The JSON text to send for a property, None where it is absent; Refused with the reason."""
        found = self._clean(_parsed(text), 0)
        if found is None:
            return None
        return self._written(found)

    def members(self, text: str) -> tuple[str, int]:
        """The members of a JSON object to splice, and how many there are; Refused with the reason."""
        found = _parsed(text)
        if found is None:
            return "", 0
        if not isinstance(found, dict):
            raise Refused("the JSON must be an object whose members become properties")
        kept = [(_whole(key), value) for key, value in found.items() if key not in self.taken]
        parts = [part for key, value in kept if (part := self._member(key, value))]
        return ",".join(parts), len(parts)

    def _member(self, key: str, value: Any) -> str | None:
        if len(key) > NAME_LENGTH:
            raise Refused(f"the property name '{key[:40]}…' in the JSON is longer than {NAME_LENGTH} characters")
        cleaned = self._clean(value, 0)
        if cleaned is None and not (self.keep_nulls and value is None):
            return None
        return f"{orjson.dumps(key).decode()}:{self._written(cleaned)}"

    def _written(self, value: Any) -> str:
        text = orjson.dumps(value).decode()
        if isinstance(value, list | dict) and len(text.encode()) > self.limits.nested_bytes:
            raise Refused(f"a list or object may have at most {self.limits.nested_bytes:,} bytes of JSON")
        return text

    def _clean(self, value: Any, level: int) -> Any:
        """The value as Mixpanel takes it: no NaN, no half characters, no integers that a double cannot hold."""
        if isinstance(value, dict):
            self._refuse_beyond(len(value), level == self.limits.levels)
            return {_whole(key): self._clean(inner, level + 1) for key, inner in value.items()}
        if isinstance(value, list):
            self._refuse_beyond(len(value), False)
            return [self._clean(inner, level) for inner in value]
        return _clean_leaf(value)

    def _refuse_beyond(self, size: int, too_deep: bool) -> None:
        most = self.limits.elements
        if most is not None and (size > most or too_deep):
            raise Refused(f"{most} elements a list, {most} keys an object and {self.limits.levels} levels of objects "
                          "are the most that Mixpanel takes")  # fmt: skip


def _clean_leaf(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > WIDEST_INTEGER:
        return str(value)
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Refused("the JSON is nested too deep to be read") from None
    except ValueError as error:
        raise Refused(f"not valid JSON: {error}") from None


def _whole(text: str) -> str:
    """The text with U+FFFD in place of half characters (lone surrogates), which UTF-8 cannot carry."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_each(texts: list[str | None], read: Callable[[str], Any]) -> tuple[list[Any], dict[int, str]]:
    """Every text read, None kept; the reasons of those that were refused, by position."""
    found: list[Any] = []
    refused: dict[int, str] = {}
    for place, text in enumerate(texts):
        try:
            found.append(None if text is None else read(text))
        except Refused as reason:
            found.append(None)
            refused[place] = str(reason)
    return found, refused
