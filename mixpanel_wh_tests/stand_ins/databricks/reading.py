"""What queries of the stand-in read: tables as of now or of an older version, views, and change data feeds."""

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.holding import Holding, LakeTable, Session
from mixpanel_wh_tests.stand_ins.databricks.shelf import CHANGE_COLUMNS
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused


class Reading(Holding):
    """Queries, with every table put in its place in DuckDB."""

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


def _range(call: exp.Anonymous) -> exp.Expression:
    """Spark's rows of one column `id`."""
    column = exp.alias_(exp.column("range"), "id")
    return exp.Select(expressions=[column]).from_(exp.Table(this=call.copy()))


def _with_names(rows: pa.Table, table: LakeTable, more: Sequence[str] = ()) -> pa.Table:
    """Rows of a shelf under the names of now, VARIANT as JSON, which stands there as text."""
    known = {there: (name, kind) for name, kind, there in table.columns if there in rows.column_names}
    columns = {name: _as_json(rows.column(there)) if kind == "variant" else rows.column(there)
               for there, (name, kind) in known.items()}  # fmt: skip
    return pa.table(columns | {name: rows.column(name) for name in more})


def _as_json(texts: pa.ChunkedArray) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), texts.cast(pa.string()).combine_chunks())
