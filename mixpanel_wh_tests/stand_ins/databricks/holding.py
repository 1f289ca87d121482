"""What the stand-in holds: catalogues, schemas, tables, views, users and their grants."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa

from mixpanel_wh_tests.stand_ins.databricks.shelf import ROW, Shelf
from mixpanel_wh_tests.stand_ins.databricks.speech import MACROS, Refused
from mixpanel_wh_tests.stand_ins.databricks.types import named

Name = tuple[str, str, str]
ADMIN = "admin"
FEED, MAPPING = "delta.enablechangedatafeed", "delta.columnmapping.mode"
PART = r"(?:`(?:[^`]|``)+`|\w+)"
NAME = rf"({PART}(?:\.{PART}){{0,2}})"
EMPTY = pa.table({})


@dataclass
class LakeTable:
    """A table or, with `query`, a view. `duck` is what stands in DuckDB for it, `columns` are (name, type, name there).

    A table has a shelf, and its rows numbers, where the change data feed was ever switched on or `kept` is.
    """

    name: Name
    duck: str
    owner: str
    columns: list[tuple[str, str, str]] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    query: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    version: int = 0
    operations: list[str] = field(default_factory=lambda: ["CREATE TABLE"])
    shelf: Shelf | None = None
    base: int = 0
    feed_since: int | None = None
    reshaped: list[int] = field(default_factory=list)
    lost_before: int = 0
    made: int = 0

    @property
    def full(self) -> str:
        """The whole name."""
        return ".".join(self.name)

    @property
    def read(self) -> str:
        """What queries read."""
        return f"{self.duck}_rows" if self.shelf or self.query else self.duck

    def commit(self, operation: str) -> None:
        """One more version."""
        self.version += 1
        self.operations.append(operation)


def split(text: str) -> list[str]:
    """The parts of a name, without quotes."""
    return [part[1:-1].replace("``", "`") if part.startswith("`") else part for part in re.findall(PART, text)]


def quoted(name: str) -> str:
    """An identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Session:
    """Whose session it is, and where names without a catalogue or schema lead."""

    user: str = ADMIN
    catalog: str = "main"
    schema: str = "default"
    agent: str = ""


class Holding:
    """Everything that is there, with names and rights."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.RLock()
        self.duck = duckdb.connect()
        for statement in ("SET TimeZone = 'UTC'", "SET enable_progress_bar = false", "CREATE SEQUENCE rows_made", *MACROS):
            self.duck.execute(statement)
        self.tables: dict[Name, LakeTable] = {}
        self.schemas: dict[tuple[str, str], str] = {("main", "default"): ADMIN}
        self.grants: set[tuple[str, str, str]] = set()
        self.ran: list[tuple[Session, str]] = []
        self.faults: list[tuple[str, str]] = []

    def whole(self, text: str | Sequence[str], session: Session) -> Name:
        """A name with catalogue and schema; those are in lower case."""
        parts = [part.lower() for part in (split(text) if isinstance(text, str) else text)]
        catalog, schema, name = [session.catalog, session.schema][: 3 - len(parts)] + parts
        return catalog, schema, name

    def table(self, name: Name) -> LakeTable:
        """A table that must be there."""
        if name not in self.tables:
            shown = ".".join(f"`{part}`" for part in name)
            raise Refused(f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {shown} cannot be found. SQLSTATE: 42P01")
        return self.tables[name]

    def demand(self, session: Session, right: str, kind: str, name: str) -> None:
        """Refused unless the user has the right, on the object or on what it stands in, or owns it."""
        if session.user == ADMIN or self._owner(name) == session.user:
            return
        parts = name.split(".")
        above = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
        if any(self._owner(one) == session.user for one in above):
            return
        if not any((session.user, right, one) in self.grants for one in above):
            raise Refused(f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have {right} on {kind} "
                          f"'{name}'. SQLSTATE: 42501")  # fmt: skip

    def _owner(self, name: str) -> str | None:
        parts = tuple(name.split("."))
        if len(parts) == 2:
            return self.schemas.get((parts[0], parts[1]))
        return self.tables[parts].owner if parts in self.tables else None

    def enter(self, session: Session, name: Name) -> None:
        """The rights without which nothing of a schema is seen."""
        self.demand(session, "USE CATALOG", "Catalog", name[0])
        self.demand(session, "USE SCHEMA", "Schema", ".".join(name[:2]))

    def _answer(self, sql: str) -> pa.Table:
        relation = self.duck.sql(sql)
        return relation.to_arrow_table() if relation is not None else EMPTY

    def _shown(self, rows: pa.Table) -> str:
        """Rows under a name of their own."""
        duck = f"shown_{uuid4().hex}"
        self.duck.register("_shown", rows)
        self.duck.execute(f"CREATE TEMP TABLE {duck} AS FROM _shown")
        self.duck.unregister("_shown")
        return duck

    def _columns(self, table: LakeTable) -> list[tuple[str, str, str]]:
        shape = self._answer(f"SELECT * FROM {table.read} LIMIT 0").schema
        told = self.duck.execute(f"DESCRIBE SELECT * FROM {table.read}").fetchall()
        kinds = ["variant" if line[1] == "JSON" else named(one) for one, line in zip(shape, told, strict=True)]
        return [(one.name, kind, one.name) for one, kind in zip(shape, kinds, strict=True)]

    def _replace(self, table: LakeTable) -> None:
        old = self.tables.get(table.name)
        if old:
            self._remove(old)
        self.tables[table.name] = table

    def _remove(self, table: LakeTable) -> None:
        for name in {table.read, table.duck}:
            kind = "VIEW" if name.endswith("_rows") else "TABLE"
            if kind == "TABLE" and table.query:
                continue
            self.duck.execute(f"DROP {kind} IF EXISTS {name}")
        del self.tables[table.name]

    def _shelve(self, table: LakeTable, feeds: bool) -> None:
        """From here on every version of the table is kept."""
        table.columns = [(name, kind, f"c{n}") for n, (name, kind, _) in enumerate(table.columns)]
        table.made = len(table.columns)
        renamed = ", ".join(f"{quoted(name)} AS {there}" for name, _, there in table.columns)
        self.duck.execute(f"ALTER TABLE {table.duck} RENAME TO {table.duck}_old")
        self.duck.execute(f"CREATE TABLE {table.duck} AS SELECT {renamed}, nextval('rows_made') AS {ROW} FROM {table.duck}_old")
        self.duck.execute(f"DROP TABLE {table.duck}_old")
        table.shelf = Shelf(self.folder / table.duck, self._answer(f"FROM {table.duck}"), feeds)
        table.base = table.version
        table.feed_since = table.version if feeds else None
        self._show(table)

    def _show(self, table: LakeTable) -> None:
        shown = ", ".join(f"{there} AS {quoted(name)}" for name, _, there in table.columns)
        self.duck.execute(f"CREATE OR REPLACE VIEW {table.read} AS SELECT {shown} FROM {table.duck}")
