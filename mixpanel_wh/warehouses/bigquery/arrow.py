"""Rows of BigQuery as Arrow, in one shape whichever API they come over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from google.cloud.bigquery import SchemaField

ROWS_PER_RECORD_BATCH = 32_768
# Arrow, or Google's own form of it, has no place for these.
AS_TEXT = ("INTERVAL", "RANGE")
INSIDE_AS_JSON = (*AS_TEXT, "JSON", "BIGNUMERIC", "GEOGRAPHY")
NESTED = ("RECORD", "STRUCT")


def plainly(fields: Iterable[SchemaField]) -> str:
    """What makes a select list of `*` readable as Arrow: spans and ranges as text, areas as WKT, and lists and structs
    that hold one of them as JSON."""
    replaced = [(field, _plain(field)) for field in fields]
    listed = ", ".join(f"{sql} AS {_quoted(field.name)}" for field, sql in replaced if sql)
    return f"* REPLACE ({listed})" if listed else "*"


def _plain(field: SchemaField) -> str | None:
    name = _quoted(field.name)
    if field.mode == "REPEATED" or field.field_type in NESTED:
        # TO_JSON of NULL is a JSON null, and no NULL.
        return f"CASE WHEN {name} IS NOT NULL THEN TO_JSON({name}) END" if _holds(field) else None
    if field.field_type in AS_TEXT:
        return f"CAST({name} AS STRING)"
    return f"ST_ASTEXT({name})" if field.field_type == "GEOGRAPHY" else None


def _holds(field: SchemaField) -> bool:
    return field.field_type in INSIDE_AS_JSON or any(_holds(one) for one in field.fields)


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def shaped(batch: pa.RecordBatch, fields: Sequence[SchemaField]) -> pa.RecordBatch:
    """The batch with JSON marked as such, and numbers too wide for a decimal as JSON numbers; columns in the order of
    `fields`."""
    columns = [_shaped(batch.column(field.name), field) for field in fields]
    return pa.RecordBatch.from_arrays(columns, names=[field.name for field in fields])


def _shaped(column: pa.Array, field: SchemaField) -> pa.Array:
    if field.mode == "REPEATED":
        return column
    if field.field_type == "JSON":
        plain = column.storage if isinstance(column, pa.ExtensionArray) else column
        return pa.ExtensionArray.from_storage(pa.json_(pa.string()), pc.cast(plain, pa.string()))
    if field.field_type == "BIGNUMERIC":
        return pa.ExtensionArray.from_storage(pa.json_(pa.string()), _digits(column))
    return column


def _digits(column: pa.Array) -> pa.Array:
    """Decimals as text without the zeros that end them."""
    text = pc.cast(column, pa.string())
    trimmed = pc.replace_substring_regex(text, r"^(-?\d+)\.0*$|^(-?\d+\.\d*[1-9])0+$", r"\1\2")
    return trimmed


def pieces(batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
    """The batch in parts of the usual size, so that no reader holds more than that."""
    for start in range(0, batch.num_rows, ROWS_PER_RECORD_BATCH):
        yield batch.slice(start, ROWS_PER_RECORD_BATCH)
