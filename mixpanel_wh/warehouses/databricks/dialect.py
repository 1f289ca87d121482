"""Databricks SQL: every expression that the shared SQL asks for, written by hand, for SQL warehouses and clusters.

Three traps decide much of it. Spark's hashes skip NULLs, so ('a', NULL) and (NULL, 'a') would be one. `to_json` cuts
moments to milliseconds and drops NULLs unless it is told otherwise. Under ANSI mode a cast that fails is an error.
"""

import re

from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.dialect import (
    FARTHEST_MS,
    MOMENTS,
    NUMBERS,
    SUM_MODULUS,
    Kind,
    number_as_ms,
    number_earlier,
)

KINDS = {
    "boolean": Kind.BOOLEAN, "tinyint": Kind.INTEGER, "smallint": Kind.INTEGER, "int": Kind.INTEGER,
    "bigint": Kind.INTEGER, "float": Kind.FLOAT, "double": Kind.FLOAT, "decimal": Kind.DECIMAL, "string": Kind.TEXT,
    "varchar": Kind.TEXT, "char": Kind.TEXT, "date": Kind.DATE, "timestamp": Kind.TIMESTAMP_TZ,
    "timestamp_ntz": Kind.TIMESTAMP, "binary": Kind.BINARY, "variant": Kind.JSON, "array": Kind.NESTED,
    "map": Kind.NESTED, "struct": Kind.NESTED,
}  # fmt: skip
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.NESTED, Kind.OTHER, Kind.BINARY}
HASHED_AS_TEXT = {Kind.JSON, Kind.NESTED, Kind.OTHER}
JSON_OPTIONS = (
    "map('ignoreNullFields', 'false', 'timestampFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX\", "
    "'timestampNTZFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS\")"
)
DAY, CLOCK = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]*)?)?"
ZONE = "(Z|[+-][0-9]{1,2}(:?[0-9]{2})?)"


class DatabricksDialect:
    """`dialect.Dialect` for Databricks; sessions run in UTC, so text forms do not depend on the workspace."""

    name = "databricks"
    text_type = "STRING"
    hash_type = "BINARY"
    zero_hash = "X'00'"
    fast_type = "BIGINT"
    row_number = "_mp_row"
    numbers_rows = False
    release = "'xxhash64'"  # Spark's seed and function are fixed
    longest_name: int | None = 200

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return "`" + identifier.replace("`", "``") + "`"

    def literal(self, text: str) -> str:
        """A text literal; a doubled quote would be two literals side by side."""
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def parameter(self, name: str) -> str:
        """A named parameter marker, filled in by the server."""
        return f":{name}"

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema is there, for who may read system tables: staging asks DESCRIBE."""
        inside = f" AND catalog_name = lower({self.parameter('catalogue')})" if catalogue else ""
        named = f"schema_name = lower({self.parameter('schema')})"
        return f"SELECT 1 FROM system.information_schema.schemata WHERE {named}{inside}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Nothing is to be done to a table that was written."""
        return []

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""
        return KINDS.get(re.split(r"[\s(<]", column.type.lower(), maxsplit=1)[0], Kind.OTHER)

    def hashable(self, column: Column) -> str:
        """The column, or its text where Spark's hash takes no such type or overlooks NULLs inside of it."""
        name, kind = self.quote(column.name), self.kind(column)
        return self.text(name, kind) if kind in HASHED_AS_TEXT else name

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same in every session."""
        if kind is Kind.NESTED:
            return f"to_json({sql}, {JSON_OPTIONS})"
        if kind is Kind.JSON:
            return f"to_json({sql})"
        return f"hex({sql})" if kind is Kind.BINARY else f"CAST({sql} AS STRING)"

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""
        moment = kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ)
        text = f"CAST(unix_micros({_moment(sql, kind)}) AS STRING)" if moment else self.text(sql, kind)
        length = f"CAST(octet_length({text}) AS STRING) || ':' || " if kind in DELIMITED else ""
        return f"{self.literal(tag)} || {length}{text} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out; `concat` alone would be NULL where one of them is."""
        return f"concat_ws('', {', '.join(parts)})"

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        if kind is Kind.TIMESTAMP_TZ:
            return f"unix_millis({sql})"
        if kind in MOMENTS:
            return self._in_zone(f"CAST({sql} AS TIMESTAMP)")
        if kind in NUMBERS:
            value = f"CAST({sql} AS DOUBLE)"
            scaled = number_as_ms(value)
            inside = f"{value} BETWEEN -{FARTHEST_MS} AND {FARTHEST_MS}"
            return f"CASE WHEN {inside} THEN CAST(floor({scaled}) AS BIGINT) END"
        if kind is Kind.TEXT:
            zoned = f"{sql} RLIKE '^{DAY}[T ]{CLOCK} ?{ZONE}$'"
            naive = f"{sql} RLIKE '^{DAY}([T ]{CLOCK})?$'"
            read = f"try_cast({sql} AS TIMESTAMP)"
            return f"CASE WHEN {zoned} THEN unix_millis({read}) WHEN {naive} THEN {self._in_zone(read)} END"
        return "CAST(NULL AS BIGINT)"

    def _in_zone(self, wall: str) -> str:
        """A wall clock's time, which the session took for UTC, in the zone of the sync."""
        return f"unix_millis(to_utc_timestamp({wall}, {self.parameter('timezone')}))"

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment itself: none is infinite. A number that is not finite is no insert time."""
        return f"CASE WHEN abs({sql}) < 1e300 THEN {sql} END" if kind is Kind.FLOAT else sql

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        if kind in MOMENTS:
            return f"{sql} - INTERVAL '{seconds:.6f}' SECOND"
        if kind in NUMBERS:
            return number_earlier(sql, seconds)
        return sql

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"md5({sql})"

    def hash_value(self, sql: str) -> str:
        """MD5 as 16 bytes."""
        return f"unhex(md5({sql}))"

    def hash_total(self, sql: str) -> str:
        """The number of rows and the exclusive or of both halves of their MD5."""
        halves = (f"bit_xor(CAST(conv(substring(md5({sql}), {at}, 16), 16, -10) AS BIGINT))" for at in (1, 17))
        return f"concat_ws(':', CAST(count(*) AS STRING), {', '.join(f'CAST({half} AS STRING)' for half in halves)})"

    def fast_hash(self, columns: list[str]) -> str:
        """xxHash of the values, and of which of them are NULL."""
        return f"xxhash64({', '.join([*columns, *(f'({column}) IS NULL' for column in columns)])})"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """Exclusive or; a sum where equal rows would cancel out."""
        if not repeats:
            return f"bit_xor({sql})"
        return f"CAST(sum(CAST({sql} AS DECIMAL(38,0))) % {SUM_MODULUS} AS BIGINT)"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The low bits of the fast hash."""
        return f"CAST({self.fast_hash(columns)} & {buckets - 1} AS INT)"


def _moment(sql: str, kind: Kind) -> str:
    return f"CAST({sql} AS TIMESTAMP)" if kind is Kind.TIMESTAMP else sql
