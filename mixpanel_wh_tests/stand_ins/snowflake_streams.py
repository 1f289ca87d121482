"""Streams for what stands in for Snowflake: each remembers what its table held, and tells the difference to what it holds.

A statement that writes and reads a stream advances it, as a part of the transaction that the statement stands in. A stream
whose table was made anew is stale, and so is one that a test says is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from snowflake.connector.errors import ProgrammingError
from sqlglot import exp, parse_one

ID = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2}'
PART = re.compile(r'"((?:[^"]|"")+)"|([\w$]+)')
CREATES = re.compile(
    rf"CREATE\s+(?P<anew>OR\s+REPLACE\s+)?STREAM\s+(?P<name>{ID})\s+ON\s+(?P<kind>TABLE|VIEW)\s+(?P<table>{ID})"
    r"(?P<initial>\s+SHOW_INITIAL_ROWS\s*=\s*TRUE)?(\s+COMMENT\s*=\s*'(?P<comment>([^']|'')*)')?\s*$",
    re.IGNORECASE | re.DOTALL,
)
DROPS = re.compile(rf"DROP\s+STREAM\s+(IF\s+EXISTS\s+)?({ID})$", re.IGNORECASE)
SHOWS = re.compile(rf"SHOW\s+STREAMS(\s+LIKE\s+'(?P<like>([^']|'')*)')?(\s+IN\s+SCHEMA\s+(?P<schema>{ID}))?$", re.IGNORECASE)
DESCRIBES = re.compile(rf"DESC(RIBE)?\s+STREAM\s+({ID})$", re.IGNORECASE)
HAS_DATA = re.compile(r"SYSTEM\$STREAM_HAS_DATA\s*\(\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)
READS = re.compile(rf"\b(FROM|JOIN|USING)\s+({ID})", re.IGNORECASE)


def parts_of(name: str) -> list[str]:
    """The parts of a name, each as it stands in the catalogue."""
    return [quoted.replace('""', '"') if quoted else plain.upper() for quoted, plain in PART.findall(name)]


def full_name(session: Any, name: str) -> str:
    """A name with its database and schema, quoted."""
    parts = parts_of(name)
    whole = [session.database, session.schema][: 3 - len(parts)] + parts
    return ".".join('"' + str(part).replace('"', '""') + '"' for part in whole)


@dataclass
class Stream:
    """One stream."""

    name: str
    table: str
    kind: str
    comment: str
    generation: int
    stale: bool = False

    @property
    def base(self) -> str:
        """Where it remembers what its table held."""
        schema, _, own = self.name.rpartition('."')
        return f'{schema}."_base_{own}'


@dataclass(frozen=True)
class Readable:
    """A statement that reads no stream any more but what the streams tell, and the streams that it read."""

    sql: str
    streams: tuple[str, ...] = ()


@dataclass
class Streams:
    """All streams of an account. `untracked` are tables (full names, quoted) of which nobody may make a stream."""

    streams: dict[str, Stream] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    untracked: set[str] = field(default_factory=set)

    def replaced(self, table: str) -> None:
        """A table was made anew, or another one took its name."""
        self.generations[table] = self.generations.get(table, 0) + 1

    def useless(self, stream: Stream) -> bool:
        """Whether a stream can tell of nothing any more."""
        return stream.stale or stream.generation != self.generations.get(stream.table, 0)

    def statement(self, session: Any, text: str) -> str | None:
        """What runs in place of a statement about streams; None for any other."""
        if found := CREATES.match(text):
            return self._create(session, found)
        if found := DROPS.match(text):
            gone = self.streams.pop(full_name(session, found[2]), None)
            if gone is not None:
                session._duck_conn.execute(f"DROP TABLE IF EXISTS {gone.base}")
            return "SELECT 'dropped' AS \"status\""
        if found := SHOWS.match(text):
            return self._show(session, found)
        return None

    def _create(self, session: Any, found: re.Match[str]) -> str:
        name, table = full_name(session, found["name"]), full_name(session, found["table"])
        self._refuse(session, table, found["kind"].upper())
        comment = (found["comment"] or "").replace("''", "'").replace("\\\\", "\\")
        stream = Stream(name, table, found["kind"].upper(), comment, self.generations.get(table, 0))
        self.streams[name] = stream
        self.advance(session, name)
        if found["initial"]:
            session._duck_conn.execute(f"DELETE FROM {stream.base}")
        return "SELECT 'Stream successfully created.' AS \"status\""

    def _refuse(self, session: Any, table: str, kind: str) -> None:
        plain = [part for _, part in [("", one) for one in parts_of(table)]]
        asked = "SELECT sql FROM duckdb_views WHERE database_name = ? AND schema_name = ? AND view_name = ?"
        view = session._duck_conn.execute(asked, plain).fetchone()
        if table in self.untracked:
            raise ProgrammingError(msg=f"SQL access control error:\nInsufficient privileges to operate on table '{plain[-1]}'",
                                   errno=3001, sqlstate="42501")  # fmt: skip
        if (view is not None) != (kind == "VIEW"):
            raise ProgrammingError(msg=f"SQL compilation error:\nObject found is of type '{'VIEW' if view else 'TABLE'}', not specified type '{kind}'.",
                                   errno=2203, sqlstate="02000")  # fmt: skip
        if view and parse_one(view[0], read="duckdb").find(exp.Group, exp.Distinct, exp.Limit):
            raise ProgrammingError(msg="SQL compilation error:\nChange tracking is not supported on queries with aggregation.",
                                   errno=2305, sqlstate="0A000")  # fmt: skip

    def _show(self, session: Any, found: re.Match[str]) -> str:
        like = re.compile(re.escape(found["like"] or "%").replace("%", ".*").replace("_", "."), re.IGNORECASE)
        inside = full_name(session, f"{found['schema']}.x").rpartition(".")[0] if found["schema"] else ""
        until = datetime.now(UTC) + timedelta(days=14)
        lines = [self._line(stream, until) for stream in self.streams.values() if stream.name.startswith(inside)
                 and like.fullmatch(parts_of(stream.name)[-1])]  # fmt: skip
        columns = ("name", "database_name", "schema_name", "comment", "table_name", "source_type", "type", "stale", "mode",
                   "stale_after", "invalid_reason")  # fmt: skip
        listed = ", ".join(f'"{column}"' for column in columns)
        return f"SELECT * FROM (VALUES {', '.join(lines or [_values([''] * len(columns))])}) AS t({listed}) WHERE \"name\" <> ''"

    def _line(self, stream: Stream, until: datetime) -> str:
        database, schema, name = parts_of(stream.name)
        stale = "true" if self.useless(stream) else "false"
        return _values([name, database, schema, stream.comment, ".".join(parts_of(stream.table)), stream.kind.title(),
                        "DELTA", stale, "DEFAULT", until.isoformat(), "N/A"])  # fmt: skip

    def readable(self, session: Any, text: str) -> Readable:
        """The statement over what the streams in it tell now."""
        told: list[str] = []

        def asked(found: re.Match[str]) -> str:
            difference = self._difference(session, full_name(session, found[1].replace("''", "'")))
            return f"(SELECT COUNT(*) > 0 FROM {difference})"

        def read(found: re.Match[str]) -> str:
            name = full_name(session, found[2])
            if name not in self.streams:
                return found[0]
            told.append(name)
            return f"{found[1]} {self._difference(session, name)}"

        return Readable(HAS_DATA.sub(asked, READS.sub(read, text)), tuple(told))

    def _difference(self, session: Any, name: str) -> str:
        """A table with what changed, made for one statement."""
        stream = self.streams.get(name)
        if stream is None:
            raise ProgrammingError(msg=f"SQL compilation error:\nObject '{name}' does not exist or not authorized.",
                                   errno=2003, sqlstate="42S02")  # fmt: skip
        if self.useless(stream):
            raise ProgrammingError(msg=f"SQL execution error: Stream {parts_of(name)[-1]} has become stale. It can't be read.",
                                   errno=90235, sqlstate="55000")  # fmt: skip
        connection = session._duck_conn
        now, then = self._columns(connection, stream.table), set(self._columns(connection, stream.base))
        listed = ", ".join(_name(column) for column in now)
        kept = ", ".join(_name(column) if column in then else f"NULL AS {_name(column)}" for column in now)
        before, after = f"SELECT {kept} FROM {stream.base}", f"SELECT {listed} FROM {stream.table}"
        changed = f"_told_{abs(hash(name))}"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {changed} AS SELECT *, 'INSERT' AS \"METADATA$ACTION\" FROM ({after} EXCEPT ALL {before}) "
            f"UNION ALL SELECT *, 'DELETE' FROM ({before} EXCEPT ALL {after})"
        )
        return f'temp.main."{changed}"'

    def _columns(self, connection: Any, table: str) -> list[str]:
        return [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]

    def advance(self, session: Any, name: str) -> None:
        """What the table holds now is known to the stream."""
        stream = self.streams[name]
        session._duck_conn.execute(f"CREATE OR REPLACE TABLE {stream.base} AS SELECT * FROM {stream.table}")


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _values(texts: list[str]) -> str:
    return "(" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + ")"
