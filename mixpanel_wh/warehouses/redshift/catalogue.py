"""What Redshift says of its own tables: columns, privileges, and sizes that move with changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.redshift.dialect import RedshiftDialect, refused
from mixpanel_wh.warehouses.redshift.session import RedshiftSession

BASE, MEGABYTE = "BASE TABLE", 1 << 20
# These views show late-binding views and external tables too, which information_schema does not.
TABLES = (
    "SELECT table_schema, table_type FROM svv_tables WHERE table_name = {name} AND table_catalog = {catalogue} "
    "ORDER BY table_schema"
)
COLUMNS = (
    "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale FROM svv_columns "
    "WHERE table_schema = {schema} AND table_name = {name} AND table_catalog = {catalogue} ORDER BY ordinal_position"
)
NAMES = (
    "SELECT table_schema, table_name FROM svv_tables WHERE table_catalog = {catalogue} AND table_schema <> {staging} "
    "AND table_schema NOT IN ('pg_catalog', 'information_schema', 'pg_internal', 'pg_automv') ORDER BY 1, 2"
)
INFO = (
    "SELECT table_id, size, tbl_rows, estimated_visible_rows, diststyle, sortkey1, unsorted, create_time "
    "FROM svv_table_info "
    "WHERE \"schema\" = {schema} AND \"table\" = {name}"
)
# The catalogue shows the names of tables that one may not read.
OWNERS = (
    "SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relname = {name} AND c.relkind IN ('r', 'v', 'm') ORDER BY 1"
)
EXTERNAL = {"varchar": "character varying", "char": "character", "string": "character varying", "int": "integer",
            "double": "double precision", "float": "real", "decimal": "numeric", "tinyint": "smallint",
            "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone"}  # fmt: skip


@dataclass
class RedshiftCatalogue:
    """`catalogue.Catalogue` from Redshift's system views."""

    session: RedshiftSession
    dialect: RedshiftDialect
    schemas: tuple[str, ...]
    measures: bool | None = None

    def _rows(self, sql: str, **given: str) -> list[tuple[Any, ...]]:
        named = {"catalogue": self.session.place.database, **given}
        asked = sql.format(**{name: f"CAST(:{name} AS VARCHAR(127))" for name in named})
        return self.session.rows(asked, named)

    def _source(self, table: TableName) -> str:
        return ".".join(self.dialect.quote(part) for part in table.parts)

    def _found(self, table: TableName) -> tuple[str, str] | None:
        """The schema of a table and its kind."""
        *places, name = table.parts
        if len(places) > 1 and places[0] != self.session.place.database:
            raise SourceError(
                f"{table} is in another database than the warehouse's, {self.session.place.database}: sync a "
                "late-binding view of it, or add a warehouse for that database"
            )
        wanted = (places[-1],) if places else self.schemas
        found = {str(schema): str(kind) for schema, kind in self._rows(TABLES, name=name)}
        schema = next((one for one in wanted if one in found), None)
        return (schema, found[schema]) if schema is not None else None

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        found = self._found(table)
        if found is None:
            raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}")
        columns = self._rows(COLUMNS, schema=found[0], name=table.parts[-1])
        described = tuple(Column(str(name), typed(*rest)) for name, *rest in columns)
        return self._measured(Table(table, described, is_view=found[1] == "VIEW"), *found)

    def _measured(self, table: Table, schema: str, kind: str) -> Table:
        """The table with its extent, where the user may know it; what has none (a view) as it is."""
        info = self._info(schema, kind, table.name.parts[-1])
        if not info:
            return table
        _, size, _, rows, style, key, *_ = info[0]
        layout = " ".join(str(one) for one in (style and f"DISTSTYLE {style}", key and f"SORTKEY({key})") if one)
        return replace(table, rows=int(rows or 0), size=int(size or 0) * MEGABYTE, layout=layout or None)

    def _nearest(self, table: TableName) -> str:
        listed = [(str(schema), str(name)) for schema, name in self._rows(NAMES, staging=self.session.place.staging)]
        names = {name: name if schema in self.schemas else f"{schema}.{name}" for schema, name in listed}
        close = get_close_matches(table.parts[-1], names, n=1)
        if close:
            return f"; did you mean {names[close[0]]}?"
        return f": it holds {', '.join(sorted(names.values())[:8]) or 'no table'}"

    def change_token(self, table: TableName) -> str:
        """Size and numbers of rows from SVV_TABLE_INFO, which cost no scan. Views, external tables, empty tables, and
        all where the user may not read that view, are hashed."""
        described, found = self.describe(table), self._found(table)
        moved = (self._info(*found, table.parts[-1]) if found else []) or self._hashed(described)
        return hashlib.md5(repr((described.columns, moved)).encode(), usedforsecurity=False).hexdigest()

    def _info(self, schema: str, kind: str, name: str) -> list[tuple[Any, ...]]:
        if kind != BASE or not self._may_measure():
            return []
        return self._rows(INFO, schema=schema, name=name)

    def _may_measure(self) -> bool:
        """Only administrators may read SVV_TABLE_INFO, until it is granted. Asked first: a statement that fails would
        end the transaction that it stands in."""
        if self.measures is None:
            self.measures = bool(self.session.rows("SELECT HAS_TABLE_PRIVILEGE('svv_table_info', 'SELECT')")[0][0])
        return self.measures

    def _hashed(self, table: Table) -> list[tuple[Any, ...]]:
        columns = [self.dialect.hashable(column) for column in table.columns if not refused(column)]
        value = self.dialect.fast_total(self.dialect.fast_hash(columns), repeats=True)
        return self.session.rows(f"SELECT COUNT(*), {value} FROM {self._source(table.name)}")

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table; nothing for a table that is not there."""
        *places, name = table.parts
        wanted = (places[-1],) if places else self.schemas
        there = [str(row[0]) for row in self._rows(OWNERS, name=name)]
        owner = next((schema for schema in wanted if schema in there), None)
        return self._missing(owner, name) if owner else []

    def _missing(self, schema: str, name: str) -> list[str]:
        user, quote = self.session.place.user, self.dialect.quote
        whole, missing = f"{quote(schema)}.{quote(name)}", []
        usage = self._rows("SELECT HAS_SCHEMA_PRIVILEGE({schema}, 'USAGE')", schema=schema)[0][0]
        if not usage:
            grant = f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(user)}"
            missing.append(f"user {user} may not look into schema {schema}: run  {grant}")
        if not self._may_read(whole):
            grant = f"GRANT SELECT ON {whole} TO {quote(user)}"
            missing.append(f"user {user} may not read {schema}.{name}: run  {grant}")
        return missing

    def _may_read(self, table: str) -> bool:
        """Asked by name, which itself needs the schema's privilege; no transaction is open then."""
        try:
            return bool(self._rows("SELECT HAS_TABLE_PRIVILEGE({table}, 'SELECT')", table=table)[0][0])
        except MixpanelWhError:
            return False

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never: Redshift takes primary keys down and does not enforce them."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """None: nothing tells which parts of a table changed."""
        return None


def typed(type: str, length: object, precision: object, scale: object) -> str:
    """A column's type as a cast takes it."""
    base, _, rest = type.partition("(")
    base = EXTERNAL.get(base.strip().lower(), base.strip().lower())
    if rest:
        return f"{base}({rest}"
    if base in ("character varying", "character"):
        return f"{base}({length or 65535})"
    if base == "numeric":
        return f"numeric({precision or 38},{scale or 0})"
    return base
