"""The staging dataset, the state and the ledger where they differ: metadata over the API, one statement a change."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.api_core import exceptions as google
from google.cloud import bigquery

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import StagingError
from mixpanel_wh.engine.ports import Window
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses.bigquery.session import BigQuerySession
from mixpanel_wh.warehouses.bigquery.trouble import explaining
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.staging import NUMBERS, STATE_TABLES, Staging
from mixpanel_wh.warehouses.state import SqlState

if TYPE_CHECKING:
    import pyarrow as pa

NO_LETTERS = re.compile(r"[^\w-]")
HELD_ROWS = 200_000


@dataclass
class BigQueryStaging(Staging):
    """The staging dataset; what is there is asked over the API, which is quick and costs nothing."""

    session: BigQuerySession

    def _named(self, name: str, sync: str | None) -> str:
        """A table's name; one with signs that BigQuery's names may not have ends in a hash instead."""
        whole = f"{name}_{sync}" if sync else name
        plain = NO_LETTERS.sub("_", whole)
        if plain == whole:
            return super()._named(name, sync)
        return f"{super()._named(plain[:300], None)}_{self._hash(whole)}"

    def _hash(self, text: str) -> str:
        import hashlib

        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def found(self, name: str, sync: str | None = None) -> bigquery.Table | None:
        """The metadata of a table of the dataset; None when it is not there."""
        with explaining(self.session.jobs.place):
            try:
                return self.session.jobs.client.get_table(".".join([*self.parts, self._named(name, sync)]))
            except google.NotFound:
                return None

    def ensure(self) -> None:
        """Create the dataset and the state tables where they are missing."""
        if self.ready:
            return
        if not self._has_schema():  # asked first: to make one needs a right of its own
            self._make_schema()
        with explaining(self.session.jobs.place):
            there = {one.table_id for one in self.session.jobs.client.list_tables(".".join(self.parts))}
        for name in STATE_TABLES.keys() - there:
            typed = (f"{one} {NUMBERS.get(one, self.dialect.text_type)}" for one in columns_of(name))
            self.session.execute(f"CREATE TABLE IF NOT EXISTS {self.table(name)} ({', '.join(typed)})")
        self.ready = True

    def _make_schema(self) -> None:
        if self.session.jobs.location is None:
            raise StagingError(
                f"there is no dataset {'.'.join(self.parts)} for snapshots and state: set location of the warehouse to "
                "where its tables are, or dataset to one of theirs, so that it is made there"
            )
        self.session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")

    def _has_schema(self) -> bool:
        with explaining(self.session.jobs.place):
            try:
                found = self.session.jobs.client.get_dataset(".".join(self.parts))
            except google.NotFound:
                return False
        there, wanted = str(found.location or ""), self.session.jobs.location
        if wanted and there and there.upper() != wanted.upper():
            raise StagingError(
                f"the staging dataset {self.parts[-1]} is in {there}, and what is synced in {wanted}: "
                "set staging_schema to another name, under which it is made where the tables are"
            )
        return True

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there."""
        return self.found(name, sync) is not None

    def columns(self, name: str, sync: str | None = None) -> list[str]:
        """The column names of a table, in order."""
        table = self.found(name, sync)
        return [column.name for column in table.schema] if table else []


def columns_of(table: str) -> list[str]:
    """The columns of a state table, quoted as BigQuery quotes."""
    return [name.replace('"', "`") for name in STATE_TABLES[table]]


@dataclass
class BigQueryState(SqlState):
    """`state.SqlState`, with a lease that one statement takes."""

    def acquire(self, lease: Lease) -> Lease | None:
        """Take or renew the lease; None when taken, else the lease that somebody else holds.

        A conditional MERGE takes it. Two first ones at the same moment may both add a row: whoever then sees more than
        its own gives its row back, so that both may go away empty-handed, but never both with the lease.
        """
        self.staging.ensure()
        self._take(lease)
        held = [Lease(lease.sync, str(holder), datetime.fromisoformat(str(until)))
                for holder, until in self._leases(lease.sync)]  # fmt: skip
        others = [one for one in held if one.holder != lease.holder]
        if others and len(held) > len(others):
            self.release(lease.sync, lease.holder)
        return others[0] if others else None

    def _take(self, lease: Lease) -> None:
        given = {"sync": lease.sync, "holder": lease.holder, "until": lease.expires_at.astimezone(UTC).isoformat(),
                 "now": datetime.now(UTC)}  # fmt: skip
        self.staging.session.execute(
            f"MERGE INTO {self.staging.table('leases')} AS t USING (SELECT @mp_sync AS sync, @mp_holder AS holder, "
            "@mp_until AS expires_at) AS n ON t.sync = n.sync WHEN MATCHED AND (t.holder = n.holder OR "
            "CAST(t.expires_at AS TIMESTAMP) <= @mp_now) THEN UPDATE SET holder = n.holder, expires_at = n.expires_at "
            "WHEN NOT MATCHED THEN INSERT (sync, holder, expires_at) VALUES (n.sync, n.holder, n.expires_at)",
            given,
        )

    def _leases(self, sync: str) -> list[tuple[object, ...]]:
        table = self.staging.table("leases")
        sql = f"SELECT holder, expires_at FROM {table} WHERE sync = @mp_sync"
        return self.staging.session.rows(sql, {"sync": sync})


@dataclass
class BigQueryLedger(SqlLedger):
    """`ledger.SqlLedger` that writes sent rows in large parts. Until they settle they mean nothing: a run that dies
    before is run again whole."""

    held: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)

    def start(self, spec: SyncSpec) -> None:
        """Make the ledger where there is none, and forget the pending part that a broken run left."""
        self.held.pop(spec.name, None)
        super().start(spec)

    def remember(self, spec: SyncSpec, rows: pa.RecordBatch) -> None:
        """Add sent rows (`_mp_key`, `_mp_insert_time`) to the pending part."""
        import pyarrow.compute as pc

        named = rows.select([batches.KEY, batches.INSERT_TIME])
        held = self.held.setdefault(spec.name, [])
        held.append(named.append_column("pending", pc.is_valid(named.column(batches.KEY))))
        if sum(one.num_rows for one in held) >= HELD_ROWS:
            self._write(spec)

    def settle(self, spec: SyncSpec, window: Window) -> None:
        """Make the pending part committed and drop what is older than `window.upto - lookback`."""
        self._write(spec)
        super().settle(spec, window)

    def discard(self, spec: SyncSpec) -> None:
        """Drop everything remembered."""
        self.held.pop(spec.name, None)
        super().discard(spec)

    def _write(self, spec: SyncSpec) -> None:
        session, held = self.tables.staging.session, self.held.pop(spec.name, [])
        assert isinstance(session, BigQuerySession)
        if held:
            session.add(self._table(spec), held)
