"""Redshift SQL: every expression that the shared SQL asks for, written by hand, from Redshift's own documents.

What a Postgres takes and Redshift does not is avoided: texts have a length (65,535 bytes is the longest there is),
`||` joins two texts that both are there, booleans have no text, backslashes in literals are escapes.
"""

import re
from zlib import crc32

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column
from mixpanel_wh.warehouses.dialect import FARTHEST_MS, MOMENTS, NUMBERS, Kind, number_as_ms, number_earlier

TEXT, SHORT = "VARCHAR(65535)", "VARCHAR(64)"
KINDS = {
    "boolean": Kind.BOOLEAN, "bool": Kind.BOOLEAN, "smallint": Kind.INTEGER, "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER, "int": Kind.INTEGER, "oid": Kind.INTEGER, "numeric": Kind.DECIMAL, "decimal": Kind.DECIMAL,
    "real": Kind.FLOAT, "double precision": Kind.FLOAT, "character varying": Kind.TEXT, "character": Kind.TEXT,
    "text": Kind.TEXT, "bpchar": Kind.TEXT, "varchar": Kind.TEXT, "char": Kind.TEXT, "date": Kind.DATE,
    "time without time zone": Kind.TIME, "timestamp without time zone": Kind.TIMESTAMP, "timestamp": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMP_TZ, "super": Kind.JSON,
}  # fmt: skip
REFUSED = ("geometry", "geography", "varbyte", "binary varying", "hllsketch")
NESTED = ("array", "map", "struct")  # of external tables
DELIMITED = {Kind.TEXT, Kind.JSON, Kind.NESTED, Kind.OTHER}
WHOLE_BYTES = 200  # of a text in a row's content; longer ones stand there as their MD5
MOST_PARTS, GROUPS = 200, 16
SEED = "\0"  # where a column's fast hash takes the hash of the columns before it; no identifier holds this letter
WRONG = "\1"  # begins what stands for a column that cannot be hashed: why
CHAIN = 16  # columns hashed one into the other
# Values of each type that is hashed, of fixed hashes as long as Redshift hashes the way it does.
PROBE = ("CAST('mixpanel' AS VARCHAR(8))", "CAST(1 AS SMALLINT)", "CAST(1 AS INTEGER)", "CAST(1 AS BIGINT)",
         "CAST(1.5 AS NUMERIC(18,2))", "CAST(0.1 AS DOUBLE PRECISION)", "CAST('2024-03-01' AS DATE)",
         "CAST('2024-03-01 12:00:00' AS TIMESTAMP)")  # fmt: skip
LEAP_YEAR = "([02468][048]|[13579][26])00|[0-9][0-9](0[48]|[2468][048]|[13579][26])"
DAY = (
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|({LEAP_YEAR})-02-29)"
)
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"
ZONE = " *(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"


def plain_type(type: str) -> str:
    """A type without its length or precision."""
    return re.sub(r"\s*\([^)]*\)", "", type).lower()


def refused(column: Column) -> SourceError | None:
    """The error for a column that cannot be sent, with what to write instead."""
    plain = re.split(r"[<(]", plain_type(column.type))[0].strip()
    if plain not in REFUSED + NESTED:
        return None
    return SourceError(
        f"column {column.name} is of type {plain.upper()}, which cannot be sent: write properties: {{deny: "
        f"[{column.name}]}} for the sync, or sync a view that casts it to VARCHAR"
    )


def _probed() -> str:
    """Hashes of constants: other ones mean that Redshift hashes in another way."""
    hashed = "0"
    for value in PROBE:
        hashed = f"FNV_HASH({value}, CAST({hashed} AS BIGINT))"
    return f"CAST({hashed} AS {SHORT}) || ' ' || CAST(FARMFINGERPRINT64('mixpanel') AS {SHORT})"


class RedshiftDialect:
    """`dialect.Dialect` for Redshift; sessions run in UTC, so text forms do not depend on the server's settings."""

    name = "redshift"
    text_type = TEXT
    hash_type = "VARCHAR(32)"
    zero_hash = f"CAST('{'0' * 32}' AS VARCHAR(32))"
    fast_type = "NUMERIC(38,0)"
    row_number = "_mp_row"
    numbers_rows = False
    longest_name: int | None = 127
    release = _probed()  # Redshift's version tells nothing of its hashes, and moves with every patch

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        """A text literal; a backslash is an escape in every one."""
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def parameter(self, name: str) -> str:
        """Where a statement reads its parameter."""
        return f"CAST(:{name} AS {TEXT})"

    def schema_found(self, catalogue: bool) -> str:
        """A query with one row if the schema is there."""
        return f"SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {self.parameter('schema')}"

    def made(self, table: str, ordered: bool) -> list[str]:
        """Nothing: CREATE TABLE AS counts its rows by itself."""
        return []

    def kind(self, column: Column) -> Kind:
        """What the column's type means."""
        return KINDS.get(plain_type(column.type), Kind.OTHER)

    def text(self, sql: str, kind: Kind) -> str:
        """The value as text, the same in every session."""
        if kind is Kind.BOOLEAN:
            return f"CASE WHEN {sql} THEN 'true' WHEN NOT {sql} THEN 'false' END"
        if kind is Kind.DECIMAL:
            whole = f"CAST({sql} AS {SHORT})"
            return f"CASE WHEN STRPOS({whole}, '.') > 0 THEN RTRIM(RTRIM({whole}, '0'), '.') ELSE {whole} END"
        if kind is Kind.JSON:
            return f"JSON_SERIALIZE({sql})"
        return f"CAST({sql} AS {TEXT if kind in DELIMITED else SHORT})"

    def tagged(self, tag: str, sql: str, kind: Kind) -> str:
        """`tag`, the length where the text could hold a separator, and the value; NULL when the value is NULL. A long
        text stands there as its MD5: no text may have more than 65,535 bytes, and a row's content is one."""
        text = self.text(f"({sql} AT TIME ZONE 'UTC')" if kind is Kind.TIMESTAMP_TZ else sql, kind)
        if kind not in DELIMITED:
            return f"{self.literal(tag)} || {text} || ';'"
        length = f"CAST(OCTET_LENGTH({text}) AS VARCHAR(8)) || ':' || "
        short = f"CASE WHEN OCTET_LENGTH({text}) > {WHOLE_BYTES} THEN MD5({text}) ELSE {text} END"
        return f"{self.literal(tag)} || {length}{short} || ';'"

    def joined(self, parts: list[str]) -> str:
        """Texts joined, NULL parts left out. Very many are hashed in groups, each part in the group that its tag
        decides: a column more then changes no group but its own, and no row where it is NULL."""
        if len(parts) <= MOST_PARTS:
            return " || ".join(f"COALESCE({part}, '')" for part in parts) or "''"
        groups: dict[int, list[str]] = {}
        for part in parts:
            groups.setdefault(_group(part), []).append(part)
        return " || ".join(f"MD5({self.joined(groups.get(n, []))})" for n in range(GROUPS))

    def epoch_ms(self, sql: str, kind: Kind) -> str:
        """A moment as milliseconds since the epoch in UTC; NULL when it is none."""
        if kind is Kind.TIMESTAMP_TZ:
            return _milliseconds(f"({sql} AT TIME ZONE 'UTC')")
        if kind in MOMENTS:
            return self._in_zone(f"CAST({sql} AS TIMESTAMP)")
        if kind in NUMBERS:
            scaled = number_as_ms(sql, _times_1000(sql, kind))
            return f"CASE WHEN {sql} BETWEEN -{FARTHEST_MS} AND {FARTHEST_MS} THEN CAST(FLOOR({scaled}) AS BIGINT) END"
        return self._read_ms(sql) if kind is Kind.TEXT else "CAST(NULL AS BIGINT)"

    def _in_zone(self, naive: str) -> str:
        zone = self.parameter("timezone")
        elsewhere = _milliseconds(f"CONVERT_TIMEZONE({zone}, 'UTC', {naive})")
        return f"CASE WHEN {zone} = 'UTC' THEN {_milliseconds(naive)} ELSE {elsewhere} END"

    def _read_ms(self, sql: str) -> str:
        """A text as a moment. A cast would raise an error for a text that is none, so a pattern looks first, down to
        the number of days in each month."""
        zoned = f"{sql} ~ '^{DAY}[ T]{CLOCK}{ZONE}$'"
        naive = f"{sql} ~ '^{DAY}([ T]{CLOCK})?$'"
        moment = f"CAST(REPLACE(REPLACE({sql}, 'T', ' '), 'Z', '+00') AS TIMESTAMP WITH TIME ZONE)"
        here = self._in_zone(f"CAST(REPLACE({sql}, 'T', ' ') AS TIMESTAMP)")
        return (
            f"CASE WHEN {sql} LIKE '0000%' THEN CAST(NULL AS BIGINT) WHEN {zoned} THEN "
            f"{_milliseconds(f'({moment} AT TIME ZONE {chr(39)}UTC{chr(39)})')} WHEN {naive} THEN {here} END"
        )

    def finite(self, sql: str, kind: Kind) -> str:
        """The moment: none is infinite."""
        return sql

    def earlier(self, sql: str, kind: Kind, seconds: float) -> str:
        """The moment `seconds` before; numbers are seconds, or milliseconds from 10^11 on."""
        if not seconds:
            return sql
        if kind in MOMENTS:
            whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
            earlier = f"DATEADD(second, -{whole}, {sql})"
            return f"DATEADD(microsecond, -{rest}, {earlier})" if rest else earlier
        if kind in NUMBERS:
            return number_earlier(sql, seconds)
        return sql

    def hash_text(self, sql: str) -> str:
        """MD5 as 32 hex characters."""
        return f"MD5({sql})"

    def hash_value(self, sql: str) -> str:
        """The same: there is no type of 128 bits."""
        return f"CAST(MD5({sql}) AS VARCHAR(32))"

    def hash_total(self, sql: str) -> str:
        """The number of rows and sums of their MD5, of which each piece fits into a BIGINT."""
        hashed = f"MD5({sql})"
        cuts = ((1, 12), (13, 12), (25, 8))
        pieces = (f"SUM(STRTOL(SUBSTRING({hashed}, {start}, {size}), 16))" for start, size in cuts)
        sums = " || ':' || ".join(f"CAST(COALESCE({piece}, 0) AS {SHORT})" for piece in pieces)
        return f"CAST(COUNT(*) AS {SHORT}) || ':' || {sums}"

    def hashable(self, column: Column) -> str:
        """The column's part of a chain of FNV hashes. FNV of two texts is that of both in one, and of NULL is nowhere
        described: so what goes in first is whether there is a value, and how long a text is."""
        if wrong := refused(column):
            return f"{WRONG}{wrong}"  # a column that is denied is described as well, and stops nothing
        name, kind = self.quote(column.name), self.kind(column)
        if kind in NUMBERS:
            value, here = f"COALESCE({name}, 0)", f"CASE WHEN {name} IS NULL THEN 0 ELSE 1 END"
        elif kind is Kind.BOOLEAN:
            value, here = "CAST(1 AS SMALLINT)", f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 2 ELSE 0 END"
        elif kind in MOMENTS:
            epoch = f"CAST('1970-01-01' AS {column.type})"
            value, here = f"COALESCE({name}, {epoch})", f"CASE WHEN {name} IS NULL THEN 0 ELSE 1 END"
        else:
            text = self.text(name, kind)
            value, here = f"COALESCE({text}, '')", f"COALESCE(OCTET_LENGTH({text}), -1)"
        return f"FNV_HASH({value}, FNV_HASH({here}, {SEED}))"

    def fast_hash(self, columns: list[str]) -> str:
        """FNV over all columns, each chain of some columns under the hash of the chain before, so that nothing nests
        too deeply, and FarmHash over that: FNV alone keeps the low bits of what it hashed."""
        if wrong := [column.removeprefix(WRONG) for column in columns if column.startswith(WRONG)]:
            raise SourceError(wrong[0])
        hashed = "CAST(0 AS BIGINT)"
        for start in range(0, len(columns), CHAIN):
            chain = "CAST(0 AS BIGINT)"
            for column in columns[start : start + CHAIN]:
                chain = column.replace(SEED, chain)
            hashed = f"FNV_HASH({chain}, {hashed})"
        return f"FARMFINGERPRINT64(CAST({hashed} AS VARCHAR(20)))"

    def fast_total(self, sql: str, repeats: bool) -> str:
        """The sum, which is a NUMERIC that no table can overflow; equal rows do not cancel out."""
        return f"CAST(SUM({sql}) AS NUMERIC(38,0))"

    def bucket(self, columns: list[str], buckets: int) -> str:
        """The remainder of the fast hash."""
        return f"ABS(MOD({self.fast_hash(columns)}, CAST({buckets} AS BIGINT)))"


def _group(part: str) -> int:
    """The group of a part, by the tag that its expression begins with."""
    found = re.search(r"'((?:[^']|'')*)'", part)
    return crc32((found[1] if found else "").encode()) % GROUPS


def _milliseconds(moment: str) -> str:
    return f"DATEDIFF(millisecond, CAST('1970-01-01' AS TIMESTAMP), {moment})"


def _times_1000(sql: str, kind: Kind) -> str:
    return f"CAST({sql} AS BIGINT) * 1000" if kind is Kind.INTEGER else f"{sql} * 1000"
