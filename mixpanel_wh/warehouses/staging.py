"""The staging schema: where snapshots, ledgers and state stand, and how their tables are named."""

from dataclasses import dataclass

from mixpanel_wh.warehouses.dialect import Dialect
from mixpanel_wh.warehouses.session import Session

STATE_TABLES: dict[str, str] = {
    "checkpoints": "sync VARCHAR PRIMARY KEY, checkpoint VARCHAR, committed_at VARCHAR",
    "pending_runs": "sync VARCHAR PRIMARY KEY, pending VARCHAR, updated_at VARCHAR",
    "leases": "sync VARCHAR PRIMARY KEY, holder VARCHAR, expires_at VARCHAR",
    "rejected_rows": "sync VARCHAR, run_id VARCHAR, rejected_at VARCHAR, row_key VARCHAR, "
    '"column" VARCHAR, reason VARCHAR, origin VARCHAR',
    "run_results": "sync VARCHAR, run_id VARCHAR, started_at VARCHAR, result VARCHAR",
    "snapshots": "sync VARCHAR PRIMARY KEY, buckets BIGINT, signature VARCHAR, release VARCHAR",
}


@dataclass
class Staging:
    """The staging schema of one open warehouse; `parts` is its (catalogue and) name."""

    session: Session
    dialect: Dialect
    parts: tuple[str, ...]
    ready: bool = False

    @property
    def schema(self) -> str:
        """The schema, quoted."""
        return ".".join(self.dialect.quote(part) for part in self.parts)

    def table(self, name: str, sync: str | None = None) -> str:
        """A table of the schema, quoted; with `sync`, that sync's own table of the kind `name`."""
        return f"{self.schema}.{self.dialect.quote(f'{name}_{sync}' if sync else name)}"

    def ensure(self) -> None:
        """Create the schema and the state tables where they are missing."""
        if self.ready:
            return
        self.session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
        for name, columns in STATE_TABLES.items():
            self.session.execute(f"CREATE TABLE IF NOT EXISTS {self.table(name)} ({columns})")
        self.ready = True

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there."""
        found = self.session.rows(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = "
            f"{self.dialect.parameter('schema')} AND table_name = {self.dialect.parameter('name')}",
            {"schema": self.parts[-1], "name": f"{name}_{sync}" if sync else name},
        )
        return bool(found[0][0])

    def columns(self, name: str, sync: str | None = None) -> list[str]:
        """The column names of a table, in order."""
        found = self.session.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = "
            f"{self.dialect.parameter('schema')} AND table_name = {self.dialect.parameter('name')} "
            "ORDER BY ordinal_position",
            {"schema": self.parts[-1], "name": f"{name}_{sync}" if sync else name},
        )
        return [str(row[0]) for row in found]
