"""Reading source tables, and the ledger of Append, where the ledger stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Column, Part, Table, Window
from mixpanel_wh.engine.spec import SyncSpec, TableName
from mixpanel_wh.warehouses.dialect import Kind
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.staging_file.place import BROUGHT, FileStaging
from mixpanel_wh.warehouses.tables import SqlTables

if TYPE_CHECKING:
    import pyarrow as pa

KEPT_TYPES = {
    Kind.INTEGER: "HUGEINT", Kind.DECIMAL: "DECIMAL(38,9)", Kind.FLOAT: "DOUBLE", Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP", Kind.TIMESTAMP_NS: "TIMESTAMP_NS", Kind.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
SPACED_OFFSET = re.compile(r"(?<=\d) (?=[+-]\d\d(:?\d\d)?$)")


@dataclass
class FileLedger(SqlLedger):
    """`ports.Ledger` in the file; `tables` are those of the warehouse."""

    file: FileStaging

    @property
    def staging(self) -> Staging:
        """Where the ledger stands."""
        return self.file

    def _insert_time(self, spec: SyncSpec) -> Column:
        """The insert time, in the type that the file keeps it in."""
        column = super()._insert_time(spec)
        return Column(column.name, KEPT_TYPES.get(self.tables.dialect.kind(column), "VARCHAR"))

    def settle(self, spec: SyncSpec, window: Window) -> None:
        """Make the pending part committed and drop what is older than `window.upto - lookback`. The file takes no space
        before the offset of a moment, which Snowflake writes."""
        upto = window.upto
        if upto is not None and self._insert_time(spec).type == KEPT_TYPES[Kind.TIMESTAMP_TZ]:
            upto = SPACED_OFFSET.sub("", upto)
        super().settle(spec, replace(window, upto=upto))

    def unsent(self, spec: SyncSpec, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows after the cursor, and those before it that the ledger does not know."""
        import pyarrow as pa
        import pyarrow.compute as pc

        new = pc.fill_null(rows.column(batches.NEW), False)
        if pc.all(new).as_py():
            return rows
        places = pc.subtract(pc.cumulative_sum(pa.repeat(1, rows.num_rows)), 1)
        late = pa.table({"place": places, "key": rows.column(batches.KEY)}).filter(pc.invert(new))
        return rows.filter(pc.or_(new, pc.is_in(places, self._unknown(spec, late))))

    def _unknown(self, spec: SyncSpec, late: pa.Table) -> pa.ChunkedArray:
        """The places of those rows whose key is not in the committed ledger; rows without a key are not sought. A join,
        since DuckDB builds it over the few rows that are asked for, and would build an IN over the ledger."""
        known = f"SELECT {batches.KEY} FROM {self._table(spec)} WHERE NOT pending"
        sought = f"SELECT place, key FROM {BROUGHT} WHERE key IS NOT NULL"
        sql = f"SELECT place FROM ({sought}) AS sought ANTI JOIN ({known}) AS known ON key = {batches.KEY}"
        return self.file.asked(sql, late).column("place")


@dataclass
class FileTables:
    """`ports.Tables` of the warehouse, without the rows near an Append cursor that the ledger in the file knows."""

    source: SqlTables
    ledger: FileLedger

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        return self.source.describe(table)

    def count(self, spec: SyncSpec, part: Part | None = None) -> int:
        """How many rows the table, or a part of it, has."""
        return self.source.count(spec, part)

    def verify_keys(self, spec: SyncSpec, window: Window | Part | None = None) -> None:
        """DuplicateKeys when a row key that must be unique is not, unless the sync rejects such rows."""
        self.source.verify_keys(spec, window)

    def window(self, spec: SyncSpec, after: str | None) -> Window:
        """The window from `after` to the high-water mark of now."""
        window = self.source.window(spec, after)
        if window.upto is None or not self._asks_ledger(spec, window):
            return window
        sql, parameters = self.source.selected(spec, window)
        late = f"SELECT {batches.KEY}, {batches.NEW} FROM ({sql}) AS selected WHERE NOT {batches.NEW}"
        found = (self.ledger.unsent(spec, rows) for rows in self.source.staging.session.stream(late, parameters))
        return Window(window.after, window.upto, window.rows + sum(rows.num_rows for rows in found), window.unread)

    def read(
        self, spec: SyncSpec, window: Window | Part | None = None, sample: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream the table, a window or a part of it, or its first `sample` rows."""
        rows = self.source.read(spec, window, sample)
        yield from (self.ledger.unsent(spec, batch) for batch in rows) if self._asks_ledger(spec, window) else rows

    def _asks_ledger(self, spec: SyncSpec, window: Window | Part | None) -> bool:
        asked = isinstance(window, Window) and window.after is not None
        return asked and self.ledger.staging.exists("ledger", spec.name)

    def explain(self, spec: SyncSpec, window: Window | Part | None = None) -> str:
        """The statement by which `read` selects rows, for a person to read, after the values of its parameters."""
        return self.source.explain(spec, window)

    def fingerprint(self, spec: SyncSpec) -> str:
        """A 128-bit content hash of what would be sent, independent of row order."""
        return self.source.fingerprint(spec)

    def change_token(self, table: TableName) -> str:
        """A token that differs whenever the table may have changed."""
        return self.source.change_token(table)

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table: sentences, each with the statement that grants it."""
        return self.source.missing_privileges(table)

    def advice(self, spec: SyncSpec) -> list[str]:
        """What would let runs of the sync read less, or faster: sentences, each with its statement."""
        return self.source.advice(spec)

    def span(self, spec: SyncSpec, column: str) -> tuple[int, int] | None:
        """The oldest and the newest moment in a column, in milliseconds since the epoch; None where there is none."""
        return self.source.span(spec, column)

    def values(self, spec: SyncSpec, column: str, part: Part | None, most: int) -> tuple[int, dict[str, int]]:
        """How many different values a column has in the table or a part of it, and the rows of the most frequent ones,
        at most `most` of them."""
        return self.source.values(spec, column, part, most)
