"""Values: the JSON text of every Arrow type as DuckDB SQL, and the limits on nested ones.

| Arrow type | JSON |
|---|---|
| booleans | `true`, `false` |
| integers, decimals | numbers; integers beyond 2^53 as text |
| floats | numbers; NaN and infinities are absent |
| text, enums | text |
| timestamps | ISO 8601 text in UTC; one without a zone is read in the sync's zone |
| dates, times | `YYYY-MM-DD`, `HH:MM:SS[.ffffff]`; infinite or past years 1 to 9999: absent, also timestamps |
| durations | seconds |
| intervals | the warehouse's text |
| binary | base64 |
| uuid | its text |
| lists, structs, maps | lists and objects of the same; NULL and absent values inside are `null` |

Types here are logical ones and values settled ones: `settled` undid the layouts and brought every value into range.
Of fields or entries that share a name the last one counts, as in JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from mixpanel_wh.mixpanel.records.sql import every, json_literal, literal
from mixpanel_wh.mixpanel.rules import WIDEST_INTEGER, Limits

Parts = tuple[str, ...]
_QUOTE = "'\"'"
_WHOLE = f"BETWEEN -{WIDEST_INTEGER} AND {WIDEST_INTEGER}"
TEXT_CHECKS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
BINARY_CHECKS = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
)  # fmt: skip
LIST_CHECKS = (
    pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view,
    pa.types.is_large_list_view,
)  # fmt: skip


class Unsendable(Exception):
    """A type that has no JSON form; the message names it."""


@dataclass(frozen=True)
class Scope:
    """Where a value stands: the sync's zone, how deep inside lists and objects, whether its integers may pass 2^53,
    and whether its text surely needs no escaping."""

    zone: str = "UTC"
    depth: int = 0
    wide: bool = True
    plain: bool = False

    def inside(self) -> "Scope":
        """One list or object further in."""
        return Scope(self.zone, self.depth + 1)


def is_text(kind: pa.DataType) -> bool:
    """Whether the type is text of any layout."""
    return any(check(kind) for check in TEXT_CHECKS)


def is_list(kind: pa.DataType) -> bool:
    """Whether the type is a list of any layout."""
    return any(check(kind) for check in LIST_CHECKS)


def is_extension(kind: pa.DataType, name: str) -> bool:
    """Whether the type is the named extension type."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == name


def are_apart(names: list[str]) -> bool:
    """Whether DuckDB tells the fields of a struct apart by these names; to one without a name it is a tuple."""
    return all(names) and len({name.lower() for name in names}) == len(names)


def whole_digits(kind: pa.DataType) -> int:
    """How many digits a decimal has when it is written out: one at least before the point, which DuckDB leaves out
    where the type has none, and no exponent."""
    return int(max(kind.precision, kind.scale + 1) - min(kind.scale, 0))


def is_decimal_text(kind: pa.DataType) -> bool:
    """Whether decimals of the type have more digits than DuckDB's, so that it sees them as text."""
    return bool(pa.types.is_decimal(kind) and whole_digits(kind) > 38)


def is_nested(kind: pa.DataType) -> bool:
    """Whether the value becomes a list or an object."""
    return is_list(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind)


def is_whole(kind: pa.DataType) -> bool:
    """Whether the type holds integers that may pass 2^53."""
    if pa.types.is_decimal(kind):
        return bool(kind.scale <= 0)
    return bool(pa.types.is_integer(kind) and kind.bit_width == 64)


def json_parts(kind: pa.DataType, x: str, scope: Scope) -> tuple[str, ...]:
    """SQL expressions whose texts, one after the other, are the JSON of `x`; Unsendable for a type without a JSON
    form."""
    for check, write in _WRITERS:
        if check(kind):
            written = write(kind, x, scope)
            return (written,) if isinstance(written, str) else written
    raise Unsendable(str(kind))


def json_text(kind: pa.DataType, x: str, scope: Scope) -> str:
    """The same as one expression, NULL where `x` is NULL or absent."""
    return joined(json_parts(kind, x, scope))


def joined(parts: tuple[str, ...]) -> str:
    """Parts as one expression."""
    return " || ".join(parts)


def nested_rules(kind: pa.DataType, x: str, text: str, limits: Limits) -> list[tuple[str, str]]:
    """(condition that holds for a good value, reason) pairs for a nested value `x` whose JSON is `text`."""
    rules = []
    fits = _fits(kind, x, limits, level=0, depth=0)
    if fits:
        rules.append((f"coalesce({fits}, TRUE)", f"{limits.elements} elements a list, {limits.elements} keys an object "
                      f"and {limits.levels} levels of objects are the most that Mixpanel takes"))  # fmt: skip
    size = f"{limits.nested_bytes:,}"
    rules.append((f"coalesce(strlen({text}) <= {limits.nested_bytes}, TRUE)",
                  f"a list or object may have at most {size} bytes of JSON"))  # fmt: skip
    return rules


def _fits(kind: pa.DataType, x: str, limits: Limits, level: int, depth: int) -> str | None:
    """SQL that is FALSE where a nested value passes the limits; None where the type alone says that it cannot."""
    if limits.elements is None or not is_nested(kind):
        return None
    if is_list(kind):
        return _list_fits(kind.value_type, x, limits, level, depth)
    if level == limits.levels:
        return f"{x} IS NULL"
    if pa.types.is_map(kind):
        return _list_fits(kind.item_type, x, limits, level + 1, depth, ".value")
    return _struct_fits(kind, x, limits, level, depth)


def _list_fits(inner: pa.DataType, x: str, limits: Limits, level: int, depth: int, part: str = "") -> str:
    fits = f"len({x}) <= {limits.elements}"
    each = _fits(inner, f"e{depth}{part}", limits, level, depth + 1)
    if each is None:
        return fits
    return every([fits, f"coalesce(list_bool_and(list_transform({x}, lambda e{depth}: {each})), TRUE)"])


def _struct_fits(kind: pa.StructType, x: str, limits: Limits, level: int, depth: int) -> str | None:
    if limits.elements is not None and kind.num_fields > limits.elements:
        return f"{x} IS NULL"
    fields = (_fits(field.type, f"struct_extract_at({x}, {i + 1})", limits, level + 1, depth)
              for i, field in enumerate(kind))  # fmt: skip
    found = [f"coalesce({fits}, TRUE)" for fits in fields if fits]
    return every(found) if found else None


def _plain(kind: pa.DataType) -> bool:
    """Whether DuckDB's own `to_json` writes a value of this type as we do, at any depth."""
    if is_list(kind):
        return _plain(kind.value_type)
    if pa.types.is_struct(kind):
        apart = kind.num_fields > 0 and are_apart([field.name for field in kind])
        return apart and all(_plain(field.type) for field in kind)
    narrow = pa.types.is_integer(kind) and kind.bit_width < 64
    return narrow or is_text(kind) or pa.types.is_boolean(kind)


def _cast(kind: pa.DataType, x: str, scope: Scope) -> str:
    return f"CAST({x} AS VARCHAR)"


def _quoted(kind: pa.DataType, x: str, scope: Scope) -> Parts:
    return _QUOTE, x, _QUOTE


def _integer(kind: pa.DataType, x: str, scope: Scope) -> str:
    if not is_whole(kind) or not scope.wide:
        return f"CAST({x} AS VARCHAR)"
    return f"CASE WHEN {x} {_WHOLE} THEN CAST({x} AS VARCHAR) ELSE '\"' || {x} || '\"' END"


def _big_decimal(kind: pa.DataType, x: str, scope: Scope) -> str:
    """The same for a decimal that is text already."""
    if not is_whole(kind):
        return x
    return f"CASE WHEN TRY_CAST({x} AS HUGEINT) {_WHOLE} THEN {x} ELSE '\"' || {x} || '\"' END"


def _json(kind: pa.DataType, x: str, scope: Scope) -> str:
    return f"CAST(to_json({x}) AS VARCHAR)"


def _text(kind: pa.DataType, x: str, scope: Scope) -> Parts:
    return quoted_text(x, scope.plain)


def quoted_text(x: str, plain: bool) -> Parts:
    """SQL for a text as JSON; `plain` text goes between quotes as it is."""
    return (_QUOTE, x, _QUOTE) if plain else (f"CAST(to_json({x}) AS VARCHAR)",)


def _timestamp(kind: pa.TimestampType, x: str, scope: Scope) -> Parts:
    elsewhere = kind.tz is None and scope.zone != "UTC"
    if kind.unit == "ns" and not elsewhere:
        return _QUOTE, f"replace(CAST(CAST({x} AS TIMESTAMP_NS) AS VARCHAR), ' ', 'T')", "'Z\"'"
    moment = f"CAST({x} AS TIMESTAMP)"
    if elsewhere:
        moment = f"CAST(timezone({literal(scope.zone)}, {_microseconds(kind, x)}) AS TIMESTAMP)"
    written = (_QUOTE, f"CAST({moment} AS DATE)", "'T'", f"CAST({moment} AS TIME)", "'Z\"'")
    if elsewhere and scope.wide and kind.unit != "ns":
        return (f"CASE WHEN year({moment}) BETWEEN 1 AND 9999 THEN {joined(written)} END",)
    return written


def _microseconds(kind: pa.TimestampType, x: str) -> str:
    """The moment without what is finer than a microsecond: DuckDB's `timezone` takes no finer ones, and a cast
    would round."""
    if kind.unit != "ns":
        return f"CAST({x} AS TIMESTAMP)"
    return f"make_timestamp(epoch_ns({x}) // 1000 - CAST(epoch_ns({x}) % 1000 < 0 AS BIGINT))"


def _binary(kind: pa.DataType, x: str, scope: Scope) -> Parts:
    return _QUOTE, f"base64({x})", _QUOTE


def _list(kind: pa.DataType, x: str, scope: Scope) -> str:
    if _plain(kind):
        return _json(kind, x, scope)
    return f"'[' || {_elements(x, kind.value_type, scope)} || ']'"


def _elements(x: str, kind: pa.DataType, scope: Scope) -> str:
    name = f"v{scope.depth}"
    each = json_text(kind, name, scope.inside())
    return f"array_to_string(list_transform({x}, lambda {name}: coalesce({each}, 'null')), ',')"


def _struct(kind: pa.StructType, x: str, scope: Scope) -> str:
    if _plain(kind):
        return _json(kind, x, scope)
    if kind.num_fields == 0:
        return x  # text already
    parts: list[str] = []
    last = {field.name: i for i, field in enumerate(kind)}
    for field, i in ((kind.field(i), i) for i in sorted(last.values())):
        value = json_text(field.type, f"struct_extract_at({x}, {i + 1})", scope.inside())
        comma = "," if parts else ""
        parts.append(f"{literal(f'{comma}{json_literal(field.name)}:')}, coalesce({value}, 'null')")
    return f"CASE WHEN {x} IS NOT NULL THEN concat('{{', {', '.join(parts)}, '}}') END"


def _map(kind: pa.MapType, x: str, scope: Scope) -> str:
    name = f"v{scope.depth}"
    key, value = f"{name}.key", json_text(kind.item_type, f"{name}.value", scope.inside())
    if not is_text(kind.key_type):
        key = f"trim({json_text(kind.key_type, key, scope.inside())}, '\"')"
    each = f"CAST(to_json({key}) AS VARCHAR) || ':' || coalesce({value}, 'null')"
    return f"'{{' || array_to_string(list_transform({x}, lambda {name}: {each}), ',') || '}}'"


def _uuid(kind: pa.DataType) -> bool:
    return is_extension(kind, "arrow.uuid")


def _any_of(checks: tuple[Callable[[pa.DataType], bool], ...]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(check(kind) for check in checks)


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., str | Parts]], ...] = (
    (is_text, _text),
    (pa.types.is_boolean, _cast),
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, _json),
    (is_decimal_text, _big_decimal),
    (pa.types.is_decimal, _integer),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date, _quoted),
    (pa.types.is_time, _quoted),
    (pa.types.is_null, _cast),
    (pa.types.is_duration, _json),  # a number of seconds by now
    (pa.types.is_interval, _quoted),
    (_any_of(BINARY_CHECKS), _binary),
    (_uuid, _quoted),
    (is_list, _list),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, _map),
)
