"""The ledger of Append: which rows near the cursor were sent, by their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Column, Window
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.tables import SqlTables

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class SqlLedger:
    """`ports.Ledger` over a SQL session."""

    tables: SqlTables

    @property
    def staging(self) -> Staging:
        """Where the ledger stands."""
        return self.tables.staging

    def _table(self, spec: SyncSpec) -> str:
        return self.staging.table("ledger", spec.name)

    def _insert_time(self, spec: SyncSpec) -> Column:
        """The insert time, as the ledger holds it."""
        return self.tables.projection(spec).column(str(spec.insert_time))

    def start(self, spec: SyncSpec) -> None:
        """Make the ledger where there is none, and forget the pending part that a broken run left."""
        kept = self._insert_time(spec).type
        columns = f"{batches.KEY} {self.staging.dialect.text_type}, {batches.INSERT_TIME} {kept}, pending BOOLEAN"
        self.staging.session.execute(f"CREATE TABLE IF NOT EXISTS {self._table(spec)} ({columns})")
        self.staging.session.execute(f"DELETE FROM {self._table(spec)} WHERE pending")

    def remember(self, spec: SyncSpec, rows: pa.RecordBatch) -> None:
        """Add sent rows (`_mp_key`, `_mp_insert_time`) to the pending part."""
        import pyarrow.compute as pc

        named = rows.select([batches.KEY, batches.INSERT_TIME])
        pending = named.append_column("pending", pc.is_valid(named.column(batches.KEY)))
        self.staging.session.insert(self._table(spec), [pending])

    def settle(self, spec: SyncSpec, window: Window) -> None:
        """Make the pending part committed and drop what is older than `window.upto - lookback`."""
        dialect, session, column = self.staging.dialect, self.staging.session, self._insert_time(spec)
        bound = f"CAST({dialect.parameter('upto')} AS {column.type})"
        oldest = dialect.earlier(bound, dialect.kind(column), spec.lookback.total_seconds())
        old = f"DELETE FROM {self._table(spec)} WHERE {batches.INSERT_TIME} < {oldest}"
        session.execute(old, {"upto": window.upto})
        session.execute(f"UPDATE {self._table(spec)} SET pending = FALSE WHERE pending")

    def discard(self, spec: SyncSpec) -> None:
        """Drop everything remembered."""
        self.staging.session.execute(f"DROP TABLE IF EXISTS {self._table(spec)}")
