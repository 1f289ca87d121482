"""Source columns as DuckDB reads them: layouts it knows, and only values that have a JSON form.

What is absent from a record (NaN, infinities, moments outside of the years 1 to 9999) becomes NULL here, so the SQL
need not ask again. The checks that say whether a column has such values read one minimum and maximum each.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.mixpanel.records.values import is_list, is_text, is_whole
from mixpanel_wh.mixpanel.rules import WIDEST_INTEGER

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896


@dataclass(frozen=True)
class Shape:
    """What decides a column's SQL: its type as it came, whether it holds NULLs, and integers beyond 2^53.

    `form` is `value` for a value of the type, `json` for JSON text to splice, `members` for the members of an object.
    `plain` says of text that none of it needs escaping in JSON.
    """

    type: pa.DataType
    nulls: bool
    wide: bool = False
    form: str = "value"
    plain: bool = False


def prepare(column: pa.Array) -> tuple[pa.Array, Shape]:
    """The column as DuckDB should read it, and its shape."""
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if pa.types.is_dictionary(column.type) and column.dictionary.null_count:
        column = column.dictionary_decode()
    kind = column.type
    column = _in_range(_as_read(column))
    wide = is_whole(kind) and _is_wide(column)
    return column, Shape(kind, column.null_count > 0, wide, plain=is_plain_text(column))


def is_plain_text(column: pa.Array) -> bool:
    """Whether the column is text in which no character needs escaping: one look at all its bytes, which costs a tenth
    of escaping them."""
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)) or not len(column):
        return False
    _, offsets, data = column.buffers()
    width = np.int32 if pa.types.is_string(kind) else np.int64
    place = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    letters = np.frombuffer(data, np.uint8)[place[0] : place[-1]] if data else np.empty(0, np.uint8)
    return not any(np.count_nonzero(found) for found in (letters < 0x20, letters == 0x22, letters == 0x5C))


def _as_read(column: pa.Array) -> pa.Array:
    """The same values in a type that DuckDB reads exactly."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz:
        return column.view(pa.timestamp(kind.unit))
    if pa.types.is_duration(kind):
        return pc.divide(column.view(pa.int64()).cast(pa.float64(), safe=False), float(_PER_SECOND[kind.unit]))
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    wanted = _readable(kind)
    return column if wanted == kind else column.cast(wanted)


def _readable(kind: pa.DataType) -> pa.DataType:
    """The type that stands in for one that DuckDB does not read."""
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind) and (pa.types.is_decimal256(kind) or kind.scale < 0):
        return pa.string()
    if pa.types.is_date64(kind):
        return pa.date32()
    if is_list(kind):
        inner = _readable(kind.value_type)
        changed = inner != kind.value_type or not (pa.types.is_list(kind) or pa.types.is_large_list(kind))
        return pa.large_list(inner) if changed else kind
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_readable(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_readable(kind.key_type), _readable(kind.item_type))
    return kind


def _in_range(column: pa.Array) -> pa.Array:
    """The column without the values that have no JSON form."""
    kind = column.type
    if pa.types.is_floating(kind):
        finite = pc.is_finite(column)
        return column if pc.all(finite).as_py() in (True, None) else pc.if_else(finite, column, None)
    if pa.types.is_timestamp(kind):
        each = _PER_SECOND[kind.unit]
        return _between(column, pa.int64(), _FIRST_SECOND * each, (_LAST_SECOND + 1) * each - 1)
    if pa.types.is_date32(kind):
        return _between(column, pa.int32(), _FIRST_DAY, _LAST_DAY)
    return column


def _between(column: pa.Array, stored: pa.DataType, first: int, last: int) -> pa.Array:
    numbers = column.view(stored)
    low, high = bounds(numbers)
    if low is None or (low >= first and high <= last):
        return column
    top = min(last, 2**63 - 1)
    inside = pc.and_(pc.greater_equal(numbers, max(first, -(2**63))), pc.less_equal(numbers, top))
    return pc.if_else(inside, column, None)


def _is_wide(column: pa.Array) -> bool:
    if is_text(column.type):
        return True
    low, high = bounds(column)
    return low is not None and (low < -WIDEST_INTEGER or high > WIDEST_INTEGER)


def bounds(column: pa.Array) -> tuple[Any, Any]:
    """The smallest and the largest value; (None, None) when there is none."""
    found = pc.min_max(column)
    return found["min"].as_py(), found["max"].as_py()
