"""Rows of Postgres as Arrow: COPY's text format, read by Arrow's own parser column by column.

Every escape of the format is a backslash, so a line end in the stream is the end of a row, and NULL is told from the
empty text. Values keep all their digits: numerics with a scale become decimals, those without one stay JSON numbers
of any length. What has no place in Mixpanel (NaN, infinite moments, years outside of 1 to 9999) is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

LARGEST_PRECISION = 38
NULL = "\\N"
LETTERS = np.arange(256, dtype=np.uint8)
for _mark, _letter in zip(b"bfnrtv", b"\b\f\n\r\t\v", strict=True):
    LETTERS[_mark] = _letter
BACKSLASH = ord("\\")
Numbers = np.ndarray[Any, Any]


def as_it_is(array: pa.Array) -> pa.Array:
    """Nothing is to be done."""
    return array


def unescaped(array: pa.Array) -> pa.Array:
    """The texts without the escapes of COPY: one look at all their bytes."""
    _, offsets, content = array.buffers()
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    letters = np.frombuffer(content or b"", np.uint8)[places[0] : places[-1]]
    marks = np.flatnonzero(letters == BACKSLASH)
    if not len(marks):
        return array
    openers = marks[_opens(marks)]
    plain = letters.copy()
    plain[openers + 1] = LETTERS[letters[openers + 1]]
    ends = places - places[0]
    kept = (ends - np.searchsorted(openers, ends)).astype(np.int32)
    return _rebuilt(array, kept, np.delete(plain, openers), pa.string())


def _opens(marks: Numbers) -> Numbers:
    """Which backslashes begin an escape: in a run of them every second one, from the first on."""
    numbers = np.arange(len(marks))
    first = np.concatenate([[True], np.diff(marks) != 1])
    opens: Numbers = (numbers - np.maximum.accumulate(np.where(first, numbers, 0))) % 2 == 0
    return opens


def _rebuilt(array: pa.Array, offsets: Numbers, content: object, kind: pa.DataType) -> pa.Array:
    """The array over other bytes, NULL where it was."""
    valid = array.is_valid().buffers()[1] if array.null_count else None
    return pa.Array.from_buffers(kind, len(array), [valid, pa.py_buffer(offsets), pa.py_buffer(content)])


def binary(array: pa.Array) -> pa.Array:
    """Bytes from their hexadecimal text."""
    _, offsets, content = array.buffers()
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    digits = bytes(content)[places[0] : places[-1]] if content else b""
    halves = ((places - places[0]) // 2).astype(np.int32)
    return _rebuilt(array, halves, bytes.fromhex(digits.decode()), pa.binary())


def in_utc(array: pa.Array) -> pa.Array:
    """Moments from timestamps that stand in UTC."""
    return array.cast(pa.timestamp("us", "UTC"))


def as_json(array: pa.Array) -> pa.Array:
    """JSON text, marked as such."""
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), unescaped(array))


@dataclass(frozen=True)
class Reading:
    """How a column is read: `sql` makes of the column `{0}` what is copied, Arrow's parser reads it as `kind`, `finish`
    makes the array of it."""

    sql: str
    kind: pa.DataType
    finish: Callable[[pa.Array], pa.Array] = as_it_is


TEXT = Reading("CAST({0} AS TEXT)", pa.string(), unescaped)
JSON = Reading("CAST(to_json({0}) AS TEXT)", pa.string(), as_json)
LONG_NUMBER = Reading(
    "CASE WHEN {0} NOT IN ('NaN', 'Infinity', '-Infinity') THEN CAST(trim_scale({0}) AS TEXT) END", pa.string(), as_json
)
YEARS = "CASE WHEN {{0}} BETWEEN '0001-01-01{0}' AND '9999-12-31{1}' THEN {{0}} END"
READINGS: dict[int, Reading] = {
    16: Reading("{0}", pa.bool_()),
    20: Reading("{0}", pa.int64()),
    21: Reading("{0}", pa.int16()),
    23: Reading("{0}", pa.int32()),
    26: Reading("{0}", pa.int64()),
    700: Reading("{0}", pa.float64()),
    701: Reading("{0}", pa.float64()),
    25: Reading("{0}", pa.string(), unescaped),
    1042: Reading("{0}", pa.string(), unescaped),
    1043: Reading("{0}", pa.string(), unescaped),
    17: Reading("encode({0}, 'hex')", pa.string(), binary),
    1082: Reading(YEARS.format("", ""), pa.date32()),
    1114: Reading(YEARS.format("", " 23:59:59.999999"), pa.timestamp("us")),
    1184: Reading(
        f"{YEARS.format(' 00:00:00+00', ' 23:59:59.999999+00')} AT TIME ZONE 'UTC'", pa.timestamp("us"), in_utc
    ),
    2950: Reading("{0}", pa.string()),
    114: Reading("{0}", pa.string(), as_json),
    3802: Reading("{0}", pa.string(), as_json),
}  # fmt: skip
NUMERIC = 1700


@dataclass(frozen=True)
class Found:
    """A column of an answer: its name, the number of its type, what narrows the type (-1: nothing does)."""

    name: str
    type: int
    modifier: int = -1


def reading(column: Found, nested: Mapping[int, bool]) -> Reading:
    """How the column is read; `nested` says of types that are not built in whether they are arrays or rows."""
    if column.type == NUMERIC:
        return _numeric(column.modifier)
    known = READINGS.get(column.type)
    return known or (JSON if nested.get(column.type, False) else TEXT)


def _numeric(modifier: int) -> Reading:
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, ((modifier - 4) & 0x7FF ^ 0x400) - 0x400
    if modifier < 0 or precision > LARGEST_PRECISION or not 0 <= scale <= precision:
        return LONG_NUMBER
    return Reading("NULLIF({0}, 'NaN')", pa.decimal128(precision, scale))


PARSING = csv.ParseOptions(
    delimiter="\t", quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False
)


def batches(blocks: Iterable[bytes], names: Sequence[str], readings: Sequence[Reading]) -> Iterator[pa.RecordBatch]:
    """A record batch of each block of COPY's text, whose rows are whole."""
    kinds = {f"c{n}": one.kind for n, one in enumerate(readings)}
    converting = csv.ConvertOptions(
        column_types=kinds, true_values=["t"], false_values=["f"], null_values=[NULL], strings_can_be_null=True,
        check_utf8=False,
    )  # fmt: skip
    for block in blocks:
        # One block of the parser's a call, so that every column comes in one piece.
        whole = csv.ReadOptions(column_names=list(kinds), block_size=len(block) + 1)
        found = csv.read_csv(pa.BufferReader(block), whole, PARSING, converting)
        columns = [one.finish(found.column(n).combine_chunks()) for n, one in enumerate(readings)]
        yield pa.RecordBatch.from_arrays(columns, names=list(names))
