"""DuckDB's SQL: every expression that the shared SQL asks for, written by hand."""

import re

from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.dialect import MOMENTS, NUMBERS, Kind, number_as_ms, number_earlier

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
                scaled = number_as_ms(value)
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
        if kind in MOMENTS:
            return f"{sql} - to_microseconds({round(seconds * 1_000_000)})"
        if kind in NUMBERS:
            return number_earlier(sql, seconds)
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
