"""GoogleSQL: every expression that the shared SQL asks for, written by hand."""

import math
import re

from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.dialect import FARTHEST_MS, SUM_MODULUS, Kind, number_as_ms, number_earlier

KINDS = {
    "BOOL": Kind.BOOLEAN, "INT64": Kind.INTEGER, "NUMERIC": Kind.DECIMAL, "BIGNUMERIC": Kind.DECIMAL,
    "FLOAT64": Kind.FLOAT, "STRING": Kind.TEXT, "BYTES": Kind.BINARY, "DATE": Kind.DATE, "TIME": Kind.TIME,
    "DATETIME": Kind.TIMESTAMP, "TIMESTAMP": Kind.TIMESTAMP_TZ, "JSON": Kind.JSON, "STRUCT": Kind.NESTED,
    "ARRAY": Kind.NESTED,
}  # fmt: skip
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.NESTED, Kind.OTHER, Kind.BINARY}
PARAMETER = "mp_"
ZONED = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"


class BigQueryDialect:
    """`dialect.Dialect` for GoogleSQL, whose text forms depend on no session's settings."""

    name = "bigquery"
    text_type = "STRING"
    hash_type = "BYTES"
    zero_hash = "FROM_HEX('00000000000000000000000000000000')"
    fast_type = "INT64"
    row_number = "_mp_row"
    numbers_rows = False
    release = "'farm_fingerprint'"  # promised never to change
    longest_name: int | None = 1024

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def literal(self, text: str) -> str:
        """A text literal."""
        escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{escaped}'"

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter: a named query parameter."""
        return f"@{PARAMETER}{name}"

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the dataset is there, for whoever asks in SQL; the staging dataset is asked for over
        the API, which costs nothing."""
        where = f"schema_name = {self.parameter('schema')}"
        inside = f" AND catalog_name = {self.parameter('catalogue')}" if catalogue else ""
        return f"SELECT 1 FROM INFORMATION_SCHEMA.SCHEMATA WHERE {where}{inside}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Nothing is to be done to a table that was written: the snapshots number its rows themselves."""
        return []

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""
        return KINDS.get(re.split(r"[(<]", column.type, maxsplit=1)[0], Kind.OTHER)

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text. GEOGRAPHY, INTERVAL and RANGE have no cast in common, but a form in JSON."""
        if kind is Kind.BINARY:
            return f"TO_HEX({sql})"
        if kind in (Kind.JSON, Kind.NESTED, Kind.OTHER):
            return f"CASE WHEN {sql} IS NOT NULL THEN TO_JSON_STRING({sql}) END"
        return f"CAST({sql} AS STRING)"

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL."""
        text = self.text(sql, kind)
        if kind is Kind.TIMESTAMP_TZ:
            text = f"CAST(UNIX_MICROS({sql}) AS STRING)"
        elif kind is Kind.TIMESTAMP:
            text = f"CAST(UNIX_MICROS(TIMESTAMP({sql})) AS STRING)"
        length = f"CAST(BYTE_LENGTH({text}) AS STRING) || ':' || " if kind in DELIMITED else ""
        return f"{self.literal(tag)} || {length}{text} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out."""
        return f"ARRAY_TO_STRING([{', '.join(parts)}], '')"

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        match kind:
            case Kind.TIMESTAMP_TZ:
                return f"UNIX_MILLIS({sql})"
            case Kind.TIMESTAMP | Kind.DATE:
                return f"UNIX_MILLIS(TIMESTAMP({sql}, {self.parameter('timezone')}))"
            case Kind.INTEGER | Kind.DECIMAL | Kind.FLOAT:
                scaled = number_as_ms(sql)
                whole = scaled if kind is Kind.INTEGER else f"CAST(FLOOR({scaled}) AS INT64)"
                return f"CASE WHEN {sql} BETWEEN -{FARTHEST_MS} AND {FARTHEST_MS} THEN {whole} END"
            case Kind.TEXT:
                return self._read_ms(sql)
        return "CAST(NULL AS INT64)"

    def _read_ms(self, sql: str) -> str:
        """A text as a moment: six digits of a second at most, and a colon inside an offset, as the casts want it."""
        short = f"REGEXP_REPLACE({sql}, r'(\\.\\d{{6}})\\d+', r'\\1')"
        plain = f"REGEXP_REPLACE({short}, r'(:\\d\\d(?:\\.\\d+)?\\s*[+-]\\d\\d)(\\d\\d)$', r'\\1:\\2')"
        zoned = f"UNIX_MILLIS(SAFE_CAST({plain} AS TIMESTAMP))"
        naive = f"UNIX_MILLIS(TIMESTAMP(SAFE_CAST({short} AS DATETIME), {self.parameter('timezone')}))"
        return f"CASE WHEN REGEXP_CONTAINS({sql}, r'{ZONED}') THEN {zoned} ELSE {naive} END"

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment itself: BigQuery has no infinite ones."""
        return sql

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before, of a date whole days; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        microseconds = round(seconds * 1_000_000)
        match kind:
            case Kind.TIMESTAMP_TZ:
                return f"TIMESTAMP_SUB({sql}, INTERVAL {microseconds} MICROSECOND)"
            case Kind.TIMESTAMP:
                return f"DATETIME_SUB({sql}, INTERVAL {microseconds} MICROSECOND)"
            case Kind.DATE:
                return f"DATE_SUB({sql}, INTERVAL {math.ceil(seconds / 86_400)} DAY)"
            case Kind.INTEGER | Kind.DECIMAL | Kind.FLOAT:
                return number_earlier(sql, seconds)
        return sql

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"TO_HEX(MD5({sql}))"

    def hash_value(self, sql: str) -> str:
        """MD5 in sixteen bytes."""
        return f"MD5({sql})"

    def hash_total(self, sql: str) -> str:
        """The number of rows and the exclusive or of their MD5, in three pieces that fit a number."""
        pieces = ((1, 15), (16, 15), (31, 2))
        hexed = self.hash_text(sql)
        numbers = (f"CAST('0x' || SUBSTR({hexed}, {start}, {length}) AS INT64)" for start, length in pieces)
        totals = [f"CAST(COALESCE(BIT_XOR({number}), 0) AS STRING)" for number in numbers]
        return " || ':' || ".join(["CAST(count(*) AS STRING)", *totals])

    def hashable(self, column: Column) -> str:
        """The column itself: its JSON text is hashed, which every type has."""
        return self.quote(column.name)

    def fast_hash(self, columns: list[str]) -> str:
        """FARM fingerprint of the JSON text of the values."""
        return f"FARM_FINGERPRINT(TO_JSON_STRING(STRUCT({', '.join(columns)})))"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """Exclusive or; a sum where equal rows would cancel out."""
        return f"CAST(MOD(SUM(CAST({sql} AS NUMERIC)), {SUM_MODULUS}) AS INT64)" if repeats else f"BIT_XOR({sql})"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The low bits of the fast hash."""
        return "0" if buckets == 1 else f"{self.fast_hash(columns)} & {buckets - 1}"
