"""How each type of a query's answer becomes an Arrow column, from a cursor's rows and from Parquet alike.

What has no place in Mixpanel (years outside of 1 to 9999) is NULL. Types that no file of Redshift holds, or that the
driver would round, are made texts by Redshift itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.redshift.dialect import refused


def as_json(array: pa.Array) -> pa.Array:
    """JSON text, marked as such."""
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), array)


def as_it_is(array: pa.Array) -> pa.Array:
    """Nothing is to be done."""
    return array


@dataclass(frozen=True)
class Reading:
    """How a column is read: `sql` makes of the column `{0}` what is selected, `kind` is its Arrow type, `finish` makes
    the array of it."""

    sql: str
    kind: pa.DataType
    finish: Callable[[pa.Array], pa.Array] = as_it_is


@dataclass(frozen=True)
class Found:
    """A column of an answer: its name, the number of its type, what narrows the type (-1: nothing does)."""

    name: str
    type: int
    modifier: int = -1


YEARS = "CASE WHEN {{0}} BETWEEN CAST('0001-01-01{0}' AS {2}) AND CAST('9999-12-31{1}' AS {2}) THEN {{0}} END"
TEXT = Reading("CAST({0} AS VARCHAR(65535))", pa.string())
CLOCK = Reading("CAST({0} AS VARCHAR(64))", pa.string())
PLAIN = Reading("{0}", pa.string())
READINGS: dict[int, Reading] = {
    16: Reading("{0}", pa.bool_()),
    20: Reading("{0}", pa.int64()),
    21: Reading("{0}", pa.int16()),
    23: Reading("{0}", pa.int32()),
    26: Reading("CAST({0} AS BIGINT)", pa.int64()),
    # The shortest text of a REAL has its digits and no more; the bytes would become 0.10000000149011612.
    700: Reading("CAST(CAST({0} AS VARCHAR(64)) AS DOUBLE PRECISION)", pa.float64()),
    701: Reading("{0}", pa.float64()),
    25: PLAIN,
    1042: Reading("CAST({0} AS VARCHAR(4096))", pa.string()),  # without the blanks that fill a CHAR, which mean nothing
    1043: PLAIN,
    1082: Reading(YEARS.format("", "", "DATE"), pa.date32()),
    1083: CLOCK,
    1266: CLOCK,
    1114: Reading(YEARS.format("", " 23:59:59.999999", "TIMESTAMP"), pa.timestamp("us")),
    1184: Reading(
        YEARS.format(" 00:00:00+00", " 23:59:59.999999+00", "TIMESTAMP WITH TIME ZONE"), pa.timestamp("us", "UTC")
    ),
    4000: Reading("JSON_SERIALIZE({0})", pa.string(), as_json),
}
NUMERIC = 1700
REFUSED = {3000: "geometry", 3999: "geometry", 3001: "geography", 6551: "varbyte", 2935: "hllsketch"}


def reading(column: Found) -> Reading:
    """How the column is read; SourceError for a type that cannot be sent."""
    if column.type in REFUSED:
        raise refused(Column(column.name, REFUSED[column.type])) or SourceError(column.name)
    if column.type == NUMERIC:
        return _numeric(column.modifier)
    return READINGS.get(column.type, TEXT)


def _numeric(modifier: int) -> Reading:
    if modifier < 0:
        return Reading("CAST({0} AS NUMERIC(38,10))", pa.decimal128(38, 10))
    return Reading("{0}", pa.decimal128((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0xFFFF))


def from_rows(rows: Sequence[Sequence[Any]], names: Sequence[str], readings: Sequence[Reading]) -> pa.RecordBatch:
    """Rows of the driver as one record batch."""
    columns = zip(*rows, strict=True)
    arrays = [one.finish(pa.array(values, one.kind)) for one, values in zip(readings, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def from_file(batch: pa.RecordBatch, names: Sequence[str], readings: Sequence[Reading]) -> pa.RecordBatch:
    """A record batch of an unloaded file, with its types set right: moments lose their zone there, and a NUMERIC may
    come as text."""
    arrays = [one.finish(_cast(column, one.kind)) for one, column in zip(readings, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column if column.type == kind else column.cast(kind)
