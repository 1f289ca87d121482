"""Broken text: rows whose text is not valid UTF-8, which DuckDB would write as nothing at all."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.mixpanel.records.values import is_list, is_nested, is_text

REASON = "the text is not valid UTF-8"


def without_broken(array: pa.Array) -> tuple[pa.Array, list[int]]:
    """A settled array with NULL in place of values with broken text, and which rows those are."""
    if _is_whole(array):
        return array, []
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    rows = list(_broken(array, 0))
    kept = np.ones(len(array), bool)
    kept[rows] = False
    places = pa.array(np.arange(len(array)), mask=~kept)
    return pc.take(array, places), rows


def _broken(array: pa.Array, start: int) -> list[int]:
    """The rows with broken text, found by halving; `start` is the number of the first row."""
    if _is_whole(array):
        return []
    if len(array) == 1:
        return [start]
    middle = len(array) // 2
    return [*_broken(array[:middle], start), *_broken(array[middle:], start + middle)]


def _is_whole(array: pa.Array) -> bool:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _is_whole(array.dictionary)
    if is_text(kind):
        return _is_ascii(array) or _is_valid(array)
    if is_list(kind):
        return not _holds_text(kind) or not len(array) or _is_whole(_elements(array))
    if pa.types.is_struct(kind):
        return all(_is_whole(child) for child in array.flatten())
    return True


def _elements(array: pa.Array) -> pa.Array:
    """What settled lists hold, one after the other; cut out, since Arrow flattens no list of some extension types."""
    offsets = array.offsets
    return array.values[offsets[0].as_py() : offsets[-1].as_py()]


def _holds_text(kind: pa.DataType) -> bool:
    return is_text(kind) or (is_nested(kind) and any(_holds_text(kind.field(i).type) for i in range(kind.num_fields)))


def _is_ascii(array: pa.Array) -> bool:
    letters = letters_of(array)
    return not letters.size or bool(letters.max() < 0x80)


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def letters_of(array: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """The bytes of all texts of a string or large_string array, one after the other."""
    _, offsets, data = array.buffers()
    width = np.int32 if pa.types.is_string(array.type) else np.int64
    if not len(array) or not data:
        return np.empty(0, np.uint8)
    place = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8)[place[0] : place[-1]]
