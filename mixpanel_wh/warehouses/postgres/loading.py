"""Arrow rows as the CSV text that COPY takes in: NULL is nothing, the empty text a pair of quotes."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.csv as csv


def written(batch: pa.RecordBatch) -> bytes:
    """The rows of a record batch, without a header."""
    plain = [_plain(column) for column in batch.columns]
    target, options = io.BytesIO(), csv.WriteOptions(include_header=False, quoting_style="needed")
    csv.write_csv(pa.table(plain, names=batch.schema.names), target, options)
    return target.getvalue()


def _plain(column: pa.Array) -> pa.Array:
    """The column as its storage, where the type only marks what a text holds."""
    return column.storage if isinstance(column, pa.ExtensionArray) else column
