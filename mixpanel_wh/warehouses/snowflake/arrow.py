"""Snowflake's answers as record batches of one shape: whole numbers, decimals and moments keep every digit.

The connector hands over each result batch in the narrowest type that holds it; here every batch of an answer gets the
type that the column has. Only nanoseconds are kept batch by batch: a column of moments is in microseconds as long as no
value needs more, since nanoseconds reach from 1678 to 2261 only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine.batches import CONTROL_PREFIX

ROWS_PER_RECORD_BATCH = 32_768
INT64_DIGITS = 18
TYPES = (
    "FIXED", "REAL", "TEXT", "DATE", "TIMESTAMP", "VARIANT", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "TIMESTAMP_NTZ", "OBJECT",
    "ARRAY", "BINARY", "TIME", "BOOLEAN", "GEOGRAPHY", "GEOMETRY", "VECTOR", "MAP", "FILE", "INTERVAL_YEAR_MONTH",
    "INTERVAL_DAY_TIME", "DECFLOAT",
)  # fmt: skip
"""The connector's numbers of types, in order."""
JSON_TYPES = ("VARIANT", "OBJECT", "ARRAY", "MAP")
MOMENTS = ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "TIMESTAMP", "TIME")
PLAIN = {"REAL": pa.float64(), "TEXT": pa.string(), "DATE": pa.date32(), "BINARY": pa.binary(), "BOOLEAN": pa.bool_(),
         "GEOGRAPHY": pa.string(), "GEOMETRY": pa.string(), "DECFLOAT": pa.string()}  # fmt: skip
Finish = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Found:
    """A column of an answer: its name, what Snowflake calls its type, and the digits of a number or a moment."""

    name: str
    type: str
    precision: int = 38
    scale: int = 0

    @classmethod
    def of(cls, column: Any) -> Found:
        """From the connector's description of a column."""
        return cls(column.name, TYPES[column.type_code], column.precision or 38, column.scale or 0)

    @property
    def declared(self) -> str:
        """The type as it is written in SQL."""
        if self.type == "FIXED":
            return f"NUMBER({self.precision},{self.scale})"
        if self.type in MOMENTS and self.scale != 9:
            return f"{self.type}({self.scale})"
        return {"REAL": "FLOAT", "TEXT": "VARCHAR"}.get(self.type, self.type)


def finishing(column: Found) -> Finish:
    """What gives an array of the column its type."""
    if column.type == "FIXED":
        whole = not column.scale and (column.precision <= INT64_DIGITS or column.name.startswith(CONTROL_PREFIX))
        kind = pa.int64() if whole else pa.decimal128(column.precision, column.scale)
        return lambda array: array.cast(kind)
    if column.type in JSON_TYPES:
        return lambda array: pa.ExtensionArray.from_storage(pa.json_(pa.string()), array.cast(pa.string()))
    if column.type in MOMENTS:
        return moments("UTC" if column.type in ("TIMESTAMP_LTZ", "TIMESTAMP_TZ") else None)
    chosen = PLAIN.get(column.type)
    return (lambda array: array.cast(chosen)) if chosen else (lambda array: array)


def moments(zone: str | None) -> Finish:
    """Moments or times of day in microseconds, or in nanoseconds where a value has some."""

    def finish(array: pa.Array) -> pa.Array:
        clock = pa.types.is_time(array.type)
        unit = "ns" if array.type.unit == "ns" and _has_nanoseconds(array) else "us"
        return array.cast(pa.time64(unit) if clock else pa.timestamp(unit, zone))

    return finish


def _has_nanoseconds(array: pa.Array) -> bool:
    numbers = array.cast(pa.int64())
    thousands = pc.multiply(pc.divide(numbers, 1000), 1000)
    return bool(pc.any(pc.not_equal(thousands, numbers)).as_py())


def shaped(table: pa.Table, columns: Sequence[Found]) -> Iterator[pa.RecordBatch]:
    """The record batches of one result batch."""
    names, finishes = [column.name for column in columns], [finishing(column) for column in columns]
    for batch in table.combine_chunks().to_batches(max_chunksize=ROWS_PER_RECORD_BATCH):
        arrays = [finish(array) for finish, array in zip(finishes, batch.columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=names)


def as_texts(batch: pa.RecordBatch) -> list[tuple[str | bool | None, ...]]:
    """The rows of a small batch, as a statement binds them: truth values as such, all else as text."""
    columns = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
    plain = [column if pa.types.is_boolean(column.type) else column.cast(pa.string()) for column in columns]
    return list(zip(*(column.to_pylist() for column in plain), strict=True))
