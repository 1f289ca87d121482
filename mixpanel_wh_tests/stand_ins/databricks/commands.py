"""Statements of the stand-in that no SQL parser reads: descriptions, grants, properties, VACUUM and RESTORE."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from mixpanel_wh_tests.stand_ins.databricks.altering import Altering
from mixpanel_wh_tests.stand_ins.databricks.holding import ADMIN, EMPTY, FEED, NAME, PART, Session, split
from mixpanel_wh_tests.stand_ins.databricks.making import Making
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused
from mixpanel_wh_tests.stand_ins.databricks.writing import Writing


class Statements(Making, Writing, Altering):
    """Everything that SQL can do to what is held."""


def _text_rows(**columns: Sequence[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _describe(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
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


def _schema(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    catalog, schema, _ = lake.whole([*split(match["name"]), ""], session)
    lake.demand(session, "USE CATALOG", "Catalog", catalog)
    if (catalog, schema) not in lake.schemas:
        raise Refused(f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. SQLSTATE: 42704")
    lake.demand(session, "USE SCHEMA", "Schema", f"{catalog}.{schema}")
    told = {"Catalog Name": catalog, "Namespace Name": schema}
    return _text_rows(database_description_item=list(told), database_description_value=list(told.values()))


def _history(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    lake.demand(session, "SELECT", "Table", table.full)
    versions = list(range(table.version, -1, -1))[: int(match["limit"] or 1000)]
    operations = [table.operations[version] for version in versions]
    return pa.table({"version": pa.array(versions, pa.int64()),
                     "timestamp": pa.array([datetime.now(UTC)] * len(versions), pa.timestamp("us", "UTC")),
                     "operation": pa.array(operations, pa.string())})  # fmt: skip


def _detail(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    lake.demand(session, "SELECT", "Table", table.full)
    shown = {"delta.enableChangeDataFeed" if name == FEED else name: text for name, text in table.properties.items()}
    properties = pa.array([list(shown.items())], pa.map_(pa.string(), pa.string()))
    return pa.table({"format": ["delta"], "id": [table.id], "name": [table.full], "properties": properties})


def _tables(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    inside = split(match["schema"] or "") or [session.schema]
    whole = tuple(part.lower() for part in ([session.catalog][: 2 - len(inside)] + inside))
    found = [table.name for table in lake.tables.values() if table.name[:2] == whole]
    return _text_rows(database=[name[1] for name in found], tableName=[name[2] for name in found])


def _grant(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    if session.user != ADMIN:
        raise Refused("[INSUFFICIENT_PERMISSIONS] User does not have MANAGE on the object. SQLSTATE: 42501")
    name = ".".join(part.lower() for part in split(match["name"]))
    for right in match["rights"].split(","):
        lake.grants.add((split(match["user"])[0], right.strip().upper(), name))
    return EMPTY


def _property(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    pairs = (pair.split("=") for pair in match["pairs"].split(","))
    lake.set_properties(table, {key.strip(" '\"").lower(): value.strip(" '\"").lower() for key, value in pairs})
    return EMPTY


def _drop_column(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    lake.drop_column(lake.table(lake.whole(match["name"], session)), split(match["column"])[0])
    return EMPTY


def _restore(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    lake.restore(lake.table(lake.whole(match["name"], session)), int(match["version"]))
    return EMPTY


def _vacuum(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    table = lake.table(lake.whole(match["name"], session))
    table.lost_before = table.version + 1
    if table.shelf:
        table.shelf.vacuum()
        while table.version < table.base + table.shelf.version:
            table.commit("VACUUM")
    return EMPTY


def _user(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    return _text_rows(**{"current_user()": [session.user]})


def _nothing(lake: Statements, session: Session, match: re.Match[str]) -> pa.Table:
    return EMPTY


Command = Callable[[Statements, Session, "re.Match[str]"], pa.Table]
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
