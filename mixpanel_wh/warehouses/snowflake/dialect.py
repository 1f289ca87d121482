"""Snowflake SQL: every expression that the shared SQL asks for, written by hand. Words of Snowflake's are in upper
case, names of ours in lower case: see `writing`."""

from __future__ import annotations

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.dialect import FARTHEST_MS, MOMENTS, NUMBERS, Kind, number_as_ms, number_earlier
from mixpanel_wh.warehouses.snowflake.writing import PREFIX, literal, quoted

KINDS = {
    "BOOLEAN": Kind.BOOLEAN, "FLOAT": Kind.FLOAT, "DECFLOAT": Kind.OTHER, "VARCHAR": Kind.TEXT, "DATE": Kind.DATE,
    "TIME": Kind.TIME, "TIMESTAMP_NTZ": Kind.TIMESTAMP, "TIMESTAMP_LTZ": Kind.TIMESTAMP_TZ,
    "TIMESTAMP_TZ": Kind.TIMESTAMP_TZ, "BINARY": Kind.BINARY, "VARIANT": Kind.JSON, "OBJECT": Kind.JSON,
    "ARRAY": Kind.JSON, "MAP": Kind.JSON,
}  # fmt: skip
REFUSED = ("GEOGRAPHY", "GEOMETRY", "VECTOR", "FILE")
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.OTHER, Kind.BINARY}
DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
NAIVE = f"{DAY}([ T]{CLOCK})?"
ZONED = f"{DAY}[ T]{CLOCK} ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)"
# A hash of one value of every type: it moves when Snowflake hashes otherwise than it did.
CANARY = (
    "'HASH ' || TO_VARCHAR(HASH(1, 1.5, CAST('0.1' AS FLOAT), 'a', TRUE, NULL, CAST('2024-03-01' AS DATE), "
    "CAST('2024-03-01 12:00:00' AS TIMESTAMP_NTZ), TO_BINARY('00FF', 'HEX')))"
)


class SnowflakeDialect:
    """`dialect.Dialect` for Snowflake; sessions run in UTC and with formats of their own, see `session`."""

    name = "snowflake"
    text_type = "VARCHAR"
    hash_type = "BINARY(16)"
    zero_hash = f"TO_BINARY('{'0' * 32}', 'HEX')"
    fast_type = "NUMBER(37,0)"
    row_number = "_mp_row"
    numbers_rows = False
    release = CANARY
    longest_name: int | None = 255

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return quoted(identifier)

    def literal(self, text: str) -> str:
        """A text literal."""
        return literal(text)

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter; the session binds it."""
        return f"{PREFIX}{name}"

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema is there, in the database of the session; the staging schema of a
        warehouse is asked for in its own database, see `staging`."""
        inside = f" AND CATALOG_NAME = {self.parameter('catalogue')}" if catalogue else ""
        return f"SELECT 1 FROM INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME = {self.parameter('schema')}{inside}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Nothing is to be done to a table that was written."""
        return []

    def kind(self, column: Column) -> Kind:
        """What the column's type means; SourceError for a type that cannot be compared."""
        name, _, rest = column.type.partition("(")
        if name == "NUMBER":
            return Kind.INTEGER if rest.rstrip(")").endswith(",0") else Kind.DECIMAL
        if name in REFUSED:
            raise SourceError(
                f"column {column.name} is of type {name}, which cannot be compared: leave it out by properties.deny, "
                "or make text of it in a view"
            )
        return KINDS.get(name, Kind.OTHER)

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same in every session."""
        match kind:
            case Kind.TEXT:
                return sql
            case Kind.BINARY:
                return f"HEX_ENCODE({sql})"
            case Kind.JSON:
                return f"TO_JSON({sql})"
            case Kind.DECIMAL:
                return f"RTRIM(RTRIM(TO_VARCHAR({sql}), '0'), '.')"
            case Kind.TIMESTAMP_TZ:
                return f"CAST(CONVERT_TIMEZONE('UTC', {sql}) AS VARCHAR)"
        return f"CAST({sql} AS VARCHAR)"

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""
        if kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
            text = f"TO_VARCHAR(DATE_PART(EPOCH_NANOSECOND, {sql}))"
        elif kind is Kind.FLOAT:  # its text has fewer digits than the value
            text = f"TO_VARCHAR({sql}) || ' ' || TO_VARCHAR(HASH({sql}))"
        else:
            text = self.text(sql, kind)
        length = f"TO_VARCHAR(LENGTH({text})) || ':' || " if kind in DELIMITED else ""
        return f"{self.literal(tag)} || {length}{text} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out."""
        return " || ".join(f"COALESCE({part}, '')" for part in parts) or "''"

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        if kind is Kind.TIMESTAMP_TZ:
            return f"DATE_PART(EPOCH_MILLISECOND, {sql})"
        if kind is Kind.TIMESTAMP:
            return self._in_zone(sql)
        if kind is Kind.DATE:
            return self._in_zone(f"CAST({sql} AS TIMESTAMP_NTZ)")
        if kind in NUMBERS:
            scaled = number_as_ms(sql)
            return f"CASE WHEN {sql} BETWEEN -{FARTHEST_MS} AND {FARTHEST_MS} THEN CAST(FLOOR({scaled}) AS BIGINT) END"
        if kind is Kind.TEXT:
            zoned = f"DATE_PART(EPOCH_MILLISECOND, TRY_TO_TIMESTAMP_TZ({sql}))"
            return (
                f"CASE WHEN REGEXP_LIKE({sql}, '{ZONED}') THEN {zoned} "
                f"WHEN REGEXP_LIKE({sql}, '{NAIVE}') THEN {self._in_zone(f'TRY_TO_TIMESTAMP_NTZ({sql})')} END"
            )
        return "CAST(NULL AS BIGINT)"

    def _in_zone(self, naive: str) -> str:
        elsewhere = f"CONVERT_TIMEZONE({self.parameter('timezone')}, 'UTC', {naive})"
        return f"DATE_PART(EPOCH_MILLISECOND, {elsewhere})"

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment itself: none is infinite."""
        return sql

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        if kind in MOMENTS:
            part, count = ("DAY", -(-seconds // 86_400)) if kind is Kind.DATE else ("MICROSECOND", seconds * 1_000_000)
            return f"DATEADD({part}, -{round(count)}, {sql})"
        if kind in NUMBERS:
            return number_earlier(sql, seconds)
        return sql

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"MD5({sql})"

    def hash_value(self, sql: str) -> str:
        """MD5 in its sixteen bytes."""
        return f"MD5_BINARY({sql})"

    def hash_total(self, sql: str) -> str:
        """The number of rows, and the sums of both halves of their MD5."""
        halves = (f"COALESCE(TO_VARCHAR(SUM(MD5_NUMBER_{half}64({sql}))), '0')" for half in ("UPPER", "LOWER"))
        return " || ':' || ".join(["TO_VARCHAR(COUNT(*))", *halves])

    def hashable(self, column: Column) -> str:
        """The column itself: Snowflake's hash takes every type but those that are refused."""
        return self.quote(column.name)

    def fast_hash(self, columns: list[str]) -> str:
        """Snowflake's own hash; `release` tells when it changed."""
        return f"HASH({', '.join(columns)})"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """The sum, in which equal rows do not cancel out."""
        return f"SUM({sql})"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The low bits of the fast hash."""
        return f"BITAND({self.fast_hash(columns)}, {buckets - 1})"
