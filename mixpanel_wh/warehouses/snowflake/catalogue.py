"""What Snowflake says of its own tables: columns by compiling a query, the rest from the information schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.snowflake.arrow import Found
from mixpanel_wh.warehouses.snowflake.dialect import SnowflakeDialect
from mixpanel_wh.warehouses.snowflake.session import SnowflakeSession
from mixpanel_wh.warehouses.snowflake.trouble import Place
from mixpanel_wh.warehouses.snowflake.writing import folded

EXTENT = """
SELECT TABLE_TYPE, ROW_COUNT, BYTES, CLUSTERING_KEY, TO_VARCHAR(LAST_ALTERED), TO_VARCHAR(CREATED)
FROM {database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table}
"""
NAMES = """
SELECT TABLE_SCHEMA || '.' || TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES
WHERE TABLE_SCHEMA NOT IN ('INFORMATION_SCHEMA', {staging}) ORDER BY 1 LIMIT 10000
"""


@dataclass
class SnowflakeCatalogue:
    """`catalogue.Catalogue` from compiled queries and the information schema. A table without its schema is looked for
    in `schemas`, and each name as it is written before it is folded to upper case."""

    session: SnowflakeSession
    dialect: SnowflakeDialect
    schemas: tuple[str, ...]

    @property
    def place(self) -> Place:
        """Where the session leads."""
        return self.session.place

    def describe(self, table: TableName) -> Table:
        """Columns, kind and extent under the table's full name; SourceError when there is no such table."""
        found, columns = self._found(table)
        kind, rows, size, clustering, *_ = self._extent(found)
        described = Table(found, tuple(Column(column.name, column.declared) for column in columns))
        if "VIEW" in kind and "MATERIALIZED" not in kind:
            return replace(described, is_view=True)
        layout = f"CLUSTER BY {clustering}" if clustering else None
        return replace(described, rows=rows, size=size, layout=layout)

    def _found(self, table: TableName) -> tuple[TableName, list[Found]]:
        for candidate in dict.fromkeys(self._candidates(table)):
            columns = self.session.described(f"SELECT * FROM {self._source(candidate)}")
            if columns is not None:
                return candidate, columns
        raise SourceError(self._absent(table))

    def _candidates(self, table: TableName) -> Iterator[TableName]:
        """The full names that a name may stand for, the best first."""
        given = table.parts
        for schema in self.schemas if len(given) == 1 else ("",):
            whole = (*((self.place.database,) if len(given) < 3 else ()), *((schema,) if schema else ()), *given)
            yield TableName(whole)
            yield TableName((*whole[:-1], folded(whole[-1])))
            yield TableName(tuple(folded(part) for part in whole))

    def _source(self, table: TableName) -> str:
        return ".".join(self.dialect.quote(part) for part in table.parts)

    def _extent(self, table: TableName) -> tuple[str, int | None, int | None, str | None, str | None, str | None]:
        database, schema, name = table.parts
        asked = EXTENT.format(database=self.dialect.quote(database), schema=self.dialect.parameter("schema"),
                              table=self.dialect.parameter("table"))  # fmt: skip
        found = self.session.rows(asked, {"schema": schema, "table": name})
        if not found:
            return ("", None, None, None, None, None)
        kind, rows, size, clustering, altered, created = found[0]
        whole = [None if value is None else int(value) for value in (rows, size)]
        return str(kind), whole[0], whole[1], clustering, altered, created

    def _absent(self, table: TableName) -> str:
        """Why there is no such table: a name close to it, or what may be missing to see it."""
        listed = NAMES.format(database=self.dialect.quote(self.place.database),
                              staging=self.dialect.parameter("staging"))  # fmt: skip
        names = [str(row[0]) for row in self.session.rows(listed, {"staging": self.place.staging[-1]})]
        folded_names = {name.rpartition(".")[2].upper(): name for name in names}
        close = get_close_matches(table.parts[-1].upper(), folded_names, n=1)
        if close:
            nearest = f"; did you mean {folded_names[close[0]]}?"
        else:
            nearest = f": it holds {', '.join(names[:8]) or 'no table'}"
        best = next(iter(self._candidates(table)))
        schema, source = self._source(TableName(best.parts[:-1])), self._source(best)
        return (
            f"there is no table {table} in the warehouse that role {self.place.role} may see{nearest}; if it is there, "
            f"run  GRANT USAGE ON SCHEMA {schema} TO {self.place.grantee}  and  GRANT SELECT ON {source} TO "
            f"{self.place.grantee}"
        )

    def change_token(self, table: TableName) -> str:
        """When the table was last altered, by data or by definition: metadata that costs no scan. Snowflake keeps no
        such time of what a view is made of, so the rows of a view are hashed."""
        found, columns = self._found(table)
        kind, rows, size, _, altered, created = self._extent(found)
        shape = [(column.name, column.declared) for column in columns]
        kept = "BASE TABLE" in kind and altered is not None
        moved = (rows, size, altered, created) if kept else self._hashed(found, columns)
        return hashlib.md5(repr((shape, moved)).encode(), usedforsecurity=False).hexdigest()

    def _hashed(self, table: TableName, columns: Sequence[Found]) -> str:
        value = f"HASH_AGG({', '.join(self.dialect.quote(column.name) for column in columns)})"
        return str(self.session.rows(f"SELECT COUNT(*), {value} FROM {self._source(table)}")[0])

    def missing_privileges(self, table: TableName) -> list[str]:
        """Nothing: what a role may not read is not there for it, and `describe` says so with the statements that would
        grant it."""
        return []

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never sure: Snowflake does not enforce the keys of its tables."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """None: which micro-partitions changed is for Snowflake itself to know, and a stream tells."""
        return None
