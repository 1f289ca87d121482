"""Opening a DuckDB file, and its parts as a warehouse.

One process may write a DuckDB file at a time. A file that somebody else holds is waited for (`lock_timeout`). With
`read_only` the source is never locked for others, and the staging schema stands in a file of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpanel_wh.engine.errors import ConfigError, WarehouseUnavailable
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.duckdb.catalogue import DuckDBCatalogue
from mixpanel_wh.warehouses.duckdb.dialect import DuckDBDialect
from mixpanel_wh.warehouses.duckdb.session import DuckDBSession, catalogue_of, open_session
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

STAGING_CATALOGUE = "mixpanel_staging"
ROWS_CATALOGUE = "mixpanel_rows"


@dataclass
class DuckDBWarehouse:
    """`ports.Warehouse` on a DuckDB file."""

    session: DuckDBSession
    tables: SqlTables
    snapshots: HashSnapshots
    ledger: SqlLedger
    state: SqlState
    kind: str = "duckdb"

    def transaction(self) -> Any:
        """Everything inside is committed together or not at all."""
        return self.session.transaction()

    def register(self, name: str, rows: Any) -> TableName:
        """Copy Arrow rows or a DataFrame into memory as a source table; returns its name. It goes when the warehouse
        is closed."""
        table = TableName((ROWS_CATALOGUE, "main", name))
        with self.session.lock:
            self.session.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {ROWS_CATALOGUE}")
            self.session.connection.register("_mp_rows", rows)
            source = ".".join(self.tables.dialect.quote(part) for part in table.parts)
            self.session.execute(f"CREATE OR REPLACE TABLE {source} AS FROM _mp_rows")
            self.session.connection.unregister("_mp_rows")
        return table

    def close(self) -> None:
        """Give the file back."""
        self.session.connection.close()


def connect(settings: dict[str, Any]) -> DuckDBWarehouse:
    """Open a DuckDB file. Settings: `path`, `staging_schema` ("mixpanel"), `read_only` (False), `staging_path`,
    `lock_timeout` (seconds, 10), `create` (False: a missing file is an error), `observe` (False; True opens everything
    read-only, the staging schema too, so that a look at the state changes no file)."""
    path, observe = Path(settings["path"]), bool(settings.get("observe", False))
    read_only, staging_path = observe or bool(settings.get("read_only", False)), settings.get("staging_path")
    if not path.exists() and not settings.get("create", False):
        raise WarehouseUnavailable(f"there is no DuckDB file at {path}: check the path of the warehouse")
    session, dialect = open_session(path, read_only, float(settings.get("lock_timeout", 10))), DuckDBDialect()
    schema = str(settings.get("staging_schema", "mixpanel"))
    if staging_path:
        if Path(staging_path).resolve() == path.resolve():
            raise ConfigError([f"staging_path {staging_path} is the warehouse itself: name another file"])
        if not observe or Path(staging_path).exists():
            access = "READ_ONLY" if observe else "READ_WRITE"
            file = dialect.literal(str(staging_path))
            session.execute(f"ATTACH IF NOT EXISTS {file} AS {_staging_catalogue(staging_path)} ({access})")
    catalogue = _staging_catalogue(staging_path) if staging_path else catalogue_of(session)
    return assemble(session, dialect, (catalogue, schema))


def _staging_catalogue(path: str | Path) -> str:
    """What a staging file is attached as: connections of one process to one source share what is attached there."""
    return (
        f"{STAGING_CATALOGUE}_{hashlib.md5(str(Path(path).resolve()).encode(), usedforsecurity=False).hexdigest()[:8]}"
    )


def assemble(session: DuckDBSession, dialect: DuckDBDialect, staging_parts: tuple[str, ...]) -> DuckDBWarehouse:
    """The parts of a warehouse over an open session."""
    staging = Staging(session, dialect, staging_parts)
    tables = SqlTables(DuckDBCatalogue(session, dialect), staging)
    return DuckDBWarehouse(session, tables, HashSnapshots(tables), SqlLedger(tables), SqlState(staging))
