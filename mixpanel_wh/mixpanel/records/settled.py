"""Settled arrays: what DuckDB reads exactly, and at any depth only values that have a JSON form.

Encodings (dictionaries, runs, views, list layouts) are undone. What is absent from a record becomes NULL: NaN,
infinities, moments outside of the years 1 to 9999, times outside of a day. Durations become seconds; maps become
lists of (key, value) in which no key is NULL and the last of equal keys counts; decimals that DuckDB lacks become
ordinary ones or text.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.mixpanel.records.values import (
    are_apart,
    is_decimal_text,
    is_extension,
    is_list,
    is_nested,
    whole_digits,
)  # fmt: skip

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY = 86_400
_Numbers: TypeAlias = "np.ndarray[Any, Any]"
_INFINITE = 2**63 - 1  # DuckDB's infinite TIMESTAMP_NS, and negated the other one


def logical(kind: pa.DataType) -> pa.DataType:
    """The type without what only says how its values are laid out, at any depth."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return logical(kind.value_type)
    if is_extension(kind, "arrow.json"):
        return logical(kind.storage_type)
    if is_extension(kind, "arrow.bool8"):
        return pa.bool_()
    if is_list(kind):
        return pa.list_(logical(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, logical(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(logical(kind.key_type), logical(kind.item_type))
    return kind


def settled(array: pa.Array) -> pa.Array:
    """The array as DuckDB should read it."""
    for check, settle in _SETTLERS:
        if check(array.type):
            return settle(array)
    return array


def bounds(column: pa.Array) -> tuple[Any, Any]:
    """The smallest and the largest value; (None, None) when there is none."""
    found = pc.min_max(column)
    return found["min"].as_py(), found["max"].as_py()


def _decimal(array: pa.Array) -> pa.Array:
    """A decimal of at most 38 digits, without a negative scale; else text."""
    kind = array.type
    if is_decimal_text(kind):
        return array.cast(pa.decimal256(min(76, whole_digits(kind)), 0) if kind.scale < 0 else kind).cast(pa.string())
    wanted = pa.decimal128(whole_digits(kind), max(kind.scale, 0))
    return array if kind == wanted else array.cast(wanted)


def _finite(array: pa.Array) -> pa.Array:
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    finite = pc.is_finite(array)
    return array if pc.all(finite).as_py() in (True, None) else pc.if_else(finite, array, None)


def _timestamp(array: pa.Array) -> pa.Array:
    unit = array.type.unit
    if array.type.tz:
        array = array.view(pa.timestamp(unit))
    first, last = FIRST_SECOND * PER_SECOND[unit], (LAST_SECOND + 1) * PER_SECOND[unit] - 1
    return _between(array, pa.int64(), max(first, 1 - _INFINITE), min(last, _INFINITE - 1))


def _date(array: pa.Array) -> pa.Array:
    return _between(array, pa.int32(), _FIRST_DAY, _LAST_DAY)


def _date64(array: pa.Array) -> pa.Array:
    # A date64 that is not a whole number of days is the day it lies in.
    return _timestamp(array.view(pa.timestamp("ms"))).cast(pa.date32(), safe=False)


def _time(array: pa.Array) -> pa.Array:
    stored = pa.int32() if pa.types.is_time32(array.type) else pa.int64()
    return _between(array, stored, 0, _DAY * PER_SECOND[array.type.unit])


def _between(array: pa.Array, stored: pa.DataType, first: int, last: int) -> pa.Array:
    numbers = array.view(stored)
    low, high = bounds(numbers)
    if low is None or (low >= first and high <= last):
        return array
    inside = pc.and_(pc.greater_equal(numbers, first), pc.less_equal(numbers, last))
    return pc.if_else(inside, array, None)


def _seconds(array: pa.Array) -> pa.Array:
    return pc.divide(array.view(pa.int64()).cast(pa.float64(), safe=False), float(PER_SECOND[array.type.unit]))


def _list(array: pa.Array) -> pa.Array:
    if _is_settled(array.type):
        return array
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        # Cut out and not flattened, since Arrow flattens no list of some extension types.
        offsets = array.offsets.to_numpy().astype(np.int64)
        return _lists(array, np.diff(offsets), settled(array.values[offsets[0] : offsets[-1]]))
    starts, lengths, values = _spans(array)
    return _lists(array, lengths, pc.take(settled(values), _places(starts, lengths)))


def _spans(array: pa.Array) -> tuple[_Numbers, _Numbers, pa.Array]:
    """Where each list of a fixed size, or of a view, starts in the values beside it, and how long it is; NULL is
    empty."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        values = array.values[array.offset * size : (array.offset + len(array)) * size]
        return np.arange(len(array)) * size, np.where(valid, size, 0), values
    starts, lengths = array.offsets.to_numpy().astype(np.int64), np.where(valid, array.sizes.to_numpy(), 0)
    used = lengths > 0
    first, last = (starts[used].min(), (starts + lengths)[used].max()) if used.any() else (0, 0)
    return starts - first, lengths, array.values[first:last]


def _places(starts: _Numbers, lengths: _Numbers) -> pa.Array:
    """The places of the elements of lists that start anywhere, one list after the other (Arrow's own ways fail on
    slices and on extension types)."""
    shifts = starts - (np.cumsum(lengths) - lengths)
    return pa.array(np.arange(lengths.sum()) + np.repeat(shifts, lengths))


def _lists(array: pa.Array, lengths: _Numbers, values: pa.Array) -> pa.Array:
    """Lists of these lengths over the values, NULL where `array` is."""
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return pa.LargeListArray.from_arrays(offsets, values, mask=array.is_null() if array.null_count else None)


def _is_settled(kind: pa.DataType) -> bool:
    """Whether every value of the type is settled already."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_settled(kind.value_type)
    return not any(check(kind) for check, _ in _SETTLERS)


def _struct(array: pa.Array) -> pa.Array:
    kind = array.type
    if kind.num_fields == 0:  # DuckDB has no such type
        return pc.if_else(array.is_valid(), "{}", pa.scalar(None, pa.string()))
    values = [settled(child) for child in array.flatten()]
    names = [field.name for field in kind]
    if not are_apart(names):
        names = [f"f{i}" for i in range(len(names))]
    return pa.StructArray.from_arrays(values, names=names, mask=array.is_null() if array.null_count else None)


def _map(array: pa.Array) -> pa.Array:
    offsets = array.offsets.to_numpy()
    lengths = np.where(array.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0)
    parents = pa.array(np.repeat(np.arange(len(array)), lengths))
    places = _places(offsets[:-1] - offsets[0], lengths)
    part = slice(int(offsets[0]), int(offsets[-1]))
    keys, values = (pc.take(settled(one[part]), places) for one in (array.keys, array.items))
    kept = _last_of_each(parents, keys)
    lengths = np.bincount(pc.take(parents, kept).to_numpy(), minlength=len(array))
    entries = pa.StructArray.from_arrays([pc.take(keys, kept), pc.take(values, kept)], names=["key", "value"])
    return _lists(array, lengths, entries)


def _last_of_each(parents: pa.Array, keys: pa.Array) -> pa.Array:
    """The places of the entries to keep, in order."""
    places = pa.array(np.arange(len(keys)))
    if is_nested(keys.type):
        return places.filter(keys.is_valid())
    plain = keys.storage if isinstance(keys, pa.ExtensionArray) else keys
    entries = pa.table({"parent": parents, "key": plain, "place": places}).filter(keys.is_valid())
    last = entries.group_by(["parent", "key"]).aggregate([("place", "max")]).column("place_max")
    return last.combine_chunks().sort()


def _is_odd_decimal(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_decimal(kind) and (not pa.types.is_decimal128(kind) or whole_digits(kind) != kind.precision)
    )


_SETTLERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_dictionary, lambda array: settled(array.dictionary).take(array.indices)),
    (pa.types.is_run_end_encoded, lambda array: settled(pc.run_end_decode(array))),
    (lambda kind: is_extension(kind, "arrow.json"), lambda array: settled(array.storage)),
    (lambda kind: is_extension(kind, "arrow.bool8"), lambda array: array.storage.cast(pa.bool_())),
    (pa.types.is_null, lambda array: array.cast(pa.string())),
    (pa.types.is_string_view, lambda array: array.cast(pa.large_string())),
    (pa.types.is_binary_view, lambda array: array.cast(pa.large_binary())),
    (pa.types.is_floating, _finite),
    (_is_odd_decimal, _decimal),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date32, _date),
    (pa.types.is_date64, _date64),
    (pa.types.is_time, _time),
    (pa.types.is_duration, _seconds),
    (is_list, _list),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, _map),
)
