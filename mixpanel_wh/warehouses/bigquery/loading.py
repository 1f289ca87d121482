"""Arrow rows into tables: as JSON text that a statement takes apart, which joins a transaction, or by a load job."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from google.cloud import bigquery

LOAD_FROM = 5_000  # rows from which a load job is quicker; a table takes 1,500 of them a day
TEXT_BYTES = 4_000_000  # as written into a request, which may hold ten million


def texts(batch: pa.RecordBatch) -> list[list[str | None]]:
    """Each column as the texts that BigQuery casts to its type."""
    return [_texts(column).to_pylist() for column in batch.columns]


def _texts(column: pa.Array) -> pa.Array:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    if pa.types.is_binary(plain.type) or pa.types.is_large_binary(plain.type):
        encoded = [None if value is None else base64.b64encode(value).decode() for value in plain.to_pylist()]
        return pa.array(encoded, pa.string())
    return pc.cast(plain, pa.string())


def rows_as_json(batches: Sequence[pa.RecordBatch]) -> Iterator[str]:
    """JSON arrays of rows, each row an array of texts, of a size that fits a request."""
    held: list[str] = []
    size = 0
    for batch in batches:
        for row in zip(*texts(batch), strict=True):
            written = orjson.dumps(row).decode()
            added = request_bytes(written)
            if size + added > TEXT_BYTES and held:
                yield f"[{','.join(held)}]"
                held, size = [], 0
            held.append(written)
            size += added
    if held:
        yield f"[{','.join(held)}]"


def request_bytes(text: str) -> int:
    """How long a text is in a request: JSON again, in which the client escapes quotes and all but plain ASCII."""
    return len(json.dumps(text))


def insert_statement(table: str, names: Sequence[str], types: Mapping[str, str], rows: str) -> str:
    """A statement that adds the rows of a JSON text, given as the parameter `rows`, which is named in SQL as `rows`."""
    values = ", ".join(_cast(f"JSON_VALUE(r, '$[{n}]')", types[name]) for n, name in enumerate(names))
    listed = ", ".join(f"`{name}`" for name in names)
    return f"INSERT INTO {table} ({listed}) SELECT {values} FROM UNNEST(JSON_QUERY_ARRAY({rows})) AS r"


def _cast(text: str, type: str) -> str:
    if type == "STRING":
        return text
    return f"FROM_BASE64({text})" if type == "BYTES" else f"CAST({text} AS {type})"


def load(client: bigquery.Client, table: str, batches: Sequence[pa.RecordBatch], labels: Mapping[str, str]) -> None:
    """Add rows by one load job of newline-ended JSON, whose texts BigQuery reads by the types of the columns."""
    target, config = io.BytesIO(), bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON, labels=dict(labels),
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
    )  # fmt: skip
    for batch in batches:
        names = batch.schema.names
        for row in zip(*texts(batch), strict=True):
            target.write(orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE))
    target.seek(0)
    client.load_table_from_file(target, table, job_config=config).result()
