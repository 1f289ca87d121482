"""The staging schema in Snowflake, asked for by compiling queries on it: that is faster than its information schema."""

from __future__ import annotations

from dataclasses import dataclass

from mixpanel_wh.warehouses.snowflake.session import SnowflakeSession
from mixpanel_wh.warehouses.staging import Staging

LOCKS = "locks"


@dataclass
class SnowflakeStaging(Staging):
    """`staging.Staging` whose schema may stand in another database than the tables, with a table to lock."""

    session: SnowflakeSession

    def ensure(self) -> None:
        """Create the schema and its tables where they are missing."""
        if self.ready:
            return
        super().ensure()
        table = self.table(LOCKS)
        if self.session.described(f"SELECT * FROM {table}") is None:
            self.session.execute(f"CREATE TABLE IF NOT EXISTS {table} (turns BIGINT)")
        # Two rows, where two processes do this at once, do as well as one.
        self.session.execute(f"INSERT INTO {table} SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM {table})")

    def named(self, name: str, sync: str) -> str:
        """The name of what a sync has of its own, without quotes."""
        return self._named(name, sync)

    def _has_schema(self) -> bool:
        database, schema = self.parts
        place = f"{self.dialect.quote(database)}.INFORMATION_SCHEMA.SCHEMATA"
        sql = f"SELECT 1 FROM {place} WHERE SCHEMA_NAME = {self.dialect.parameter('schema')}"
        return bool(self.session.rows(sql, {"schema": schema}))

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there."""
        return self.session.described(f"SELECT * FROM {self.table(name, sync)}") is not None

    def columns(self, name: str, sync: str | None = None) -> list[str]:
        """The column names of a table, in order."""
        found = self.session.described(f"SELECT * FROM {self.table(name, sync)}")
        return [column.name for column in found or ()]
