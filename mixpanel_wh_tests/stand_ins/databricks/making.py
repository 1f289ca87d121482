"""Making and dropping schemas, tables and views of the stand-in."""

import re
from uuid import uuid4

from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.holding import FEED, MAPPING, LakeTable, Name, Session, quoted
from mixpanel_wh_tests.stand_ins.databricks.reading import Reading
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused, spoken

UNMAPPED = re.compile(r"[ ,;{}()\n\t=]")


class Making(Reading):
    """CREATE and DROP."""

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


def _properties(tree: exp.Create) -> dict[str, str]:
    found = tree.args.get("properties")
    listed = found.expressions if found else []
    return {one.name.lower(): str(one.args["value"].name).lower() for one in listed if isinstance(one, exp.Property)
            and one.args.get("value") is not None}  # fmt: skip
