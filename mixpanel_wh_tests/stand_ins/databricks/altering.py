"""Changing the shape, the name and the properties of the stand-in's tables."""

from collections.abc import Mapping

from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.holding import FEED, MAPPING, LakeTable, Name, Session, quoted
from mixpanel_wh_tests.stand_ins.databricks.reading import Reading
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused, spoken


class Altering(Reading):
    """ALTER TABLE."""

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
