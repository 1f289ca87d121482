"""Source columns as DuckDB reads them, and their shapes: what their contents say about the SQL that they need."""

from dataclasses import dataclass

import pyarrow as pa

from mixpanel_wh.mixpanel.records.broken import letters_of, without_broken
from mixpanel_wh.mixpanel.records.settled import FIRST_SECOND, LAST_SECOND, PER_SECOND, bounds, logical, settled
from mixpanel_wh.mixpanel.records.values import is_text, is_whole
from mixpanel_wh.mixpanel.rules import WIDEST_INTEGER

_DAY = 86_400


@dataclass(frozen=True)
class Shape:
    """What decides a column's SQL: its logical type, whether it holds NULLs, and wide values.

    `wide` says of integers that some lie beyond 2^53, of moments without a zone that some lie within a day of the
    years 1 or 9999, where a zone may carry them out.
    `form` is `value` for a value of the type, `json` for JSON text to splice, `members` for the members of an object.
    `plain` says of text that none of it needs escaping in JSON.
    """

    type: pa.DataType
    nulls: bool
    wide: bool = False
    form: str = "value"
    plain: bool = False


def prepare(column: pa.Array) -> tuple[pa.Array, Shape, list[int]]:
    """The column as DuckDB should read it, its shape, and the rows whose text is broken, where it is NULL."""
    kind = logical(column.type)
    column, broken = without_broken(column if _is_enum(column) else settled(column))
    nulls = column.null_count > 0
    if pa.types.is_timestamp(kind):
        wide = kind.tz is None and _is_near_the_ends(column)
        return column, Shape(kind, nulls or wide, wide), broken
    wide = is_whole(kind) and _is_wide(column)
    return column, Shape(kind, nulls, wide, plain=is_plain_text(column)), broken


def _is_enum(column: pa.Array) -> bool:
    """Whether the column is text that DuckDB reads well through its dictionary."""
    if not pa.types.is_dictionary(column.type) or column.dictionary.null_count:
        return False
    return bool(pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type))


def is_plain_text(column: pa.Array) -> bool:
    """Whether the column is text in which no character needs escaping: one look at all its bytes, which costs a tenth
    of escaping them."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)) or not len(column):
        return False
    letters = letters_of(column)
    if letters.size and letters.min() < 0x20:
        return False
    found = letters.tobytes()  # a search in bytes is several times as fast as numpy's comparisons
    return b'"' not in found and b"\\" not in found


def _is_wide(column: pa.Array) -> bool:
    if is_text(column.type):
        return True
    low, high = bounds(column)
    return low is not None and (low < -WIDEST_INTEGER or high > WIDEST_INTEGER)


def _is_near_the_ends(column: pa.Array) -> bool:
    if column.type.unit == "ns":  # they reach from 1677 to 2262
        return False
    low, high = bounds(column.view(pa.int64()))
    if low is None:
        return False
    each = PER_SECOND[column.type.unit]
    return bool(low < (FIRST_SECOND + _DAY) * each or high > (LAST_SECOND - _DAY) * each)
