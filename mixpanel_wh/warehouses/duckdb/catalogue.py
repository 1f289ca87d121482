"""What DuckDB says of its own tables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.duckdb.dialect import DuckDBDialect
from mixpanel_wh.warehouses.duckdb.session import DuckDBSession


@dataclass
class DuckDBCatalogue:
    """`catalogue.Catalogue` from DuckDB's own description of a query."""

    session: DuckDBSession
    dialect: DuckDBDialect

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        source = ".".join(self.dialect.quote(part) for part in table.parts)
        try:
            found = self.session.rows(f"DESCRIBE SELECT * FROM {source}")
        except SourceError as error:
            raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}") from error
        columns = tuple(Column(str(row[0]), str(row[1])) for row in found)
        kinds = self.session.rows(
            "SELECT table_type FROM information_schema.tables WHERE table_name = getvariable('mp_name')",
            {"name": table.parts[-1]},
        )
        return Table(table, columns, is_view=("VIEW",) in kinds)

    def _nearest(self, table: TableName) -> str:
        names = [str(row[0]) for row in self.session.rows("SELECT table_name FROM information_schema.tables")]
        close = get_close_matches(table.parts[-1], names, n=1)
        return f"; did you mean {close[0]}?" if close else f": it holds {', '.join(sorted(names)[:8]) or 'no table'}"

    def change_token(self, table: TableName) -> str:
        """A hash over the whole table: DuckDB keeps no time of last change."""
        described = self.describe(table)
        source = ".".join(self.dialect.quote(part) for part in table.parts)
        columns = [self.dialect.quote(column.name) for column in described.columns]
        value = self.dialect.fast_total(self.dialect.fast_hash(columns), repeats=True)
        found = self.session.rows(f"SELECT count(*) || ':' || COALESCE({value}, 0) FROM {source}")
        shape = hashlib.md5(repr(described.columns).encode(), usedforsecurity=False).hexdigest()
        return f"{found[0][0]}:{shape[:8]}"

    def missing_privileges(self, table: TableName) -> list[str]:
        """Nothing: DuckDB has no users."""
        return []

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never sure: what DuckDB's own key constraints cost is more than to look."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """None: DuckDB does not divide tables."""
        return None
