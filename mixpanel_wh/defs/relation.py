"""What an asset hands to an IO manager: a table by name, or rows in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import RunOptions
from mixpanel_wh.engine.spec import SyncSpec, TableName
from mixpanel_wh.warehouses import open_warehouse

INDEX_PREFIX = "__index_level_"


@dataclass
class Report:
    """Where an IO manager leaves the result, for the asset that goes on after its output was moved."""

    result: RunResult | None = None


@dataclass(frozen=True)
class Relation:
    """A table that an IO manager is to move. Nothing is read until then.

    `table` names it as the warehouse does (`schema.table`); `sync` is there when the asset was built from a project.
    """

    table: str | None = None
    sync: SyncSpec | None = None
    options: RunOptions = field(default_factory=RunOptions)
    report: Report = field(default_factory=Report)


def is_rows(value: object) -> bool:
    """Whether a value holds rows that Arrow can read: an Arrow table or reader, a pandas or Polars frame, a DuckDB
    relation, record batches."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "to_arrow_reader")


def as_reader(value: Any) -> pa.RecordBatchReader:
    """The rows as a stream of record batches; a pandas index without a name is left out."""
    if hasattr(value, "to_arrow_reader"):
        reader: pa.RecordBatchReader = value.to_arrow_reader()
        return reader
    stream = pa.RecordBatchReader.from_stream(value)
    kept = [name for name in stream.schema.names if not name.startswith(INDEX_PREFIX)]
    schema = pa.schema([stream.schema.field(name) for name in kept])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(kept) for batch in stream))


@contextmanager
def staged_rows(sync: SyncSpec, rows: Any, folder: Path) -> Iterator[tuple[SyncSpec, Warehouse]]:
    """Rows in memory as a table of an embedded warehouse, whose file keeps the sync's state between runs.

    Each sync has a file of its own in `folder`, so that two of them never wait for one another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    warehouse: Any = open_warehouse("duckdb", {"path": str(folder / f"{sync.name}.duckdb"), "create": True})
    try:
        yield replace(sync, table=warehouse.register(sync.name, as_reader(rows))), warehouse
    finally:
        warehouse.close()


def table_name(text: str) -> TableName:
    """`schema.table` as its parts."""
    return TableName(tuple(text.split(".")))
