"""A warehouse that is only read, with its staging schema in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mixpanel_wh.warehouses.staging_file.place import ApartStaging, FileStaging, opened
from mixpanel_wh.warehouses.staging_file.snapshots import FileSnapshots
from mixpanel_wh.warehouses.staging_file.tables import FileLedger, FileTables
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

if TYPE_CHECKING:
    from mixpanel_wh.engine.ports import Ledger, Snapshots, StateStore, Tables, Warehouse


class SqlWarehouse(Protocol):
    """A warehouse whose tables are read by the shared SQL."""

    kind: str
    tables: SqlTables

    def close(self) -> None:
        """Give every connection back."""


@dataclass
class ReadOnlyWarehouse:
    """`ports.Warehouse` that writes nothing but the file."""

    source: SqlWarehouse
    file: FileStaging
    tables: Tables
    snapshots: Snapshots
    ledger: Ledger
    state: StateStore
    kind: str

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all."""
        return self.file.session.transaction()

    def close(self) -> None:
        """Give the connections and the file back."""
        try:
            self.file.session.connection.close()
        finally:
            self.source.close()


def kept_in_file(
    source: SqlWarehouse,
    settings: Mapping[str, Any],
    snapshots: Callable[[SqlTables, FileStaging], FileSnapshots] = FileSnapshots,
) -> Warehouse:
    """The warehouse with its staging schema in the file `staging_path`; `snapshots` finds its changes.

    Raises StagingError or WarehouseUnavailable, and closes the source then.
    """
    try:
        file = opened(Path(settings["staging_path"]), settings)
    except BaseException:
        source.close()
        raise
    own = source.tables.staging
    tables = replace(source.tables, staging=ApartStaging(own.session, own.dialect, own.parts, file=file))
    ledger = FileLedger(tables, file)
    return ReadOnlyWarehouse(
        source, file, FileTables(tables, ledger), snapshots(tables, file), ledger, SqlState(file), source.kind
    )
