"""Reading source tables of Databricks: at one version where they are Delta tables, with types that Delta cannot keep
turned into text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.warehouses.databricks.catalogue import DatabricksCatalogue, switched_on
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.tables import SqlTables

REFUSED = {
    "geography": "st_asgeojson(column)", "geometry": "st_asgeojson(column)", "object": "CAST(column AS VARIANT)",
    "measure": "a query that measures it",
}  # fmt: skip
AS_TEXT = ("interval", "void")


@dataclass(frozen=True)
class DatabricksProjection(Projection):
    """`Projection` over one version of the table; None for the newest of each statement."""

    version: int | None = None

    @property
    def source(self) -> str:
        """The table, quoted, at its version."""
        return super().source if self.version is None else f"{super().source} VERSION AS OF {self.version}"

    @property
    def payload(self) -> list[Column]:
        """The columns that travel to the encoder; SourceError for a type that nobody could read there."""
        columns = super().payload
        for column in columns:
            way = REFUSED.get(_word(column))
            if way:
                raise SourceError(
                    f"sync {self.spec.name}: column {column.name} of {self.spec.table} is of type {column.type}, which "
                    f"Mixpanel has no place for: deny it in properties, or sync a view with {way} in its place"
                )
        return columns

    def select_payload(self, prefix: str = "") -> str:
        """The payload columns as a select list, with a comma in front when there are any."""
        return "".join(f", {self._selected(column, prefix)}" for column in self.payload)

    def _selected(self, column: Column, prefix: str) -> str:
        name = self.dialect.quote(column.name)
        return f"CAST({prefix}{name} AS STRING) AS {name}" if _word(column) in AS_TEXT else f"{prefix}{name}"


def _word(column: Column) -> str:
    """The first word of a column's type."""
    return column.type.lower().replace("(", " ").replace("<", " ").split(" ")[0]


@dataclass
class DatabricksTables(SqlTables):
    """`ports.Tables` over a Databricks session."""

    catalogue: DatabricksCatalogue
    pins: dict[TableName, tuple[Table, int | None]] = field(default_factory=dict)

    @property
    def ordinal_key(self) -> str:
        """The key of a row without a row key; Spark numbers rows only in an order, and any will do here."""
        number = "CAST(row_number() OVER (PARTITION BY _mp_hash ORDER BY _mp_hash) - 1 AS STRING)"
        return f"_mp_hash || ':' || {number} AS {batches.KEY}"

    @contextmanager
    def pinned(self, table: Table, version: int | None) -> Iterator[None]:
        """Every statement inside reads the table as it is described, at that version."""
        self.pins[table.name] = (table, version)
        try:
            yield
        finally:
            del self.pins[table.name]

    def advice(self, spec: SyncSpec) -> list[str]:
        """The statement that switches on the change data feed of a table that is mirrored without."""
        compared = spec.mode is Mode.MIRROR and spec.record is not RecordType.LOOKUP
        if not compared or not self.catalogue.lacks_feed(spec.table):
            return []
        on = switched_on(self.catalogue.source(spec.table))
        return [f"the change data feed of {spec.table} is off, so a run compares every row of it: run  {on}"]

    def projection(self, spec: SyncSpec) -> Projection:
        """The select expressions of a sync over its table as it is now, or as it is pinned."""
        table, version = self.pins.get(spec.table) or (self.describe(spec.table), None)
        return DatabricksProjection(spec, table, self.dialect, version)
