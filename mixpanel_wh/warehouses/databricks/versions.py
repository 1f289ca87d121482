"""Which version of its table each sync has caught up with, and which one its pending run was staged at."""

from __future__ import annotations

from dataclasses import dataclass

from mixpanel_wh.warehouses.databricks.catalogue import Version
from mixpanel_wh.warehouses.staging import Staging

VERSIONS = "table_versions"
COLUMNS = "sync STRING, table_id STRING, version BIGINT, staged_id STRING, staged_version BIGINT"


@dataclass(frozen=True)
class Committed:
    """The version of a table, named by its id, up to which every change was delivered."""

    table_id: str
    version: int


@dataclass
class TableVersions:
    """A row a sync in the staging schema, wherever that stands; each verb is one statement, and may run twice."""

    staging: Staging

    @property
    def _table(self) -> str:
        return self.staging.table(VERSIONS)

    @property
    def _sync(self) -> str:
        return self.staging.dialect.parameter("sync")

    def ensure(self) -> None:
        """Make the table where there is none."""
        self.staging.session.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({COLUMNS})")

    def committed(self, sync: str) -> Committed | None:
        """What the sync has caught up with; None where that is not known."""
        sql = f"SELECT table_id, version FROM {self._table} WHERE sync = {self._sync} AND version IS NOT NULL"
        found = self.staging.session.rows(sql, {"sync": sync})
        return Committed(str(found[0][0]), int(found[0][1])) if found else None

    def stage(self, sync: str, now: Version | None) -> None:
        """The pending run sees the table at this version; None for what has none."""
        number = str(now.number) if now else "NULL"
        table_id = self.staging.dialect.parameter("id") if now else "CAST(NULL AS STRING)"
        self.staging.session.execute(
            f"MERGE INTO {self._table} AS t USING (SELECT {self._sync} AS sync, {table_id} AS id, "
            f"CAST({number} AS BIGINT) AS version) AS s ON t.sync = s.sync "
            "WHEN MATCHED THEN UPDATE SET staged_id = s.id, staged_version = s.version "
            "WHEN NOT MATCHED THEN INSERT (sync, staged_id, staged_version) VALUES (s.sync, s.id, s.version)",
            {"sync": sync, "id": now.id if now else None},
        )

    def commit(self, sync: str) -> None:
        """The version of the pending run is caught up with."""
        set = "SET table_id = staged_id, version = staged_version"
        self.staging.session.execute(f"UPDATE {self._table} {set} WHERE sync = {self._sync}", {"sync": sync})

    def forget(self, sync: str) -> None:
        """It is not known any more what the sync has caught up with."""
        set = "SET table_id = NULL, version = NULL"
        self.staging.session.execute(f"UPDATE {self._table} {set} WHERE sync = {self._sync}", {"sync": sync})
