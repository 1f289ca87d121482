"""Postgres SQL: every expression that the shared SQL asks for, written by hand, for Postgres 14 and newer."""

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

SETTINGS = "mixpanel_wh"
KINDS = {
    "boolean": Kind.BOOLEAN, "smallint": Kind.INTEGER, "integer": Kind.INTEGER, "bigint": Kind.INTEGER,
    "numeric": Kind.DECIMAL, "real": Kind.FLOAT, "double precision": Kind.FLOAT, "text": Kind.TEXT,
    "character varying": Kind.TEXT, "character": Kind.TEXT, "bpchar": Kind.TEXT, "date": Kind.DATE,
    "time without time zone": Kind.TIME, "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMP_TZ, "bytea": Kind.BINARY, "json": Kind.JSON, "jsonb": Kind.JSON,
}  # fmt: skip
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.NESTED, Kind.OTHER, Kind.BINARY}
HASHED_AS_THEY_ARE = {
    Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ,
    Kind.BINARY,
}  # fmt: skip
MOST_ARGUMENTS = 90  # a function takes a hundred
LEAP_YEAR = "([02468][048]|[13579][26])00|[0-9][0-9](0[48]|[2468][048]|[13579][26])"
DAY = (
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|({LEAP_YEAR})-02-29)"
)
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
ZONE = r"\s*(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"


class PostgresDialect:
    """`dialect.Dialect` for Postgres; sessions run in UTC, so text forms do not depend on the server's settings."""

    name = "postgres"
    text_type = "VARCHAR"
    hash_type = "UUID"  # the cheapest type of 128 bits
    zero_hash = "CAST('00000000-0000-0000-0000-000000000000' AS UUID)"
    fast_type = "BIGINT"
    row_number = "_mp_row"
    numbers_rows = False
    release = "'hash_record of ' || left(current_setting('server_version_num'), -4)"
    longest_name: int | None = 63

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        """A text literal."""
        return "'" + text.replace("'", "''") + "'"

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter: a setting of the transaction, since COPY takes no parameters."""
        return f"current_setting('{SETTINGS}.{name}')"

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema is there; information_schema would list one's own schemas only."""
        return f"SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {self.parameter('schema')}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Statistics, without which joins are planned badly, and an index to read in order by."""
        if not ordered:
            return [f"ANALYZE {table}"]
        return [f"CREATE UNIQUE INDEX ON {table} ({self.row_number})", f"ANALYZE {table} ({self.row_number})"]

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""
        if column.type.endswith("]"):
            return Kind.NESTED
        return KINDS.get(re.sub(r"\s*\([^)]*\)", "", column.type), Kind.OTHER)

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same in every session."""
        if kind is Kind.BINARY:
            return f"encode({sql}, 'hex')"
        if kind is Kind.DECIMAL:
            return f"CAST(trim_scale({sql}) AS TEXT)"
        plain = f"CAST({sql} AS TEXT)"
        # Under a column's own collation 'a' and 'A' might be one key.
        return f'{plain} COLLATE "C"' if kind in (Kind.TEXT, Kind.OTHER, Kind.NESTED) else plain

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""
        text = self.text(f"({sql} AT TIME ZONE 'UTC')" if kind is Kind.TIMESTAMP_TZ else sql, kind)
        length = f"CAST(octet_length({text}) AS TEXT) || ':' || " if kind in DELIMITED else ""
        return f"{self.literal(tag)} || {length}{text} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out."""
        while len(parts) > MOST_ARGUMENTS:
            parts = [self.joined(parts[n : n + MOST_ARGUMENTS]) for n in range(0, len(parts), MOST_ARGUMENTS)]
        return f"concat({', '.join(parts)})"

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        if kind is Kind.TIMESTAMP_TZ:
            return f"CASE WHEN isfinite({sql}) THEN {_milliseconds(sql)} END"
        if kind in MOMENTS:
            return f"CASE WHEN isfinite({sql}) THEN {self._in_zone(f'CAST({sql} AS TIMESTAMP)')} END"
        if kind in NUMBERS:
            scaled = number_as_ms(sql, _times_1000(sql, kind))
            return f"CASE WHEN {sql} BETWEEN -{FARTHEST_MS} AND {FARTHEST_MS} THEN CAST(floor({scaled}) AS BIGINT) END"
        if kind is Kind.TEXT:
            return self._read_ms(f'({sql} COLLATE "C")')
        return "CAST(NULL AS BIGINT)"

    def _in_zone(self, naive: str) -> str:
        zone = self.parameter("timezone")
        elsewhere = _milliseconds(f"({naive} AT TIME ZONE {zone})")
        return f"CASE WHEN {zone} = 'UTC' THEN {_milliseconds(naive)} ELSE {elsewhere} END"

    def _read_ms(self, sql: str) -> str:
        """A text as a moment. A cast would raise an error for a text that is none, so a pattern looks first, down to
        the number of days in each month."""
        zoned = f"{sql} ~ '^{DAY}[ T]{CLOCK}{ZONE}$'"
        naive = f"{sql} ~ '^{DAY}([ T]{CLOCK})?$'"
        return (
            f"CASE WHEN {sql} LIKE '0000%' THEN NULL WHEN {zoned} THEN {_milliseconds(f'CAST({sql} AS TIMESTAMPTZ)')} "
            f"WHEN {naive} THEN {self._in_zone(f'CAST({sql} AS TIMESTAMP)')} END"
        )

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment, NULL where it is infinite."""
        return f"CASE WHEN isfinite({sql}) THEN {sql} END" if kind in MOMENTS else sql

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        if kind in MOMENTS:
            return f"{sql} - INTERVAL '{round(seconds * 1_000_000)} microseconds'"
        if kind in NUMBERS:
            return number_earlier(sql, seconds)
        return sql

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"md5({sql})"

    def hash_value(self, sql: str) -> str:
        """MD5 in the sixteen bytes of a UUID."""
        return f"CAST(md5({sql}) AS UUID)"

    def hash_total(self, sql: str) -> str:
        """The number of rows and the exclusive or of their MD5."""
        total = f"CAST(bit_xor(CAST('x' || md5({sql}) AS BIT(128))) AS TEXT)"
        return f"CAST(count(*) AS TEXT) || ':' || COALESCE({total}, '0')"

    def hashable(self, column: Column) -> str:
        """The column, or its text where the hash of its type takes two different values for one (`1 mon` and `30 days`,
        `citext`), or where the type has no hash."""
        name, kind = self.quote(column.name), self.kind(column)
        if kind is Kind.TEXT:
            return f'{name} COLLATE "C"'
        if kind in HASHED_AS_THEY_ARE or column.type == "uuid":
            return name
        return f'CAST({name} AS TEXT) COLLATE "C"'

    def fast_hash(self, columns: list[str]) -> str:
        """The hash that Postgres itself joins and groups rows by, stable within one major release."""
        return f"hash_record_extended(ROW({', '.join(columns)}), 0)"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """Exclusive or; a sum where equal rows would cancel out."""
        return f"CAST(sum({sql}) % {SUM_MODULUS} AS BIGINT)" if repeats else f"bit_xor({sql})"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The low bits of the fast hash."""
        return f"CAST({self.fast_hash(columns)} & {buckets - 1} AS INTEGER)"


def _milliseconds(moment: str) -> str:
    """Microseconds are whole numbers in a double for the next two centuries, and cost a third of exact arithmetic."""
    return f"CAST(floor(round(date_part('epoch', {moment}) * 1000000) / 1000) AS BIGINT)"


def _times_1000(sql: str, kind: Kind) -> str:
    return f"CAST({sql} AS BIGINT) * 1000" if kind is Kind.INTEGER else f"{sql} * 1000"
