"""What fakesnow lacks of Snowflake's SQL: hashes as signed numbers, moments from text, times of last change, statements
that commit, tables that a writer holds, and streams (see `snowflake_streams`)."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from string import Template
from typing import Any

import duckdb
import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import numpy as np
import pyarrow as pa
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.fakes import FakeSnowflakeConnection
from fakesnow.instance import FakeSnow
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp, parse_one

from mixpanel_wh_tests.stand_ins.snowflake_streams import ID, READS, Streams, full_name, parts_of

LOCK_SECONDS = 30.0
ALTERED = "_fs_global.main.altered"
DEFINES = re.compile(r"\s*(CREATE|DROP|ALTER)\b", re.IGNORECASE)
WRITES = re.compile(rf"\s*(?:INSERT\s+(?:OVERWRITE\s+)?INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE\s+TABLE)\s+({ID})", re.I)
HOLDS = re.compile(rf"\s*(?:UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+({ID})", re.IGNORECASE)
MAKES = re.compile(rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TRANSIENT\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?({ID})", re.I)
RENAMES = re.compile(rf"\s*ALTER\s+TABLE\s+{ID}\s+RENAME\s+TO\s+({ID})", re.IGNORECASE)
ALTERS = re.compile(rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?({ID})", re.IGNORECASE)
NOTHING = re.compile(r"\s*(ALTER\s+TABLE\s+\S+\s+SET\s+CHANGE_TRACKING|GRANT\b|CREATE\s+ROLE\b|USE\s+(ROLE|WAREHOUSE)\b"
                     r"|(CREATE|ALTER)\s+(OR\s+REPLACE\s+)?WAREHOUSE\b)", re.IGNORECASE)  # fmt: skip
PLACES = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\?""")
FUNCTIONS: dict[str, str] = {
    "SF_HASH": "CAST(CAST(hash(ARGS) AS HUGEINT) - 9223372036854775808 AS BIGINT)",
    "SF_HASH_AGG": "CAST(sum(CAST(hash(ARGS) >> 1 AS BIGINT)) % 4611686018427387904 AS BIGINT)",
    "SF_UPPER64": "CAST('0x' || left(md5(ARGS), 16) AS UBIGINT)",
    "SF_LOWER64": "CAST('0x' || right(md5(ARGS), 16) AS UBIGINT)",
    "SF_NANOS": "CAST(epoch_us(ARGS) AS HUGEINT) * 1000",
    "SF_READ_TZ": "TRY_CAST(ARGS AS TIMESTAMPTZ)",
    "SF_READ_NTZ": "TRY_CAST(ARGS AS TIMESTAMP)",
}
NAMES = {"HASH": "SF_HASH", "HASH_AGG": "SF_HASH_AGG", "MD5_NUMBER_UPPER64": "SF_UPPER64",
         "MD5_NUMBER_LOWER64": "SF_LOWER64", "TRY_TO_TIMESTAMP_TZ": "SF_READ_TZ", "TRY_TO_TIMESTAMP_NTZ": "SF_READ_NTZ"}  # fmt: skip
NUMBERS = {"SF_HASH": "BIGINT", "SF_HASH_AGG": "BIGINT", "SF_UPPER64": "DECIMAL(37,0)", "SF_LOWER64": "DECIMAL(37,0)"}


def _with_changes(view: Template) -> Template:
    """fakesnow's view of tables, with the real times of last change, and with the views too."""
    altered = f"COALESCE((SELECT max(moment) FROM {ALTERED} AS a WHERE a.name = concat_ws('.', tables.database_name, tables.schema_name, tables.table_name)), to_timestamp(0))"
    sql = view.template.replace('to_timestamp(0)::timestamptz AS "LAST_ALTERED"', f'{altered} AS "LAST_ALTERED"')
    body = sql.partition(" AS\n")[2]
    views = body.replace("'BASE TABLE' AS", "'VIEW' AS").replace("duckdb_tables tables", "(SELECT *, view_name AS table_name FROM duckdb_views) tables")
    views = views.replace("tables.estimated_size", "CAST(NULL AS BIGINT)").replace('0 AS "BYTES"', 'CAST(NULL AS INTEGER) AS "BYTES"')
    hidden = " and tables.table_name not like '\\_base\\_%' escape '\\'"
    return Template(f"{sql.rstrip()}{hidden} UNION ALL {views.rstrip()}")


class _Quoting(Template):
    """A message about a name that may hold a quote."""

    def substitute(self, *args: Any, **kwargs: Any) -> str:
        return super().substitute(*args, **{key: str(value).replace("'", "''") for key, value in kwargs.items()})


def _as_struct(moments: Any) -> pa.Array:
    """Moments as Snowflake sends them, NULL where they are NULL."""
    whole = moments.combine_chunks() if isinstance(moments, pa.ChunkedArray) else moments
    micros = whole.cast(pa.timestamp("us", whole.type.tz)).cast(pa.int64())
    null, numbers = whole.is_null(), micros.fill_null(0).to_numpy()
    parts = {"epoch": pa.array(numbers // 1_000_000, pa.int64()),
             "fraction": pa.array(numbers % 1_000_000 * 1000, pa.int32())}  # fmt: skip
    if whole.type.tz:
        parts["timezone"] = pa.array(np.full(len(numbers), 1440), pa.int32())
    fields = [pa.field(name, array.type, nullable=False) for name, array in parts.items()]
    return pa.StructArray.from_arrays(list(parts.values()), fields=fields, mask=null)


def mend() -> None:
    """What is wrong with fakesnow itself: names with quotes in its messages, and NULL moments that arrive as 1970."""
    for name in ("SQL_DROPPED", "SQL_CREATED_TABLE", "SQL_CREATED_VIEW", "SQL_CREATED_SCHEMA"):
        setattr(fakesnow.cursor, name, _Quoting(getattr(fakesnow.cursor, name).template))
    setattr(fakesnow.arrow, "timestamp_to_sf_struct", _as_struct)  # noqa: B010
    kept = fakesnow.info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW
    if ALTERED not in kept.template:
        fakesnow.info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW = _with_changes(kept)


class Engine(FakeSnow):
    """All that the sessions share."""

    def __init__(self) -> None:
        mend()
        super().__init__()
        self.duck_conn.execute(f"CREATE TABLE {ALTERED} (name VARCHAR, moment TIMESTAMPTZ)")
        self.streams = Streams()
        self.held: dict[str, Session] = {}
        self.free = threading.Condition()
        self.defining = threading.RLock()
        self.broken: Callable[[str], None] = lambda sql: None

    def connect(
        self, database: str | None = None, schema: str | None = None, nop_regexes: Any = None, **more: Any
    ) -> Session:
        """A session."""
        session = Session(self.duck_conn.cursor(), self.results_cache, database, schema, **more)
        session.engine = self
        return session

    def altered(self, table: str) -> None:
        """Note that a table was written, in a transaction of its own."""
        with self.duck_conn.cursor() as apart:
            apart.execute(f"INSERT INTO {ALTERED} SELECT ?, now()", [table.replace('"', "")])

    def hold(self, table: str, session: Session) -> None:
        """Hold a table for a session, as writers of Snowflake do until their transaction ends."""
        with self.free:
            if not self.free.wait_for(lambda: self.held.get(table, session) is session, LOCK_SECONDS):
                raise ProgrammingError(msg=f"Statement has waited for the lock on table {table} for too long",
                                       errno=625, sqlstate="57014")  # fmt: skip
            self.held[table] = session

    def release(self, session: Session) -> None:
        """Let go of what a session held."""
        with self.free:
            for table in [table for table, holder in self.held.items() if holder is session]:
                del self.held[table]
            self.free.notify_all()


class Session(FakeSnowflakeConnection):
    """fakesnow's connection, with cursors of ours."""

    engine: Engine
    open = False

    def cursor(self, cursor_class: Any = None) -> Cursor:
        """A cursor."""
        return Cursor(conn=self, duck_conn=self._duck_conn)


class Cursor(FakeSnowflakeCursor):
    """fakesnow's cursor, with what it lacks around each statement."""

    _conn: Session

    def execute(self, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Cursor:
        """Run one statement."""
        session, engine, text = self._conn, self._conn.engine, command.strip().rstrip(";")
        engine.broken(text)
        if DEFINES.match(text) and session.open:
            self._ended("COMMIT")
        if NOTHING.match(text):
            return self._plainly("SELECT 'Statement executed successfully.' AS \"status\"")
        if re.fullmatch(r"BEGIN( TRANSACTION)?|START TRANSACTION", text, re.IGNORECASE):
            session.open = True
        elif re.fullmatch("COMMIT|ROLLBACK", text, re.IGNORECASE):
            return self._ended(text)
        if found := HOLDS.match(text):
            engine.hold(full_name(session, found[1]), session)
        try:
            with engine.defining if DEFINES.match(text) else nullcontext():
                return self._written(text, params, *args, **kwargs)
        except duckdb.Error as error:
            raise ProgrammingError(msg=str(error).splitlines()[0], errno=100038, sqlstate="22018") from error
        finally:
            if not session.open:
                engine.release(session)

    def _ended(self, how: str) -> Cursor:
        """The transaction, ended."""
        self._conn.open = False
        try:
            return self._plainly(how)
        finally:
            self._conn.engine.release(self._conn)

    def _plainly(self, command: str) -> Cursor:
        super().execute(command)
        return self

    def _written(self, text: str, params: Any, *args: Any, **kwargs: Any) -> Cursor:
        session, streams = self._conn, self._conn.engine.streams
        own = streams.statement(session, text)
        if own is not None:
            return self._plainly(own)
        read = streams.readable(session, _numbered(text))
        super().execute(read.sql, params, *args, **kwargs)
        kept = (self._arrow_table, self._rowcount, self._last_sql, self._last_params, self._last_transformed)
        for table in [found[1] for found in (WRITES.match(text), MAKES.match(text), RENAMES.match(text),
                                             ALTERS.match(text)) if found]:  # fmt: skip
            session.engine.altered(full_name(session, table))
        for made in (MAKES.match(text), RENAMES.match(text)):
            if made:
                streams.replaced(full_name(session, made[1]))
        if read.streams and (WRITES.match(text) or MAKES.match(text)):
            for name in read.streams:
                streams.advance(session, name)
        self._arrow_table, self._rowcount, self._last_sql, self._last_params, self._last_transformed = kept
        return self

    def _describe_only(self, command: str) -> Any:
        """What a query would answer; a name that is not there must not end the transaction that is open."""
        apart = Cursor(conn=self._conn, duck_conn=self._duck_conn.cursor())
        for found in READS.finditer(command):
            apart.look_for(full_name(self._conn, found[2]))
        return super(Cursor, apart)._describe_only(command)

    def look_for(self, table: str) -> None:
        """Refuse a name that is there in other letters only: DuckDB would take it."""
        asked = ("SELECT count(*) FROM (SELECT database_name AS d, schema_name AS s, table_name AS t FROM duckdb_tables() "
                 "UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views()) WHERE d = ? AND s = ? AND t = ?")
        found = self._duck_conn.execute(asked, parts_of(table)).fetchall()
        if not found[0][0] and "INFORMATION_SCHEMA" not in table:
            raise ProgrammingError(msg=f"SQL compilation error:\nObject '{table}' does not exist or not authorized.",
                                   errno=2003, sqlstate="42S02")  # fmt: skip

    def _transform(self, expression: Any, params: Any) -> Any:
        made = super()._transform(expression.transform(_marked), params).transform(_replaced)
        made.args.pop("text_lengths", None)  # they would be written down without quoting names
        return made


def _numbered(text: str) -> str:
    """The places of bound values, numbered: an expression may stand twice in what fakesnow makes of it."""
    numbers = itertools.count(1)
    return PLACES.sub(lambda found: f":{next(numbers)}" if found[0] == "?" else found[0], text)


def _marked(node: Any) -> Any:
    """Functions that fakesnow does not know under names of ours, numbers with their types; BINARY without a length.

    What is put in place of a call is not walked into any more, so the call's arguments are marked here.
    """
    if isinstance(node, exp.DataType) and node.this in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY):
        return exp.DataType(this=exp.DataType.Type.BINARY)
    if isinstance(node, exp.DataType) and "TIMESTAMP" in str(node.this) and node.expressions:
        return exp.DataType(this=node.this)
    if isinstance(node, exp.Extract) and node.name == "EPOCH_NANOSECOND":  # of every year that there is
        return exp.Anonymous(this="SF_NANOS", expressions=[node.expression.transform(_marked)])
    name = NAMES.get(node.name.upper() if isinstance(node, exp.Anonymous) else _sql_name(node))
    if name is None:
        return node
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [
        part for part in (node.this, *node.expressions) if part is not None]
    call = exp.Anonymous(this=name, expressions=[one.transform(_marked) for one in arguments])
    return exp.cast(call, NUMBERS[name], dialect="duckdb") if name in NUMBERS else call


def _sql_name(node: Any) -> str:
    plain = {"MD5NumberUpper64": "MD5_NUMBER_UPPER64", "MD5NumberLower64": "MD5_NUMBER_LOWER64", "HashAgg": "HASH_AGG"}
    return plain.get(type(node).__name__, "")


def _replaced(node: Any) -> Any:
    """Those names as expressions of DuckDB."""
    if not isinstance(node, exp.Anonymous) or node.name.upper() not in FUNCTIONS:
        return node
    template = parse_one(FUNCTIONS[node.name.upper()], read="duckdb")
    place = next(column for column in template.find_all(exp.Column) if column.name == "ARGS")
    parent, arguments = place.parent, [one.transform(_replaced) for one in node.expressions]
    if isinstance(parent, exp.Anonymous) or len(arguments) > 1:
        assert parent is not None
        parent.set("expressions", arguments)
        if not isinstance(parent, exp.Anonymous):
            parent.set("this", None)
    else:
        place.replace(arguments[0])
    return template


def closed_quietly(session: Session) -> None:
    """Close a session that may be closed already."""
    with suppress(Exception):
        session.close()
