"""What the stand-in holds: catalogues, schemas, tables, views, users and their grants; and how statements run on it."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.shelf import CHANGE_COLUMNS, ROW, Shelf
from mixpanel_wh_tests.stand_ins.databricks.speech import MACROS, Refused, filled, parsed, refusal, spoken
from mixpanel_wh_tests.stand_ins.databricks.types import named

Name = tuple[str, str, str]
ADMIN = "admin"
FEED, MAPPING = "delta.enablechangedatafeed", "delta.columnmapping.mode"
PART = r"(?:`(?:[^`]|``)+`|\w+)"
NAME = rf"({PART}(?:\.{PART}){{0,2}})"
UNMAPPED = re.compile(r"[ ,;{}()\n\t=]")
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


class Lake:
    """Everything, under one lock: statements run one after the other."""

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

    # Names and rights

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

    # Statements

    def run(self, sql: str, session: Session | None = None, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a statement; its answer. Refused with Databricks' message where it is refused."""
        asked = session or Session()
        with self.lock:
            self.ran.append((asked, sql))
            for fault in self.faults:
                if fault[0] in sql:
                    self.faults.remove(fault)
                    raise Refused(fault[1])
            try:
                for pattern, act in COMMANDS:
                    match = re.fullmatch(pattern, sql.strip().rstrip(";"), re.IGNORECASE | re.DOTALL)
                    if match:
                        return act(self, asked, match)
                return self._statement(filled(parsed(sql), parameters or {}), asked)
            except duckdb.Error as error:
                raise refusal(error) from error

    def _statement(self, tree: exp.Expression, session: Session) -> pa.Table:
        if isinstance(tree, exp.Query):
            self._resolve(tree, session)
            return self._answer(spoken(tree))
        for kind, act in self._kinds().items():
            if isinstance(tree, kind):
                act(tree, session)
                return EMPTY
        raise Refused(f"[PARSE_SYNTAX_ERROR] Syntax error at or near {tree.key}. SQLSTATE: 42601")

    def _kinds(self) -> dict[type[exp.Expression], Callable[[Any, Session], None]]:
        return {exp.Create: self._create, exp.Drop: self._drop, exp.Insert: self._write, exp.Update: self._write,
                exp.Delete: self._write, exp.Merge: self._write, exp.Alter: self._alter}  # fmt: skip

    def _answer(self, sql: str) -> pa.Table:
        relation = self.duck.sql(sql)
        return relation.to_arrow_table() if relation is not None else EMPTY

    def _resolve(self, tree: exp.Expression, session: Session) -> None:
        """Every table of a query as what stands in DuckDB for it."""
        known = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        for node in list(tree.find_all(exp.Table)):
            if isinstance(node.this, exp.Anonymous):
                if node.this.name.lower() == "table_changes":
                    self._place(node, self._feed(node.this, session), "feed")
                elif node.this.name.lower() == "range":
                    node.replace(exp.Subquery(this=_range(node.this), alias=node.args.get("alias")))
            elif node.name.lower() not in known or node.db:
                self._place(node, self._seen(node, session), node.name)

    def _place(self, node: exp.Table, duck: str, name: str) -> None:
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name, quoted=True))
        node.replace(exp.Table(this=exp.to_identifier(duck), alias=alias, joins=node.args.get("joins")))

    def _parts(self, node: exp.Table) -> list[str]:
        return [part for part in (node.catalog, node.db, node.name) if part]

    def _seen(self, node: exp.Table, session: Session) -> str:
        """What a query reads of a table, at its version."""
        name = self.whole(self._parts(node), session)
        self.enter(session, name)
        table = self.table(name)
        self.demand(session, "SELECT", "Table", table.full)
        version = node.args.get("version")
        if version is None:
            return table.read
        if table.query:
            raise Refused("[UNSUPPORTED_FEATURE.TIME_TRAVEL] Time travel on the relation. SQLSTATE: 0A000")
        return self._at(table, int(version.expression.name))

    def _shown(self, rows: pa.Table) -> str:
        """Rows under a name of their own."""
        duck = f"shown_{uuid4().hex}"
        self.duck.register("_shown", rows)
        self.duck.execute(f"CREATE TEMP TABLE {duck} AS FROM _shown")
        self.duck.unregister("_shown")
        return duck

    def _at(self, table: LakeTable, version: int) -> str:
        if version == table.version:
            return table.read
        if not table.shelf or not table.base <= version < table.version:
            raise Refused(f"[DELTA_VERSION_NOT_FOUND] Cannot time travel Delta table to version {version}. Available "
                          f"versions: [{table.version}, {table.version}]. SQLSTATE: 22003")  # fmt: skip
        try:
            rows = table.shelf.at(version - table.base)
        except Exception:
            raise Refused("[DELTA_FILE_NOT_FOUND_DETAILED] File referenced in the transaction log cannot be found. "
                          "SQLSTATE: 42K03") from None  # fmt: skip
        return self._shown(_with_names(rows, table))

    def _feed(self, call: exp.Anonymous, session: Session) -> str:
        """The change data feed of a table between two versions."""
        name, first, *last = (one.name for one in call.expressions)
        whole = self.whole(name, session)
        self.enter(session, whole)
        table = self.table(whole)
        self.demand(session, "SELECT", "Table", table.full)
        start, end = int(first), int(last[0]) if last else table.version
        if start > table.version or start > end:
            raise Refused(f"[DELTA_INVALID_CDC_RANGE] CDC range from start {start} to end {end} was invalid. "
                          "SQLSTATE: 22003")  # fmt: skip
        if table.feed_since is None or start < table.feed_since or not table.shelf:
            raise Refused(f"[DELTA_MISSING_CHANGE_DATA] Error getting change data for range [{start}, {end}] as change "
                          "data was not recorded for version. SQLSTATE: KD002")  # fmt: skip
        if any(start <= version <= end for version in table.reshaped):
            raise Refused(f"[DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE] Retrieving table changes between version "
                          f"{start} and {end} failed because of an incompatible schema change. SQLSTATE: 0AKDC")  # fmt: skip
        if start < table.lost_before:
            raise Refused(f"[DELTA_CHANGE_DATA_FILE_NOT_FOUND] File referenced in the transaction log cannot be found "
                          f"for version {start}. SQLSTATE: 42K03")  # fmt: skip
        rows = table.shelf.changes(start - table.base, end - table.base)
        moved = rows.column("_commit_version").to_numpy() + table.base
        rows = rows.set_column(rows.column_names.index("_commit_version"), "_commit_version", pa.array(moved))
        return self._shown(_with_names(rows, table, CHANGE_COLUMNS))

    # Making and dropping

    def _create(self, tree: exp.Create, session: Session) -> None:
        kind = str(tree.args["kind"]).upper()
        if kind == "SCHEMA":
            self._create_schema(tree, session)
            return
        schema = tree.this if isinstance(tree.this, exp.Schema) else None
        target = schema.this if schema else tree.this
        name = self.whole(self._parts(target), session)
        self.enter(session, name)
        if name in self.tables and not tree.args.get("replace"):
            if tree.args.get("exists"):
                return
            raise Refused(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create {'.'.join(name)} because it already exists. "
                          "SQLSTATE: 42P07")  # fmt: skip
        if name[:2] not in self.schemas:
            raise Refused(f"[SCHEMA_NOT_FOUND] The schema `{name[0]}`.`{name[1]}` cannot be found. SQLSTATE: 42704")
        self.demand(session, "CREATE TABLE", "Schema", ".".join(name[:2]))
        if kind == "VIEW":
            self._create_view(name, tree.expression, session)
        else:
            self._create_table(name, tree, schema, session)

    def _create_schema(self, tree: exp.Create, session: Session) -> None:
        parts = [part.lower() for part in (tree.this.catalog, tree.this.db) if part]
        catalog, schema = [session.catalog][: 2 - len(parts)] + parts
        self.demand(session, "USE CATALOG", "Catalog", catalog)
        if (catalog, schema) not in self.schemas:
            self.demand(session, "CREATE SCHEMA", "Catalog", catalog)
            self.schemas[catalog, schema] = session.user

    def _create_view(self, name: Name, query: exp.Expression, session: Session) -> None:
        self._resolve(query, session)
        table = LakeTable(name, f"t{uuid4().hex}", session.user, query=spoken(query))
        self.duck.execute(f"CREATE VIEW {table.read} AS {table.query}")
        self._replace(table)
        table.columns = self._columns(table)

    def _columns(self, table: LakeTable) -> list[tuple[str, str, str]]:
        shape = self._answer(f"SELECT * FROM {table.read} LIMIT 0").schema
        told = self.duck.execute(f"DESCRIBE SELECT * FROM {table.read}").fetchall()
        kinds = ["variant" if line[1] == "JSON" else named(one) for one, line in zip(shape, told, strict=True)]
        return [(one.name, kind, one.name) for one, kind in zip(shape, kinds, strict=True)]

    def _create_table(self, name: Name, tree: exp.Create, schema: exp.Schema | None, session: Session) -> None:
        table = LakeTable(name, f"t{uuid4().hex}", session.user, properties=_properties(tree))
        if tree.expression is not None:
            self._resolve(tree.expression, session)
            self.duck.execute(f"CREATE TABLE {table.duck} AS {spoken(tree.expression)}")
            table.columns = self._columns(table)
        else:
            listed = [(one.name, one.args["kind"]) for one in schema.expressions] if schema else []
            columns = ", ".join(f"{quoted(column)} {spoken(kind)}" for column, kind in listed)
            self.duck.execute(f"CREATE TABLE {table.duck} ({columns})")
            table.columns = [(column, kind.sql('databricks').lower(), column) for column, kind in listed]
        odd = next((column for column, *_ in table.columns if UNMAPPED.search(column)), None)
        if odd is not None and MAPPING not in table.properties:
            self.duck.execute(f"DROP TABLE {table.duck}")
            raise Refused(f"[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES] Found invalid character(s) in the column names "
                          f"of your schema: {odd}. SQLSTATE: 42K05")  # fmt: skip
        self._replace(table)
        if table.properties.get(FEED) == "true":
            self._shelve(table, feeds=True)

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

    def _drop(self, tree: exp.Drop, session: Session) -> None:
        target = tree.this or tree.args["tables"][0]
        if str(tree.args["kind"]).upper() == "SCHEMA":
            inside = (target.catalog or session.catalog).lower(), target.db.lower()
            for table in [one for one in self.tables.values() if one.name[:2] == inside]:
                self._remove(table)
            self.schemas.pop(inside, None)
            return
        name = self.whole(self._parts(target), session)
        if name in self.tables:
            self.demand(session, "MODIFY", "Table", ".".join(name))
            self._remove(self.tables[name])
        elif not tree.args.get("exists"):
            self.table(name)

    # Writing

    def _write(self, tree: exp.Expression, session: Session) -> None:
        """INSERT, UPDATE, DELETE or MERGE."""
        named_columns = isinstance(tree.this, exp.Schema)
        target = tree.this.this if named_columns else tree.this
        table = self.table(self.whole(self._parts(target), session))
        self.enter(session, table.name)
        self.demand(session, "MODIFY", "Table", table.full)
        alias = target.args.get("alias")
        placed = exp.Table(this=exp.to_identifier(table.duck), alias=alias)
        target.replace(placed)
        for part in list(tree.find_all(exp.Table)):
            if part is not placed and part.name != table.duck:
                self._resolve_one(part, session)
        self._rename(tree, table, named_columns, placed)
        if table.shelf is None:
            self.duck.execute(spoken(tree))
            table.commit(tree.key.upper())
            return
        with self._committed(table, table.shelf, tree.key.upper()):
            self.duck.execute(spoken(tree))

    def _resolve_one(self, node: exp.Table, session: Session) -> None:
        holder = exp.Select(expressions=[exp.Star()]).from_(node.copy())
        self._resolve(holder, session)
        node.replace(holder.args["from_"].this)

    def _rename(self, tree: exp.Expression, table: LakeTable, listed: bool, placed: exp.Table) -> None:
        """A shelved table's columns have other names there; INSERT names them, UPDATE and DELETE read through a view."""
        there = {name.lower(): duck for name, _, duck in table.columns}
        if isinstance(tree, exp.Insert):
            names = [one.name for one in tree.this.expressions] if listed else [name for name, *_ in table.columns]
            if isinstance(tree.expression, exp.Values) and not listed:
                names = names[: len(tree.expression.expressions[0].expressions)]
            columns = [exp.to_identifier(there[name.lower()], quoted=True) for name in names]
            if table.shelf:
                columns.append(exp.to_identifier(ROW))
                tree.set("expression", _numbered(tree.expression))
            tree.set("this", exp.Schema(this=placed.copy(), expressions=columns))
        elif table.shelf:
            for column in tree.find_all(exp.Column):
                if column.name.lower() in there and not column.find_ancestor(exp.Subquery, exp.Query):
                    column.set("this", exp.to_identifier(there[column.name.lower()]))

    @contextmanager
    def _committed(self, table: LakeTable, shelf: Shelf, operation: str) -> Iterator[None]:
        """What a statement changes, as one version on the shelf."""
        self.duck.execute(f"CREATE OR REPLACE TEMP TABLE before AS FROM {table.duck}")
        yield
        gone = self._answer(f"FROM before WHERE {ROW} NOT IN (SELECT {ROW} FROM {table.duck})")
        added = self._answer(f"FROM {table.duck} WHERE {ROW} NOT IN (SELECT {ROW} FROM before)")
        changed = self._answer(f"SELECT * FROM {table.duck} WHERE {ROW} IN (SELECT {ROW} FROM before) EXCEPT ALL FROM before")
        if changed.num_rows or gone.num_rows:
            shelf.merge(pa.concat_tables([changed, added]), gone)
        elif added.num_rows:
            shelf.append(added)
        else:
            return
        table.commit(operation)

    # Changing a table

    def _alter(self, tree: exp.Alter, session: Session) -> None:
        table = self.table(self.whole(self._parts(tree.this), session))
        self.demand(session, "MODIFY", "Table", table.full)
        for action in tree.args["actions"]:
            if isinstance(action, exp.ColumnDef):
                self._add_column(table, action)
            elif isinstance(action, exp.RenameColumn):
                self._rename_column(table, action.this.name, action.args["to"].name)
            elif isinstance(action, exp.AlterRename):
                self._rename_table(table, self.whole(self._parts(action.this), session))
            else:
                raise Refused(f"[PARSE_SYNTAX_ERROR] Syntax error at ALTER TABLE {action.key}. SQLSTATE: 42601")

    def _add_column(self, table: LakeTable, column: exp.ColumnDef) -> None:
        kind = column.args["kind"]
        there = f"c{table.made}" if table.shelf else column.name
        table.made += 1
        self.duck.execute(f"ALTER TABLE {table.duck} ADD COLUMN {quoted(there)} {spoken(kind)}")
        table.columns.append((column.name, kind.sql("databricks").lower(), there))
        if table.shelf:
            # DuckDB adds it behind the row's number; the order within Delta does not matter.
            shape = self._answer(f"SELECT {there} FROM {table.duck} LIMIT 0").schema
            table.shelf.reshape(there, shape.field(0).type)
            self._show(table)
        table.commit("ADD COLUMNS")

    def _demand_mapping(self, table: LakeTable) -> None:
        if MAPPING not in table.properties:
            raise Refused("[DELTA_UNSUPPORTED_RENAME_COLUMN] Column rename or drop is not supported for your Delta table. "
                          "Please upgrade it and set mapping mode to 'name'. SQLSTATE: 0AKDC")  # fmt: skip

    def _rename_column(self, table: LakeTable, old: str, new: str) -> None:
        self._demand_mapping(table)
        if not table.shelf:
            self.duck.execute(f"ALTER TABLE {table.duck} RENAME COLUMN {quoted(old)} TO {quoted(new)}")
        names = {old: new}
        table.columns = [(names.get(name, name), kind, there if table.shelf else names.get(there, there))
                         for name, kind, there in table.columns]  # fmt: skip
        self._reshaped(table, "RENAME COLUMN")

    def drop_column(self, table: LakeTable, column: str) -> None:
        """A column leaves the shape of the table; its values stay in the files."""
        self._demand_mapping(table)
        if not table.shelf:
            self.duck.execute(f"ALTER TABLE {table.duck} DROP COLUMN {quoted(column)}")
        table.columns = [one for one in table.columns if one[0] != column]
        self._reshaped(table, "DROP COLUMNS")

    def _reshaped(self, table: LakeTable, operation: str) -> None:
        if table.shelf:
            table.shelf.reshape()
            self._show(table)
        table.commit(operation)
        table.reshaped.append(table.version)

    def restore(self, table: LakeTable, version: int) -> None:
        """One more version, which holds what an older one held."""
        assert table.shelf, "only versions that are kept can be restored"
        rows = self._shown(table.shelf.at(version - table.base))
        columns = ", ".join(there for _, _, there in table.columns)
        with self._committed(table, table.shelf, "RESTORE"):
            self.duck.execute(f"DELETE FROM {table.duck}")
            self.duck.execute(f"INSERT INTO {table.duck} ({columns}, {ROW}) SELECT {columns}, {ROW} FROM {rows}")

    def _rename_table(self, table: LakeTable, name: Name) -> None:
        del self.tables[table.name]
        table.name = name
        self.tables[name] = table

    def set_properties(self, table: LakeTable, given: Mapping[str, str]) -> None:
        """Change properties; the change data feed begins with the version after."""
        table.properties |= given
        if given.get(FEED) == "false":
            table.feed_since = None
        if given.get(FEED) == "true" and table.feed_since is None:
            table.commit("SET TBLPROPERTIES")
            if table.shelf:
                table.shelf.reshape()
            else:
                self._shelve(table, feeds=True)
            table.feed_since = table.version + 1
            return
        if table.shelf:
            table.shelf.reshape()
        table.commit("SET TBLPROPERTIES")


def _numbered(source: exp.Expression) -> exp.Expression:
    """The rows to insert, each with a number of its own."""
    number = exp.Anonymous(this="nextval", expressions=[exp.Literal.string("rows_made")])
    if isinstance(source, exp.Values):
        for line in source.expressions:
            line.append("expressions", number.copy())
        return source
    inner = exp.Subquery(this=source.copy(), alias=exp.TableAlias(this=exp.to_identifier("added")))
    return exp.Select(expressions=[exp.Star(), number]).from_(inner)


def _range(call: exp.Anonymous) -> exp.Expression:
    """Spark's rows of one column `id`."""
    column = exp.alias_(exp.column("range"), "id")
    return exp.Select(expressions=[column]).from_(exp.Table(this=call.copy()))


def _properties(tree: exp.Create) -> dict[str, str]:
    found = tree.args.get("properties")
    listed = found.expressions if found else []
    return {one.name.lower(): str(one.args["value"].name).lower() for one in listed if isinstance(one, exp.Property)
            and one.args.get("value") is not None}  # fmt: skip


def _with_names(rows: pa.Table, table: LakeTable, more: Sequence[str] = ()) -> pa.Table:
    """Rows of a shelf under the names of now, VARIANT as JSON, which stands there as text."""
    known = {there: (name, kind) for name, kind, there in table.columns if there in rows.column_names}
    columns = {name: _as_json(rows.column(there)) if kind == "variant" else rows.column(there)
               for there, (name, kind) in known.items()}  # fmt: skip
    return pa.table(columns | {name: rows.column(name) for name in more})


def _as_json(texts: pa.ChunkedArray) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), texts.cast(pa.string()).combine_chunks())


def _text_rows(**columns: Sequence[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _describe(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    name = lake.whole(match["name"], session)
    lake.enter(session, name)
    table = lake.table(name)
    rows = [(column, kind) for column, kind, _ in table.columns]
    if match["extended"]:
        kind = "VIEW" if table.query else "MANAGED"
        rows += [("", ""), ("# Detailed Table Information", ""), ("Catalog", name[0]), ("Database", name[1]),
                 ("Table", name[2]), ("Type", kind)]  # fmt: skip
        rows += [] if table.query else [("Provider", "delta")]
    return _text_rows(col_name=[one for one, _ in rows], data_type=[one for _, one in rows], comment=[None] * len(rows))


def _schema(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    catalog, schema, _ = lake.whole([*split(match["name"]), ""], session)
    lake.demand(session, "USE CATALOG", "Catalog", catalog)
    if (catalog, schema) not in lake.schemas:
        raise Refused(f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. SQLSTATE: 42704")
    lake.demand(session, "USE SCHEMA", "Schema", f"{catalog}.{schema}")
    told = {"Catalog Name": catalog, "Namespace Name": schema}
    return _text_rows(database_description_item=list(told), database_description_value=list(told.values()))


def _history(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    lake.demand(session, "SELECT", "Table", table.full)
    versions = list(range(table.version, -1, -1))[: int(match["limit"] or 1000)]
    operations = [table.operations[version] for version in versions]
    return pa.table({"version": pa.array(versions, pa.int64()),
                     "timestamp": pa.array([datetime.now(UTC)] * len(versions), pa.timestamp("us", "UTC")),
                     "operation": pa.array(operations, pa.string())})  # fmt: skip


def _detail(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    lake.demand(session, "SELECT", "Table", table.full)
    shown = {"delta.enableChangeDataFeed" if name == FEED else name: text for name, text in table.properties.items()}
    properties = pa.array([list(shown.items())], pa.map_(pa.string(), pa.string()))
    return pa.table({"format": ["delta"], "id": [table.id], "name": [table.full], "properties": properties})


def _tables(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    inside = split(match["schema"] or "") or [session.schema]
    whole = tuple(part.lower() for part in ([session.catalog][: 2 - len(inside)] + inside))
    found = [table.name for table in lake.tables.values() if table.name[:2] == whole]
    return _text_rows(database=[name[1] for name in found], tableName=[name[2] for name in found])


def _grant(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    if session.user != ADMIN:
        raise Refused("[INSUFFICIENT_PERMISSIONS] User does not have MANAGE on the object. SQLSTATE: 42501")
    name = ".".join(part.lower() for part in split(match["name"]))
    for right in match["rights"].split(","):
        lake.grants.add((split(match["user"])[0], right.strip().upper(), name))
    return EMPTY


def _property(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    pairs = (pair.split("=") for pair in match["pairs"].split(","))
    lake.set_properties(table, {key.strip(" '\"").lower(): value.strip(" '\"").lower() for key, value in pairs})
    return EMPTY


def _drop_column(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    lake.drop_column(lake.table(lake.whole(match["name"], session)), split(match["column"])[0])
    return EMPTY


def _restore(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    lake.restore(lake.table(lake.whole(match["name"], session)), int(match["version"]))
    return EMPTY


def _vacuum(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    table.lost_before = table.version + 1
    if table.shelf:
        table.shelf.vacuum()
        while table.version < table.base + table.shelf.version:
            table.commit("VACUUM")
    return EMPTY


def _user(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    return _text_rows(**{"current_user()": [session.user]})


def _nothing(lake: Lake, session: Session, match: re.Match[str]) -> pa.Table:
    return EMPTY


Command = Callable[[Lake, Session, "re.Match[str]"], pa.Table]
COMMANDS: tuple[tuple[str, Command], ...] = (
    (rf"DESCRIBE\s+TABLE\s+(?P<extended>EXTENDED\s+)?(?P<name>{NAME})", _describe),
    (rf"DESCRIBE\s+SCHEMA\s+(?P<name>{NAME})", _schema),
    (rf"DESCRIBE\s+HISTORY\s+(?P<name>{NAME})(?:\s+LIMIT\s+(?P<limit>\d+))?", _history),
    (rf"DESCRIBE\s+DETAIL\s+(?P<name>{NAME})", _detail),
    (rf"SHOW\s+TABLES(?:\s+IN\s+(?P<schema>{NAME}))?", _tables),
    (rf"GRANT\s+(?P<rights>[\w ,]+?)\s+ON\s+(?:CATALOG|SCHEMA|TABLE)\s+(?P<name>{NAME})\s+TO\s+(?P<user>{PART})", _grant),
    (rf"ALTER\s+TABLE\s+(?P<name>{NAME})\s+SET\s+TBLPROPERTIES\s*\((?P<pairs>.*)\)", _property),
    (rf"ALTER\s+TABLE\s+(?P<name>{NAME})\s+DROP\s+COLUMN\s+(?P<column>{PART})", _drop_column),
    (rf"VACUUM\s+(?P<name>{NAME}).*", _vacuum),
    (rf"RESTORE\s+TABLE\s+(?P<name>{NAME})\s+TO\s+VERSION\s+AS\s+OF\s+(?P<version>\d+)", _restore),
    (r"SELECT\s+current_user\(\)", _user),
    (r"SET\s+TIME\s+ZONE\s+'UTC'", _nothing),
)
