"""Parameters of statements: bound by the driver where Redshift takes them, and quoted where it takes none.

Only SELECT, INSERT, UPDATE and DELETE take parameters. CREATE TABLE AS, DECLARE and UNLOAD do not: there a value stands
as a literal, escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mixpanel_wh.warehouses.redshift.dialect import RedshiftDialect
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

MARKS = re.compile(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|(?<!:):([a-z_][a-z0-9_]*)", re.S)
BINDABLE = ("SELECT", "INSERT", "UPDATE", "DELETE")
MOST_PARAMETERS = 30_000
ROWS_PER_INSERT = 500
quote, literal = RedshiftDialect().quote, RedshiftDialect().literal


def bound(sql: str, parameters: Parameters | None) -> tuple[str, dict[str, str | None] | None]:
    """The statement as the driver gets it, with its parameters; None where it has none."""
    named = {found[1] for found in MARKS.finditer(sql) if found[1]} if parameters else set()
    if not named or parameters is None:
        return sql, None
    if not sql.lstrip().upper().startswith(BINDABLE):
        return inlined(sql, parameters), None
    return sql, {name: _text(parameters[name]) for name in named}


def inlined(sql: str, parameters: Parameters) -> str:
    """The statement with its parameters as literals."""

    def shown(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0]
        value = _text(parameters[found[1]])
        return "NULL" if value is None else literal(value)

    return MARKS.sub(shown, sql)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def inserts(table: str, batch: pa.RecordBatch) -> Iterator[tuple[str, dict[str, str]]]:
    """INSERT statements for Arrow rows, with their parameters. Numbers and truths are written out."""
    names = batch.schema.names
    rows = max(1, min(ROWS_PER_INSERT, MOST_PARAMETERS // max(1, len(names))))
    listed, types = ", ".join(quote(name) for name in names), [_type(field.type) for field in batch.schema]
    for start in range(0, batch.num_rows, rows):
        given: dict[str, str] = {}
        typed = zip(batch.slice(start, rows).columns, types, strict=True)
        columns = [_shown(column, type, n, given) for n, (column, type) in enumerate(typed)]
        lines = ", ".join(f"({', '.join(row)})" for row in zip(*columns, strict=True))
        yield f"INSERT INTO {table} ({listed}) VALUES {lines}", given


def _shown(column: pa.Array, type: str, number: int, given: dict[str, str]) -> Sequence[str]:
    """The values of a column as SQL; texts become parameters, which are added to `given`."""
    found = []
    for row, value in enumerate(_values(column)):
        if value is None:
            found.append(f"CAST(NULL AS {type})")
        elif isinstance(value, bool):
            found.append("TRUE" if value else "FALSE")
        elif isinstance(value, int):
            found.append(f"CAST({value} AS {type})")
        else:
            given[f"p{number}_{row}"] = str(value)
            found.append(f"CAST(:p{number}_{row} AS {type})")
    return found


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    plain = pa.types.is_integer(storage.type) or pa.types.is_boolean(storage.type)
    values: list[Any] = (storage if plain else storage.cast(pa.string())).to_pylist()
    return values


def _type(type: pa.DataType) -> str:
    """The column type that takes an Arrow type."""
    import pyarrow as pa

    if pa.types.is_boolean(type):
        return "BOOLEAN"
    if pa.types.is_integer(type):
        return "BIGINT"
    if pa.types.is_floating(type):
        return "DOUBLE PRECISION"
    if pa.types.is_decimal(type):
        return f"NUMERIC({type.precision},{type.scale})"
    if pa.types.is_timestamp(type):
        return "TIMESTAMP WITH TIME ZONE" if type.tz else "TIMESTAMP"
    return "DATE" if pa.types.is_date(type) else "VARCHAR(65535)"
