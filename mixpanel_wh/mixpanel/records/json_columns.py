"""JSON text in a column: spliced into the record as it is where that is surely right, rebuilt where it might not be.

SQL looks at every text once and passes the plain ones: valid, on one line, without NaN, without numbers that a double
cannot hold, without a key twice in an object, small and shallow. The others are read and written again in Python,
exactly.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from mixpanel_wh.mixpanel.records.sql import literal
from mixpanel_wh.mixpanel.rules import NAME_LENGTH, WIDEST_INTEGER, Limits

_LONG = 1_000
"""A text this short holds neither 255 keys, which take six characters each where they differ, nor 8 KB."""
_SHORT = 500
"""A text this short holds no list of 255 elements, which take two characters each."""
# What DuckDB's reader takes and JSON does not have (NaN, infinities, a comma before a closing bracket), numbers that
# might not fit a double, and line ends.
_DOUBTFUL = (
    r"(?i)(?:^|[:\[,])\s*-?(?:(?:nan|inf|infinity)\s*(?:[,\]}]|$)|[0-9]{16}|[0-9.]+e\+?[0-9]{3})|,\s*[}\]]|[\n\r]"
)
_SPACE = r"e' \t\n\r'"
_TOO_DEEP = "the JSON is nested too deep to be read"


class Refused(Exception):
    """Why a JSON text cannot be sent."""


def is_plain(x: str, limits: Limits, levels: int = 0) -> str:
    """SQL: whether the JSON text `x` may be spliced as it is; never NULL for a text.

    `levels` are levels of objects beyond those that the limits allow.
    """
    braces = f"(strlen({x}) - strlen(replace({x}, '{{', '')))"
    fits = f"strlen({x}) <= {limits.nested_bytes}"
    if limits.levels is not None:
        small = f"strlen({x}) <= {_SHORT} OR strlen({x}) <= {_LONG} AND NOT contains({x}, '[')"
        fits = f"({small}) AND {braces} <= {limits.levels + levels}"
    # A CASE, since reading the keys of an invalid text is an error.
    return (
        f"CASE WHEN {fits} AND trim({x}, {_SPACE}) <> 'null' AND NOT regexp_matches({x}, {literal(_DOUBTFUL)}) "
        f"AND json_valid({x}) THEN {_keys_differ(x, braces)} ELSE FALSE END"
    )


def _keys_differ(x: str, braces: str) -> str:
    """SQL: whether no object of the valid JSON `x` has a key twice. Only one brace, in front, is the usual case."""
    outer = f"len(json_keys({x})) = list_unique(json_keys({x}))"
    inner = f"list_bool_and(list_transform(json_keys({x}, '$..*'), lambda k: len(k) = list_unique(k)))"
    return (
        f"CASE WHEN {braces} = 0 THEN TRUE WHEN NOT ({outer}) THEN FALSE "
        f"WHEN {braces} = 1 AND starts_with({x}, '{{') THEN TRUE ELSE coalesce({inner}, TRUE) END"
    )


def members(x: str) -> str:
    """SQL: the members of a plain JSON object, without the braces."""
    whole = f"trim({x}, {_SPACE})"
    return f"trim(substr({whole}, 2, length({whole}) - 2), {_SPACE})"


@dataclass(frozen=True)
class Reader:
    """The exact reading of JSON texts under a record's limits. `taken` are keys to leave out."""

    limits: Limits
    taken: frozenset[str] = frozenset()
    keep_nulls: bool = False

    def is_plain_object(self, x: str) -> str:
        """SQL: whether the members of the JSON object `x` may be spliced as they are; never NULL for a text."""
        names = ", ".join(literal(name) for name in sorted(self.taken))
        free = f"NOT list_has_any(json_keys({x}), [{names}])" if names else "TRUE"
        short = f"coalesce(list_max(list_transform(json_keys({x}), lambda k: strlen(k))), 0) <= {NAME_LENGTH}"
        nulls = "" if self.keep_nulls else f" AND NOT contains({x}, 'null')"
        return (
            f"CASE WHEN starts_with(ltrim({x}, {_SPACE}), '{{'){nulls} AND {is_plain(x, self.limits, levels=1)} "
            f"THEN {free} AND {short} ELSE FALSE END"
        )

    def value(self, text: str) -> str | None:
        """The JSON text to send for a property, None where it is absent; Refused with the reason."""
        found = self._cleaned(_parsed(text))
        return None if found is None else self._written(found)

    def members(self, text: str) -> tuple[str, int]:
        """The members of a JSON object to splice, and how many there are; Refused with the reason."""
        found = _parsed(text)
        if _clean_leaf(found) is None:
            return "", 0
        if not isinstance(found, dict):
            raise Refused("the JSON must be an object whose members become properties")
        kept = {_whole(key): value for key, value in found.items()}
        parts = [part for key, value in kept.items() if key not in self.taken and (part := self._member(key, value))]
        return ",".join(parts), len(parts)

    def _member(self, key: str, value: Any) -> str | None:
        if len(key) > NAME_LENGTH:
            raise Refused(f"the property name '{key[:40]}…' in the JSON is longer than {NAME_LENGTH} characters")
        cleaned = self._cleaned(value)
        if cleaned is None and not self.keep_nulls:
            return None
        return f"{orjson.dumps(key).decode()}:{self._written(cleaned)}"

    def _written(self, value: Any) -> str:
        try:
            text = orjson.dumps(value).decode()
        except orjson.JSONEncodeError:
            raise Refused(_TOO_DEEP) from None
        if isinstance(value, list | dict) and len(text.encode()) > self.limits.nested_bytes:
            raise Refused(f"a list or object may have at most {self.limits.nested_bytes:,} bytes of JSON")
        return text

    def _cleaned(self, value: Any) -> Any:
        try:
            return self._clean(value, 0)
        except RecursionError:
            raise Refused(_TOO_DEEP) from None

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
    """The value of a JSON text; of a blank one None, since many a table has nothing but '' for it."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except RecursionError:
        raise Refused(_TOO_DEEP) from None
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
