"""Arrow rows as statements: a list of lists of texts in one parameter, which the server takes apart and casts.

There is no other way in that needs nothing but SQL: files would need a volume to put them into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

ROWS_A_STATEMENT = 4_000
ALIAS = "_mp_added"


def statements(table: str, rows: Sequence[pa.RecordBatch]) -> Iterator[tuple[str, dict[str, object]]]:
    """Each statement with its parameter."""
    for batch in rows:
        for start in range(0, batch.num_rows, ROWS_A_STATEMENT):
            part = batch.slice(start, ROWS_A_STATEMENT)
            yield insertion(table, part.schema), {"rows": written(part)}


def insertion(table: str, schema: pa.Schema) -> str:
    """The statement that adds rows of a shape."""
    names = ", ".join("`" + name.replace("`", "``") + "`" for name in schema.names)
    casts = ", ".join(f"CAST({ALIAS}[{n}] AS {_type(field.type)})" for n, field in enumerate(schema))
    taken = f"SELECT explode(from_json(:rows, 'array<array<string>>')) AS {ALIAS}"
    return f"INSERT INTO {table} ({names}) SELECT {casts} FROM ({taken}) AS taken"


def written(batch: pa.RecordBatch) -> str:
    """The rows as JSON."""
    columns = [_texts(column) for column in batch.columns]
    return json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False, separators=(",", ":"))


def _texts(column: pa.Array) -> list[str | None]:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    texts: list[str | None] = plain.cast(pa.string()).to_pylist()
    return texts


def _type(kind: pa.DataType) -> str:
    for holds, name in (
        (pa.types.is_boolean, "BOOLEAN"), (pa.types.is_integer, "BIGINT"), (pa.types.is_floating, "DOUBLE"),
        (pa.types.is_date, "DATE"),
    ):  # fmt: skip
        if holds(kind):
            return name
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    return "STRING"
