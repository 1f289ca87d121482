"""DuckDB, the embedded default: its dialect, its connection, and how a file is opened.

One process may write a DuckDB file at a time. A file that somebody else holds is waited for (`lock_timeout`). With
`read_only` the source is never locked for others, and the staging schema stands in a file of its own.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_wh.engine.errors import ConfigError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.dialect import Kind
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.session import Parameters
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_RECORD_BATCH = 32_768
SMALLEST_RECORD_BATCH = 64
RECORD_BATCH_BYTES = 16 * 1024 * 1024
SAMPLE_ROWS = 256
# What plain reading may keep cached, since its blocks are not read twice; each column needs some of its own.
LEAN_MIB, LEAN_MIB_A_COLUMN = 32, 2
STAGING_CATALOGUE = "mixpanel_staging"
ROWS_CATALOGUE = "mixpanel_rows"
KINDS = {
    "BOOLEAN": Kind.BOOLEAN, "TINYINT": Kind.INTEGER, "SMALLINT": Kind.INTEGER, "INTEGER": Kind.INTEGER,
    "BIGINT": Kind.INTEGER, "HUGEINT": Kind.INTEGER, "UTINYINT": Kind.INTEGER, "USMALLINT": Kind.INTEGER,
    "UINTEGER": Kind.INTEGER, "UBIGINT": Kind.INTEGER, "UHUGEINT": Kind.INTEGER, "FLOAT": Kind.FLOAT,
    "DOUBLE": Kind.FLOAT, "DECIMAL": Kind.DECIMAL, "VARCHAR": Kind.TEXT, "ENUM": Kind.TEXT, "UUID": Kind.OTHER,
    "DATE": Kind.DATE, "TIME": Kind.TIME, "TIMESTAMP": Kind.TIMESTAMP, "TIMESTAMP_S": Kind.TIMESTAMP,
    "TIMESTAMP_MS": Kind.TIMESTAMP, "TIMESTAMP_NS": Kind.TIMESTAMP_NS, "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP_TZ,
    "TIME WITH TIME ZONE": Kind.TIME, "BLOB": Kind.BINARY, "BIT": Kind.OTHER, "INTERVAL": Kind.OTHER,
    "JSON": Kind.JSON, "STRUCT": Kind.NESTED, "MAP": Kind.NESTED, "UNION": Kind.NESTED,
}  # fmt: skip
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.NESTED, Kind.OTHER, Kind.BINARY}
ZONED_TEXT = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"


class DuckDBDialect:
    """`dialect.Dialect` for DuckDB; sessions run in UTC, so text forms do not depend on the machine."""

    name = "duckdb"
    text_type = "VARCHAR"
    hash_type = "UHUGEINT"
    zero_hash = "CAST(0 AS UHUGEINT)"
    fast_type = "UBIGINT"
    row_number = "rowid"
    numbers_rows = True
    release = "version()"
    longest_name: int | None = None

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema is there."""
        where = f"schema_name = {self.parameter('schema')}"
        inside = f" AND catalog_name = {self.parameter('catalogue')}" if catalogue else ""
        return f"SELECT 1 FROM information_schema.schemata WHERE {where}{inside}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Nothing is to be done to a table that was written."""
        return []

    def hashable(self, column: Column) -> str:
        """The column itself: DuckDB's hash takes every type."""
        return self.quote(column.name)

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment, NULL where it is infinite."""
        if kind not in (Kind.TIMESTAMP, Kind.TIMESTAMP_NS, Kind.TIMESTAMP_TZ, Kind.DATE):
            return sql
        return f"CASE WHEN isfinite({sql}) THEN {sql} END"

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        """A text literal."""
        return "'" + text.replace("'", "''") + "'"

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter: a session variable, since only plain queries stream."""
        return f"getvariable('mp_{name}')"

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""
        if column.type.endswith("]"):
            return Kind.NESTED
        return KINDS.get(re.sub(r"\s*\(.*", "", column.type, flags=re.DOTALL), Kind.OTHER)

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same in every session."""
        if kind is Kind.NESTED:
            return f"CAST(to_json({sql}) AS VARCHAR)"
        if kind is Kind.BINARY:
            return f"hex({sql})"
        return f"CAST({sql} AS VARCHAR)"

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""
        if kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NS, Kind.TIMESTAMP_TZ):
            text = f"CAST(COALESCE(epoch_us({sql}), CASE WHEN {sql} IS NOT NULL THEN -1 END) AS VARCHAR)"
            if kind is Kind.TIMESTAMP_NS:  # without a remainder it is the same moment as a plain TIMESTAMP
                text += f" || CASE WHEN epoch_ns({sql}) % 1000 <> 0 THEN '.' || epoch_ns({sql}) % 1000 ELSE '' END"
        else:
            text = self.text(sql, kind)
        length = f"strlen({text}) || ':' || " if kind in DELIMITED else ""
        return f"{self.literal(tag)} || {length}{text} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out."""
        return f"concat({', '.join(parts)})"

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        zone = self.parameter("timezone")
        match kind:
            case Kind.TIMESTAMP_TZ:
                return f"epoch_ms({sql})"
            case Kind.TIMESTAMP | Kind.TIMESTAMP_NS | Kind.DATE:
                naive = sql if kind is Kind.TIMESTAMP else f"CAST({sql} AS TIMESTAMP)"
                return f"CASE WHEN {zone} = 'UTC' THEN epoch_ms({naive}) ELSE epoch_ms({naive} AT TIME ZONE {zone}) END"
            case Kind.INTEGER | Kind.DECIMAL | Kind.FLOAT:
                value = f"TRY_CAST({sql} AS DOUBLE)"
                scaled = f"CASE WHEN abs({value}) < 1e11 THEN {value} * 1000 ELSE {value} END"
                return f"TRY_CAST(floor({scaled}) AS BIGINT)"
            case Kind.TEXT:
                zoned = f"epoch_ms(TRY_CAST({sql} AS TIMESTAMP WITH TIME ZONE))"
                naive = f"epoch_ms(TRY_CAST({sql} AS TIMESTAMP) AT TIME ZONE {zone})"
                return f"CASE WHEN regexp_matches({sql}, '{ZONED_TEXT}') THEN {zoned} ELSE {naive} END"
        return "CAST(NULL AS BIGINT)"

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"md5({sql})"

    def hash_value(self, sql: str) -> str:
        """MD5 as a 128-bit number."""
        return f"md5_number({sql})"

    def hash_total(self, sql: str) -> str:
        """The number of rows and the exclusive or of their MD5."""
        return f"count(*) || ':' || COALESCE(bit_xor(md5_number({sql})), 0)"

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        if kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NS, Kind.TIMESTAMP_TZ, Kind.DATE):
            return f"{sql} - to_microseconds({round(seconds * 1_000_000)})"
        if kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT):
            return f"{sql} - CASE WHEN abs({sql}) < 1e11 THEN {round(seconds)} ELSE {round(seconds * 1000)} END"
        return sql

    def fast_hash(self, columns: list[str]) -> str:
        """DuckDB's own hash, stable within one release."""
        return f"hash({', '.join(columns)})"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """Exclusive or; a sum of 40 bits of each where equal rows would cancel out."""
        return f"CAST(sum(CAST({sql} >> 24 AS BIGINT)) AS UBIGINT)" if repeats else f"bit_xor({sql})"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The low bits of the fast hash."""
        return f"CAST({self.fast_hash(columns)} & {buckets - 1} AS INTEGER)"


def _explained(error: duckdb.Error | OSError) -> Exception:
    """A driver's error as one of ours, in one sentence."""
    first = str(error).strip().splitlines()[0]
    text = str(error)
    if "read-only" in text:
        return StagingError(
            f"the staging schema cannot be written, the DuckDB file is open read-only ({first}); "
            "set staging_path to a file that may be written, or take read_only away"
        )
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException | duckdb.ConversionException):
        return SourceError(f"DuckDB refused a statement on the source table: {first}")
    return WarehouseUnavailable(f"DuckDB: {first}")


@dataclass
class DuckDBSession:
    """`session.Session` on one DuckDB connection; streams run on cursors of their own."""

    connection: duckdb.DuckDBPyConnection
    depth: int = 0
    streams: int = 0
    usual_memory: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def _run(
        self, connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters | None
    ) -> duckdb.DuckDBPyConnection:
        for name, value in (parameters or {}).items():
            connection.execute(f"SET VARIABLE mp_{name} = ?", [value])
        return connection.execute(sql)

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""
        with self.lock:
            try:
                self._run(self.connection, sql, parameters)
            except duckdb.Error as error:
                raise _explained(error) from error

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with self.lock:
            try:
                return self._run(self.connection, sql, parameters).fetchall()
            except duckdb.Error as error:
                raise _explained(error) from error

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query on a cursor of its own and stream its answer."""
        cursor = self.connection.cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")
            for name, value in (parameters or {}).items():
                cursor.execute(f"SET VARIABLE mp_{name} = ?", [value])
            query = cursor.sql(sql)
            rows = self._rows_a_batch(query) if plain else ROWS_PER_RECORD_BATCH
            with self.lean(LEAN_MIB + LEAN_MIB_A_COLUMN * len(query.columns)) if plain else nullcontext():
                yield from query.to_arrow_reader(rows)
        except (duckdb.Error, OSError) as error:  # Arrow's reader passes an error in the middle on as an OSError
            raise _explained(error) from error
        finally:
            cursor.close()

    def _rows_a_batch(self, query: duckdb.DuckDBPyRelation) -> int:
        """So many rows as make a record batch of the usual size, going by the first ones."""
        first = query.limit(SAMPLE_ROWS).to_arrow_table()
        each = first.nbytes / max(1, first.num_rows)
        return int(min(ROWS_PER_RECORD_BATCH, max(SMALLEST_RECORD_BATCH, RECORD_BATCH_BYTES / max(1.0, each))))

    @contextmanager
    def lean(self, mebibytes: int) -> Iterator[None]:
        """Keep DuckDB's cache small, or it grows to the size of the table that is read."""
        with self.lock:
            if not self.streams:
                found = self.connection.execute("SELECT current_setting('memory_limit')").fetchall()
                self.usual_memory = str(found[0][0])
                self._limit_memory(f"{mebibytes}MiB")
            self.streams += 1
        try:
            yield
        finally:
            with self.lock:
                self.streams -= 1
                if not self.streams:
                    self._limit_memory(self.usual_memory)

    def _limit_memory(self, limit: str) -> None:
        """A limit below what is in use at this moment is refused by DuckDB; the usual one stays then."""
        with suppress(duckdb.OutOfMemoryException):
            self.connection.execute(f"SET memory_limit = '{limit}'")

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name."""
        import pyarrow as pa

        with self.lock:
            added = pa.Table.from_batches(list(rows))
            self.connection.register("_mp_added", added)
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _mp_added")
            self.connection.unregister("_mp_added")

    def finally_drop(self, table: str) -> None:
        """Drop a table as a part of the transaction around."""
        self.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together or not at all; nested use joins the outer one."""
        with self.lock:
            self.depth += 1
            try:
                if self.depth == 1:
                    self.execute("BEGIN")
                yield
                if self.depth == 1:
                    self.execute("COMMIT")
            except BaseException:
                if self.depth == 1:
                    with suppress(duckdb.Error):  # the first error is the one to tell
                        self.connection.rollback()
                raise
            finally:
                self.depth -= 1

    def alone(self) -> AbstractContextManager[None]:
        """A transaction: one process writes a file at a time."""
        return self.transaction()


@dataclass
class DuckDBCatalogue:
    """`catalogue.Catalogue` from DuckDB's own description of a query."""

    session: DuckDBSession
    dialect: DuckDBDialect

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        source = ".".join(self.dialect.quote(part) for part in table.parts)
        try:
            found = self.session.rows(f"DESCRIBE SELECT * FROM {source}")
        except SourceError as error:
            raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}") from error
        columns = tuple(Column(str(row[0]), str(row[1])) for row in found)
        kinds = self.session.rows(
            "SELECT table_type FROM information_schema.tables WHERE table_name = getvariable('mp_name')",
            {"name": table.parts[-1]},
        )
        return Table(table, columns, is_view=("VIEW",) in kinds)

    def _nearest(self, table: TableName) -> str:
        from difflib import get_close_matches

        names = [str(row[0]) for row in self.session.rows("SELECT table_name FROM information_schema.tables")]
        close = get_close_matches(table.parts[-1], names, n=1)
        return f"; did you mean {close[0]}?" if close else f": it holds {', '.join(sorted(names)[:8]) or 'no table'}"

    def change_token(self, table: TableName) -> str:
        """A hash over the whole table: DuckDB keeps no time of last change."""
        described = self.describe(table)
        source = ".".join(self.dialect.quote(part) for part in table.parts)
        columns = [self.dialect.quote(column.name) for column in described.columns]
        value = self.dialect.fast_total(self.dialect.fast_hash(columns), repeats=True)
        found = self.session.rows(f"SELECT count(*) || ':' || COALESCE({value}, 0) FROM {source}")
        shape = hashlib.md5(repr(described.columns).encode(), usedforsecurity=False).hexdigest()
        return f"{found[0][0]}:{shape[:8]}"

    def missing_privileges(self, table: TableName) -> list[str]:
        """Nothing: DuckDB has no users."""
        return []

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never sure: what DuckDB's own key constraints cost is more than to look."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """None: DuckDB does not divide tables."""
        return None


@dataclass
class DuckDBWarehouse:
    """`ports.Warehouse` on a DuckDB file."""

    session: DuckDBSession
    tables: SqlTables
    snapshots: HashSnapshots
    ledger: SqlLedger
    state: SqlState
    kind: str = "duckdb"

    def transaction(self) -> Any:
        """Everything inside is committed together or not at all."""
        return self.session.transaction()

    def register(self, name: str, rows: Any) -> TableName:
        """Copy Arrow rows or a DataFrame into memory as a source table; returns its name. It goes when the warehouse
        is closed."""
        table = TableName((ROWS_CATALOGUE, "main", name))
        with self.session.lock:
            self.session.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {ROWS_CATALOGUE}")
            self.session.connection.register("_mp_rows", rows)
            source = ".".join(self.tables.dialect.quote(part) for part in table.parts)
            self.session.execute(f"CREATE OR REPLACE TABLE {source} AS FROM _mp_rows")
            self.session.connection.unregister("_mp_rows")
        return table

    def close(self) -> None:
        """Give the file back."""
        self.session.connection.close()


def _open(path: Path, read_only: bool, lock_timeout: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            if "could not set lock" not in str(error).lower():
                raise WarehouseUnavailable(f"cannot open {path}: {str(error).splitlines()[0]}") from error
            if time.monotonic() > deadline:
                raise WarehouseUnavailable(
                    f"{path} is locked by another process for more than {lock_timeout:g} s: close what has it open, "
                    "or wait and run again (DuckDB lets one process write a file at a time)"
                ) from error
        time.sleep(0.1)


def open_session(path: Path, read_only: bool, lock_timeout: float) -> DuckDBSession:
    """A session on a file, in UTC; a file that another process holds is waited for, `lock_timeout` seconds at most.

    Raises WarehouseUnavailable.
    """
    session = DuckDBSession(_open(path, read_only, lock_timeout))
    session.execute("SET TimeZone = 'UTC'")
    session.execute("SET enable_progress_bar = false")  # it would draw over what we print
    return session


def connect(settings: dict[str, Any]) -> DuckDBWarehouse:
    """Open a DuckDB file. Settings: `path`, `staging_schema` ("mixpanel"), `read_only` (False), `staging_path`,
    `lock_timeout` (seconds, 10), `create` (False: a missing file is an error), `observe` (False; True opens everything
    read-only, the staging schema too, so that a look at the state changes no file)."""
    path, observe = Path(settings["path"]), bool(settings.get("observe", False))
    read_only, staging_path = observe or bool(settings.get("read_only", False)), settings.get("staging_path")
    if not path.exists() and not settings.get("create", False):
        raise WarehouseUnavailable(f"there is no DuckDB file at {path}: check the path of the warehouse")
    session, dialect = open_session(path, read_only, float(settings.get("lock_timeout", 10))), DuckDBDialect()
    schema = str(settings.get("staging_schema", "mixpanel"))
    if staging_path:
        if Path(staging_path).resolve() == path.resolve():
            raise ConfigError([f"staging_path {staging_path} is the warehouse itself: name another file"])
        if not observe or Path(staging_path).exists():
            access = "READ_ONLY" if observe else "READ_WRITE"
            file = dialect.literal(str(staging_path))
            session.execute(f"ATTACH IF NOT EXISTS {file} AS {_staging_catalogue(staging_path)} ({access})")
    catalogue = _staging_catalogue(staging_path) if staging_path else catalogue_of(session)
    return assemble(session, dialect, (catalogue, schema))


def catalogue_of(session: DuckDBSession) -> str:
    """What DuckDB calls the file that a session opened. A schema without it is mistaken for a file of the same name."""
    return str(session.rows("SELECT current_database()")[0][0])


def _staging_catalogue(path: str | Path) -> str:
    """What a staging file is attached as: connections of one process to one source share what is attached there."""
    return (
        f"{STAGING_CATALOGUE}_{hashlib.md5(str(Path(path).resolve()).encode(), usedforsecurity=False).hexdigest()[:8]}"
    )


def assemble(session: DuckDBSession, dialect: DuckDBDialect, staging_parts: tuple[str, ...]) -> DuckDBWarehouse:
    """The parts of a warehouse over an open session."""
    staging = Staging(session, dialect, staging_parts)
    tables = SqlTables(DuckDBCatalogue(session, dialect), staging)
    return DuckDBWarehouse(session, tables, HashSnapshots(tables), SqlLedger(tables), SqlState(staging))
