"""The DuckDB file: how it is opened, how it is spoken to, and what the warehouse knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mixpanel_wh.engine.errors import StagingError
from mixpanel_wh.warehouses.duckdb.dialect import DuckDBDialect
from mixpanel_wh.warehouses.duckdb.session import DuckDBSession, catalogue_of, open_session
from mixpanel_wh.warehouses.staging import Staging

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = "1GiB"  # what is brought and compared goes to the disk beyond this
BROUGHT = "_mp_brought"  # as `DuckDBSession.over` names rows


class FileDialect(DuckDBDialect):
    """DuckDB's SQL, with types for hashes that were made elsewhere."""

    hash_type = "BLOB"
    fast_type = "VARCHAR"


@dataclass
class FileStaging(Staging):
    """The staging schema in the file."""

    session: DuckDBSession

    def write(self, statement: str, rows: pa.RecordBatch | pa.Table) -> None:
        """Run a statement that reads these rows under the name `_mp_brought`."""
        self.session.over(rows, statement)

    def asked(self, query: str, rows: pa.Table) -> pa.Table:
        """The answer to a query that reads these rows under the same name."""
        found = self.session.over(rows, query)
        assert found is not None
        return found


@dataclass
class ApartStaging(Staging):
    """What takes the place of a staging schema in the warehouse, whose SQL cannot name the tables of the file: it only
    knows which ones are there."""

    file: Staging = field(kw_only=True)
    apart: ClassVar[bool] = True

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there, in the file."""
        return self.file.exists(name, sync)


def opened(path: Path, settings: Mapping[str, Any]) -> FileStaging:
    """The file, made where there is none. With `observe` nothing is written, and a file that is not there is empty.

    Raises StagingError for a folder that is not there, WarehouseUnavailable where another process holds the file for
    longer than `lock_timeout` seconds.
    """
    observe = bool(settings.get("observe", False))
    if not path.parent.is_dir():
        raise StagingError(f"there is no folder {path.parent} for staging_path: make it, or correct staging_path")
    if observe and not path.exists():
        path, observe = Path(":memory:"), False
    session = open_session(path, observe, float(settings.get("lock_timeout", 10)))
    session.execute(f"SET memory_limit = '{MEMORY}'")
    schema = str(settings.get("staging_schema", "mixpanel"))
    return FileStaging(session, FileDialect(), (catalogue_of(session), schema))
