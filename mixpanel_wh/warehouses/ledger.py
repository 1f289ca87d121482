"""The ledger of Append: which rows near the cursor were sent, by their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Window
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.tables import SqlTables

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class SqlLedger:
    """`ports.Ledger` over a SQL session."""

    tables: SqlTables

    def _table(self, spec: SyncSpec) -> str:
        return self.tables.staging.table("ledger", spec.name)

    def _type(self, spec: SyncSpec) -> str:
        return self.tables.projection(spec).column(str(spec.insert_time)).type

    def start(self, spec: SyncSpec) -> None:
        """Make the ledger where there is none, and forget the pending part that a broken run left."""
        columns = f"{batches.KEY} {self.tables.dialect.text_type}, {batches.INSERT_TIME} {self._type(spec)}"
        self.tables.staging.session.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table(spec)} ({columns}, pending BOOLEAN)"
        )
        self.tables.staging.session.execute(f"DELETE FROM {self._table(spec)} WHERE pending")

    def remember(self, spec: SyncSpec, rows: pa.RecordBatch) -> None:
        """Add sent rows (`_mp_key`, `_mp_insert_time`) to the pending part."""
        import pyarrow.compute as pc

        named = rows.select([batches.KEY, batches.INSERT_TIME])
        pending = named.append_column("pending", pc.is_valid(named.column(batches.KEY)))
        self.tables.staging.session.insert(self._table(spec), [pending])

    def settle(self, spec: SyncSpec, window: Window) -> None:
        """Make the pending part committed and drop what is older than `window.upto - lookback`."""
        dialect, session = self.tables.dialect, self.tables.staging.session
        column = self.tables.projection(spec).column(str(spec.insert_time))
        bound = f"CAST({dialect.parameter('upto')} AS {column.type})"
        oldest = dialect.earlier(bound, dialect.kind(column), spec.lookback.total_seconds())
        old = f"DELETE FROM {self._table(spec)} WHERE {batches.INSERT_TIME} < {oldest}"
        session.execute(old, {"upto": window.upto})
        session.execute(f"UPDATE {self._table(spec)} SET pending = FALSE WHERE pending")

    def discard(self, spec: SyncSpec) -> None:
        """Drop everything remembered."""
        self.tables.staging.session.execute(f"DROP TABLE IF EXISTS {self._table(spec)}")
