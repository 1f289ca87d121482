"""Writing rows of the stand-in's tables, each statement a version."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.holding import LakeTable, Session
from mixpanel_wh_tests.stand_ins.databricks.reading import Reading
from mixpanel_wh_tests.stand_ins.databricks.shelf import ROW, Shelf
from mixpanel_wh_tests.stand_ins.databricks.speech import spoken


class Writing(Reading):
    """INSERT, UPDATE, DELETE, MERGE and RESTORE."""

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

    def restore(self, table: LakeTable, version: int) -> None:
        """One more version, which holds what an older one held."""
        assert table.shelf, "only versions that are kept can be restored"
        rows = self._shown(table.shelf.at(version - table.base))
        columns = ", ".join(there for _, _, there in table.columns)
        with self._committed(table, table.shelf, "RESTORE"):
            self.duck.execute(f"DELETE FROM {table.duck}")
            self.duck.execute(f"INSERT INTO {table.duck} ({columns}, {ROW}) SELECT {columns}, {ROW} FROM {rows}")


def _numbered(source: exp.Expression) -> exp.Expression:
    """The rows to insert, each with a number of its own."""
    number = exp.Anonymous(this="nextval", expressions=[exp.Literal.string("rows_made")])
    if isinstance(source, exp.Values):
        for line in source.expressions:
            line.append("expressions", number.copy())
        return source
    inner = exp.Subquery(this=source.copy(), alias=exp.TableAlias(this=exp.to_identifier("added")))
    return exp.Select(expressions=[exp.Star(), number]).from_(inner)
