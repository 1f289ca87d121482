"""The staging schema in Unity Catalog, which keeps the names of tables in lower case and takes few characters in them;
and the state in it, where each statement is committed by itself."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses.databricks.catalogue import listed_columns, of_class
from mixpanel_wh.warehouses.databricks.session import DatabricksSession
from mixpanel_wh.warehouses.databricks.trouble import MISSING
from mixpanel_wh.warehouses.databricks.versions import TableVersions
from mixpanel_wh.warehouses.staging import STATE_TABLES, Staging
from mixpanel_wh.warehouses.state import SqlState

PLAIN_NAME = re.compile(r"[a-z0-9_]{1,180}")


@dataclass
class DatabricksStaging(Staging):
    """`Staging` whose tables are looked up by DESCRIBE, which every catalogue knows."""

    def _named(self, name: str, sync: str | None) -> str:
        """A table's name; one that the catalogue would change or refuse ends in a hash instead."""
        whole = f"{name}_{sync}" if sync else name
        if PLAIN_NAME.fullmatch(whole):
            return whole
        ending = hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest()
        return f"{re.sub('[^a-z0-9]+', '_', whole.lower())[:80]}_{ending}"

    def ensure(self) -> None:
        """Create the schema, the state tables and the table of table versions where they are missing."""
        if not self.ready:
            super().ensure()
            TableVersions(self).ensure()

    def _has_schema(self) -> bool:
        """Asked of DESCRIBE: the information schema is a system table, which needs grants of its own, and knows nothing
        of a Hive metastore."""
        try:
            return bool(self.session.rows(f"DESCRIBE SCHEMA {self.schema}"))
        except SourceError as error:
            if of_class(error) in MISSING:
                return False
            raise

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there."""
        return bool(self.columns(name, sync))

    def columns(self, name: str, sync: str | None = None) -> list[str]:
        """The column names of a table, in order; none where there is no such table."""
        try:
            found = self.session.rows(f"DESCRIBE TABLE {self.table(name, sync)}")
        except SourceError as error:
            if of_class(error) in MISSING:
                return []
            raise
        return [column.name for column in listed_columns(found)[0]]


@dataclass
class DatabricksState(SqlState):
    """`ports.StateStore` whose rows are replaced by one statement each, at the end of the transaction around."""

    staging: DatabricksStaging

    @property
    def _session(self) -> DatabricksSession:
        session: DatabricksSession = self.staging.session  # type: ignore[assignment]
        return session

    def acquire(self, lease: Lease) -> Lease | None:
        """Take or renew the lease; None when taken, else the lease that somebody else holds.

        One statement decides: of two that change the table at once, Delta lets one go through and the other runs again.
        Of two that add a row at once it may let both through, where conflicts are looked for row by row: whoever sees
        the other's row then gives way.
        """
        self.staging.ensure()
        free = "t.holder = s.holder OR t.expires_at <= :now"
        given = {"sync": lease.sync, "value": lease.holder, "at": lease.expires_at.isoformat()}
        self._session.execute(self._merge("leases", free), given | {"now": datetime.now(UTC).isoformat()})
        others = [one for one in self._leases(lease.sync) if one.holder != lease.holder]
        if others:
            self.release(lease.sync, lease.holder)
        return others[0] if others else None

    def _leases(self, sync: str) -> list[Lease]:
        table = self.staging.table("leases")
        found = self._session.rows(f"SELECT holder, expires_at FROM {table} WHERE sync = :sync", {"sync": sync})
        return [Lease(sync, str(holder), datetime.fromisoformat(str(at))) for holder, at in found]

    def _merge(self, table: str, allowed: str = "TRUE") -> str:
        """The statement that puts a value in place of a sync's value in a table, where that is allowed."""
        _, value, at = (self.staging.dialect.quote(name) for name in STATE_TABLES[table])
        return (
            f"MERGE INTO {self.staging.table(table)} AS t "
            f"USING (SELECT :sync AS sync, :value AS {value}, :at AS {at}) AS s ON t.sync = s.sync "
            f"WHEN MATCHED AND ({allowed}) THEN UPDATE SET {value} = s.{value}, {at} = s.{at} "
            f"WHEN NOT MATCHED THEN INSERT (sync, {value}, {at}) VALUES (s.sync, s.{value}, s.{at})"
        )

    def _replace(self, table: str, sync: str, value: str, at: str) -> None:
        self._session.later(self._merge(table), {"sync": sync, "value": value, "at": at})

    def _delete(self, table: str, sync: str) -> None:
        self._session.later(f"DELETE FROM {self.staging.table(table)} WHERE sync = :sync", {"sync": sync})
