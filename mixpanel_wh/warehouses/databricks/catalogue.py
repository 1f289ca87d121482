"""What Databricks says of its own tables: columns, kind, and the version of a Delta table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.databricks.dialect import DatabricksDialect
from mixpanel_wh.warehouses.databricks.session import DatabricksSession
from mixpanel_wh.warehouses.databricks.trouble import MISSING, error_class

VERSIONED = ("MANAGED", "EXTERNAL")
FEED = "delta.enableChangeDataFeed"
DETAILS = "# Detailed Table Information"
# Of a Delta table with row filters or column masks Databricks may show the rows of now and nothing else.
WITHOUT_HISTORY = {"ROW_LEVEL_SECURITY_COLUMN_MASK_FEATURE_NOT_SUPPORTED", "FGAC_TIME_TRAVEL_NOT_SUPPORTED"}


@dataclass(frozen=True)
class Version:
    """A Delta table at one moment: its id, which a table made anew does not share; its version; whether it feeds."""

    id: str
    number: int
    feeds: bool


@dataclass(frozen=True)
class Described:
    """A table as DESCRIBE TABLE EXTENDED tells of it; `is_delta` says that its versions can be read."""

    table: Table
    is_delta: bool


def listed_columns(found: Sequence[Sequence[Any]]) -> tuple[tuple[Column, ...], list[tuple[str, str]]]:
    """What DESCRIBE TABLE tells: the columns, and what stands below them, such as those that rows are clustered by."""
    listed = [(str(name or ""), str(kind or "")) for name, kind, *_ in found]
    end = next((n for n, (name, kind) in enumerate(listed) if not name or not kind), len(listed))
    return tuple(Column(*pair) for pair in listed[:end]), listed[end:]


def of_class(error: MixpanelWhError) -> str:
    """The name that Databricks gives what led to an error; empty where it has none."""
    return error_class(error.__cause__) if error.__cause__ else ""


def switched_on(table: str) -> str:
    """The statement that switches on the change data feed of a table, whose name is quoted."""
    return f"ALTER TABLE {table} SET TBLPROPERTIES ({FEED} = true)"


@dataclass
class DatabricksCatalogue:
    """`catalogue.Catalogue` from DESCRIBE, which works with and without Unity Catalog."""

    session: DatabricksSession
    dialect: DatabricksDialect

    def source(self, table: TableName) -> str:
        """The name, quoted."""
        return ".".join(self.dialect.quote(part) for part in table.parts)

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        return self.described(table).table

    def described(self, table: TableName) -> Described:
        """The same, and whether its versions can be read."""
        try:
            found = self.session.rows(f"DESCRIBE TABLE EXTENDED {self.source(table)}")
        except SourceError as error:
            if of_class(error) not in MISSING:
                raise
            raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}") from error
        columns, rest = listed_columns(found)
        details = dict(reversed(rest[rest.index((DETAILS, "")) :] if (DETAILS, "") in rest else rest))
        told = {name: details.get(name, "") for name in ("Type", "Provider")}
        kind = told["Type"].upper()
        is_delta = told["Provider"].lower() == "delta" and kind in VERSIONED
        return Described(Table(table, columns, is_view="VIEW" in kind), is_delta)

    def _nearest(self, table: TableName) -> str:
        *schema, name = table.parts
        inside = f" IN {self.source(TableName(tuple(schema)))}" if schema else ""
        try:
            names = sorted(str(row[1]) for row in self.session.rows(f"SHOW TABLES{inside}"))
        except SourceError:
            return ""
        close = get_close_matches(name.lower(), names, n=1)
        return f"; did you mean {close[0]}?" if close else f": it holds {', '.join(names[:8]) or 'no table'}"

    def version(self, table: TableName) -> Version:
        """Where a Delta table stands now. Its id is looked up on both sides of its version, so that they belong
        together."""
        while True:
            before, properties = self._detail(table)
            number = self._row(f"DESCRIBE HISTORY {self.source(table)} LIMIT 1")["version"]
            if self._detail(table)[0] == before:
                return Version(before, int(number), str(properties.get(FEED, "")).lower() == "true")

    def _detail(self, table: TableName) -> tuple[str, dict[str, str]]:
        row = self._row(f"DESCRIBE DETAIL {self.source(table)}")
        properties = row["properties"]
        return str(row["id"]), dict(json.loads(properties) if isinstance(properties, str) else properties or {})

    def _row(self, sql: str) -> dict[str, Any]:
        return self.session.named_rows(sql)[0]

    def change_token(self, table: TableName) -> str:
        """The version of a Delta table, which costs no scan; of everything else all rows are hashed."""
        described = self.described(table)
        moved = self._moved(described) or self._hashed(described.table)
        return hashlib.md5(repr((described.table.columns, moved)).encode(), usedforsecurity=False).hexdigest()

    def lacks_feed(self, table: TableName) -> bool:
        """Whether the table could have a change data feed, and has none."""
        version = self._version_of(self.described(table))
        return version is not None and not version.feeds

    def _moved(self, described: Described) -> str:
        """The version as text; empty where there is none."""
        version = self._version_of(described)
        return repr(version) if version else ""

    def _version_of(self, described: Described) -> Version | None:
        """The version; None where there is none, or none that this user is shown."""
        try:
            return self.version(described.table.name) if described.is_delta else None
        except SourceError as error:
            if of_class(error) not in WITHOUT_HISTORY:
                raise
            return None

    def _hashed(self, table: Table) -> str:
        columns = [self.dialect.hashable(column) for column in table.columns]
        value = self.dialect.fast_total(self.dialect.fast_hash(columns), repeats=True)
        return str(self.session.rows(f"SELECT count(*), {value} FROM {self.source(table.name)}")[0])

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table, as far as Databricks tells: it names one privilege at a time."""
        try:
            self.session.rows(f"SELECT 1 FROM {self.source(table)} LIMIT 1")
        except (SourceError, StagingError) as error:
            return [str(error)] if ": run  GRANT" in str(error) else []
        return []

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never sure: the key constraints of Databricks are not enforced."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """None: a version tells more, and liquid clustering has none."""
        return None
