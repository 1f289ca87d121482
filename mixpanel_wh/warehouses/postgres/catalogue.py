"""What Postgres says of its own tables: columns, keys, and counters that move with every change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.postgres.dialect import PostgresDialect
from mixpanel_wh.warehouses.postgres.partitions import ERA, FOREIGN, partitions_of
from mixpanel_wh.warehouses.postgres.session import PostgresSession

VIEWS = ("v", "m")
COLUMNS = """
SELECT a.attname, format_type(COALESCE(b.oid, a.atttypid), COALESCE(b.modifier, a.atttypmod)), c.relkind
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    WITH RECURSIVE base AS (
        SELECT t.oid, t.typtype, t.typbasetype, a.atttypmod AS modifier FROM pg_catalog.pg_type AS t
        WHERE t.oid = a.atttypid AND t.typtype = 'd'
        UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype, d.typtypmod
        FROM base JOIN pg_catalog.pg_type AS d ON d.oid = base.oid AND d.typtype = 'd'
        JOIN pg_catalog.pg_type AS t ON t.oid = d.typbasetype
    )
    SELECT oid, modifier FROM base WHERE typtype <> 'd'
) AS b ON TRUE
WHERE c.oid = to_regclass({name}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attnum
"""
# A table with all of its partitions and children; -1 rows are never counted ones.
EXTENT = """
WITH RECURSIVE tree AS (
    SELECT to_regclass({name})::oid AS oid
    UNION SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid
)
SELECT CAST(sum(c.reltuples) AS BIGINT), CAST(min(c.reltuples) AS BIGINT), CAST(sum(pg_relation_size(c.oid)) AS BIGINT),
       pg_get_partkeydef(to_regclass({name})), count(*)
FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid WHERE c.relkind IN ('r', 'm')
"""
NAMES = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> {staging} AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY 1
"""
UNIQUE = """
SELECT 1 FROM pg_catalog.pg_index AS i
WHERE i.indrelid = to_regclass({name}) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM unnest(CAST(i.indkey AS SMALLINT[])) WITH ORDINALITY AS k(number, place)
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
      WHERE k.place <= i.indnkeyatts AND a.attname <> ALL (string_to_array({columns}, E'\\x01')))
LIMIT 1
"""
# pg_class shows the names of tables that one may not read.
PRIVILEGES = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT') OR NOT EXISTS (
           SELECT 1 FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
           AND NOT a.attisdropped AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT'))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = {table} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (n.nspname = {schema} OR {schema} = '' AND pg_table_is_visible(c.oid))
"""
# Every table that a table or view is made of: its partitions and children, and what the views among them read.
SOURCES = """
WITH RECURSIVE source AS (
    SELECT to_regclass({name})::oid AS oid
    UNION
    SELECT n.oid FROM source JOIN LATERAL (
        SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = source.oid
        UNION ALL
        SELECT d.refobjid FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_depend AS d ON d.objid = r.oid
        WHERE r.ev_class = source.oid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid <> r.ev_class
    ) AS n ON TRUE
)
SELECT c.oid::text, c.relkind::text, c.relfilenode::text, pg_stat_get_tuples_inserted(c.oid)::text,
       pg_stat_get_tuples_updated(c.oid)::text, pg_stat_get_tuples_deleted(c.oid)::text
FROM source JOIN pg_catalog.pg_class AS c ON c.oid = source.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.oid
"""


@dataclass
class PostgresCatalogue:
    """`catalogue.Catalogue` from the system catalogue."""

    session: PostgresSession
    dialect: PostgresDialect
    skip_partitions: bool = True

    def _source(self, table: TableName) -> str:
        return ".".join(self.dialect.quote(part) for part in table.parts)

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table. A domain is described as what it is made of."""
        columns = COLUMNS.format(name=self.dialect.parameter("name"))
        found = self.session.rows(columns, {"name": self._source(table)})
        if not found:
            raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}")
        described = tuple(Column(str(name), str(kind)) for name, kind, _ in found if name is not None)
        return self._measured(Table(table, described, is_view=found[0][2] in VIEWS))

    def _measured(self, table: Table) -> Table:
        """The table with its extent, as the server last counted it; what has none (a view) as it is."""
        asked = EXTENT.format(name=self.dialect.parameter("name"))
        rows, least, size, key, count = self.session.rows(asked, {"name": self._source(table.name)})[0]
        if not count and not key:
            return table
        counted = rows if count and least >= 0 else None
        layout = f"PARTITION BY {key}, {count:,} partitions" if key else None
        return replace(table, rows=counted, size=size or 0, layout=layout)

    def _nearest(self, table: TableName) -> str:
        listed = NAMES.format(staging=self.dialect.parameter("staging"))
        found = self.session.rows(listed, {"staging": self.session.place.staging})
        names = {str(row[0]).rpartition(".")[2]: str(row[0]) for row in found}
        close = get_close_matches(table.parts[-1], names, n=1)
        if close:
            return f"; did you mean {names[close[0]]}?"
        return f": it holds {', '.join(sorted(names.values())[:8]) or 'no table'}"

    def change_token(self, table: TableName) -> str:
        """Counters of rows written, which cost no scan. They come from the server's statistics, where a change shows up
        within seconds of its commit; for foreign tables, and where statistics are off, all rows are hashed."""
        described = self.describe(table)
        name = {"name": self._source(table)}
        sources = self.session.rows(SOURCES.format(name=self.dialect.parameter("name")), name)
        era = self.session.rows(ERA)[0]
        counted = era[1] == "on" and all(kind != FOREIGN for _, kind, *_ in sources)
        moved = (sources, era) if counted else self._hashed(described)
        return hashlib.md5(repr((described.columns, moved)).encode(), usedforsecurity=False).hexdigest()

    def _hashed(self, table: Table) -> str:
        columns = [self.dialect.hashable(column) for column in table.columns]
        value = self.dialect.fast_total(self.dialect.fast_hash(columns), repeats=True)
        found = self.session.rows(f"SELECT count(*), {value} FROM {self._source(table.name)}")
        return str(found[0])

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table; nothing for a table that is not there."""
        *schema, name = table.parts
        asked = PRIVILEGES.format(table=self.dialect.parameter("table"), schema=self.dialect.parameter("schema"))
        given = {"table": name, "schema": schema[-1] if schema else ""}
        user, quote = self.session.place.user, self.dialect.quote
        missing: list[str] = []
        for owner, usage, select in self.session.rows(asked, given):
            if not usage:
                grant = f"GRANT USAGE ON SCHEMA {quote(owner)} TO {quote(user)}"
                missing.append(f"user {user} may not look into schema {owner}: run  {grant}")
            if not select:
                grant = f"GRANT SELECT ON {quote(owner)}.{quote(name)} TO {quote(user)}"
                missing.append(f"user {user} may not read {owner}.{name}: run  {grant}")
        return missing

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Whether a unique index covers the columns or some of them."""
        parameter = self.dialect.parameter
        asked = UNIQUE.format(name=parameter("name"), columns=parameter("columns"))
        return bool(self.session.rows(asked, {"name": self._source(table), "columns": "\x01".join(columns)}))

    def partitions(self, table: TableName) -> Partitions | None:
        """The partitions of a partitioned table; None for every other one, or where they are not to be skipped."""
        return partitions_of(self.session, self.dialect, table) if self.skip_partitions else None
