"""What Redshift has and Postgres has not, made of SQL: types, functions and system views of the stand-in's database.

Hashes have the shape of Redshift's (64 bits, chained by their seed) and other values. FNV keeps the one property that
invites mistakes: the hash of a text under the hash of another is that of both texts in one.
"""

# Types of their own, so that a wire can tell them apart: each in the form of one that Postgres has.
TYPES = {"super": ("jsonb", 4000), "varbyte": ("bytea", 6551), "geometry": ("text", 3000), "geography": ("text", 3001),
         "hllsketch": ("text", 2935)}  # fmt: skip
"""What each is made of, and the number Redshift's wire knows it by."""
ROUTINES = {"jsonb": ("jsonb_in", "jsonb_out", "jsonb_recv", "jsonb_send"),
            "bytea": ("byteain", "byteaout", "bytearecv", "byteasend"),
            "text": ("textin", "textout", "textrecv", "textsend")}  # fmt: skip

TYPE = """
CREATE TYPE pg_catalog.{name};
CREATE FUNCTION pg_catalog.{name}_in(cstring) RETURNS pg_catalog.{name} IMMUTABLE STRICT LANGUAGE internal AS '{0}';
CREATE FUNCTION pg_catalog.{name}_out(pg_catalog.{name}) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS '{1}';
CREATE FUNCTION pg_catalog.{name}_recv(internal) RETURNS pg_catalog.{name} IMMUTABLE STRICT LANGUAGE internal AS '{2}';
CREATE FUNCTION pg_catalog.{name}_send(pg_catalog.{name}) RETURNS bytea IMMUTABLE STRICT LANGUAGE internal AS '{3}';
CREATE TYPE pg_catalog.{name} (INPUT = pg_catalog.{name}_in, OUTPUT = pg_catalog.{name}_out,
    RECEIVE = pg_catalog.{name}_recv, SEND = pg_catalog.{name}_send, LIKE = {like});
CREATE CAST (pg_catalog.{name} AS {like}) WITHOUT FUNCTION;
CREATE CAST ({like} AS pg_catalog.{name}) WITHOUT FUNCTION AS ASSIGNMENT;
"""

FUNCTIONS = r"""
CREATE FUNCTION pg_catalog.rs_json_serialize(super) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql
    SET standard_conforming_strings = on
    AS $$ SELECT regexp_replace(CAST($1 AS jsonb)::text, '("([^"\\]|\\.)*")|([:,]) ', '\1\3', 'g') $$;
CREATE FUNCTION pg_catalog.json_parse(text) RETURNS super IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CAST(CAST($1 AS jsonb) AS super) $$;
CREATE FUNCTION pg_catalog.json_size(super) RETURNS integer IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT octet_length(pg_catalog.rs_json_serialize($1)) $$;
CREATE FUNCTION pg_catalog.strtol(text, integer) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CAST(CAST('x' || lpad($1, 16, '0') AS bit(64)) AS bigint) $$;
CREATE FUNCTION pg_catalog.farmfingerprint64(text) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT hashtextextended($1, 42) $$;
CREATE FUNCTION pg_catalog.sha2(text, integer) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex') $$;
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp STABLE LANGUAGE sql
    AS $$ SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC') $$;
CREATE FUNCTION pg_catalog.len(text) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT length($1) $$;
CREATE FUNCTION pg_catalog.nvl(anycompatible, anycompatible) RETURNS anycompatible IMMUTABLE LANGUAGE sql
    AS $$ SELECT COALESCE($1, $2) $$;
CREATE FUNCTION pg_catalog.convert_timezone(text, text, timestamp) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $3 AT TIME ZONE $1 AT TIME ZONE $2 $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, timestamp) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $3 + $2 * CAST('1 ' || $1 AS interval) $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, timestamptz) RETURNS timestamptz STABLE STRICT LANGUAGE sql
    AS $$ SELECT $3 + $2 * CAST('1 ' || $1 AS interval) $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, date) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CAST($3 AS timestamp) + $2 * CAST('1 ' || $1 AS interval) $$;
CREATE FUNCTION pg_catalog.datediff(text, timestamp, timestamp) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CAST(floor(extract(epoch FROM $3) * u) - floor(extract(epoch FROM $2) * u) AS bigint)
          FROM (SELECT CASE $1 WHEN 'millisecond' THEN 1000 WHEN 'second' THEN 1 WHEN 'day' THEN 1 / 86400.0 END AS u) $$;
"""

# One for each type that the dialect hashes: Postgres has no polymorphic function that tells a text's own bytes.
FNV = """
CREATE FUNCTION pg_catalog.fnv_hash({type}, bigint) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT hashint8extended({value}, $2) $$;
CREATE FUNCTION pg_catalog.fnv_hash({type}) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT hashint8extended({value}, 1469598103934665603) $$;
"""
FNV_VALUES = {
    "smallint": "CAST($1 AS bigint)", "integer": "CAST($1 AS bigint)", "bigint": "$1", "real": "hashfloat4extended($1, 1)",
    "double precision": "hashfloat8extended($1, 2)", "numeric": "hashtextextended(CAST($1 AS text), 3)",
    "date": "hashtextextended(CAST($1 AS text), 4)", "timestamp": "hashtextextended(CAST($1 AS text), 5)",
    "timestamptz": "hashtextextended(CAST(extract(epoch FROM $1) AS text), 6)",
    "time": "hashtextextended(CAST($1 AS text), 7)",
}  # fmt: skip
# Texts: an additive hash of letters and places would do; a fold over letters keeps FNV's concatenation property.
FNV_TEXT = """
CREATE FUNCTION pg_catalog.fnv_hash(text, bigint) RETURNS bigint IMMUTABLE STRICT LANGUAGE plpgsql AS $$
DECLARE h bigint := $2; n integer := length($1);
BEGIN
    IF n > 64 THEN RETURN hashtextextended($1, h); END IF;
    FOR place IN 1 .. n LOOP h := hashint8extended(ascii(substr($1, place, 1)), h); END LOOP;
    RETURN h;
END $$;
CREATE FUNCTION pg_catalog.fnv_hash(text) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT pg_catalog.fnv_hash($1, 1469598103934665603) $$;
"""

# A comment marks what Postgres cannot be: tables that stand elsewhere.
VIEWS = """
CREATE VIEW pg_catalog.svv_tables AS
SELECT CAST(current_database() AS varchar) AS table_catalog, CAST(n.nspname AS varchar) AS table_schema,
       CAST(c.relname AS varchar) AS table_name,
       CASE WHEN obj_description(c.oid, 'pg_class') = 'external' THEN 'EXTERNAL TABLE'
            WHEN c.relkind IN ('v', 'm') THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm') AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT');
CREATE VIEW pg_catalog.svv_columns AS
SELECT CAST(current_database() AS varchar) AS table_catalog, CAST(n.nspname AS varchar) AS table_schema,
       CAST(c.relname AS varchar) AS table_name, CAST(a.attname AS varchar) AS column_name,
       CAST(a.attnum AS integer) AS ordinal_position,
       CASE WHEN obj_description(c.oid, 'pg_class') = 'external'
            THEN replace(replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying', 'varchar'),
                 'double precision', 'double'), 'timestamp without time zone', 'timestamp')
            ELSE format_type(a.atttypid, NULL) END AS data_type,
       CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 0 THEN a.atttypmod - 4 END AS character_maximum_length,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 0 THEN ((a.atttypmod - 4) >> 16) & 65535 END AS numeric_precision,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 0 THEN (a.atttypmod - 4) & 65535 END AS numeric_scale
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm') AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT');
CREATE VIEW pg_catalog.svv_table_info AS
SELECT CAST(current_database() AS text) AS database, CAST(n.nspname AS text) AS schema, CAST(c.oid AS bigint) AS table_id,
       CAST(c.relname AS text) AS "table", pg_relation_size(c.oid) / 1048576 AS size,
       CAST(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) AS numeric(38,0)) AS tbl_rows,
       CAST(pg_stat_get_tuples_inserted(c.oid) - pg_stat_get_tuples_deleted(c.oid) AS numeric(38,0))
           AS estimated_visible_rows,
       CAST('AUTO(EVEN)' AS text) AS diststyle, CAST(NULL AS text) AS sortkey1, CAST(0 AS numeric(5,2)) AS unsorted, CAST(c.relfilenode AS text) AS create_time
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND obj_description(c.oid, 'pg_class') IS NULL;
GRANT SELECT ON pg_catalog.svv_tables, pg_catalog.svv_columns TO PUBLIC;
"""


def statements() -> str:
    """Everything, in one script; it needs `allow_system_table_mods`, since these stand where every path finds them."""
    types = [TYPE.format(*ROUTINES[like], name=name, like=like) for name, (like, _) in TYPES.items()]
    hashes = [FNV.format(type=type, value=value) for type, value in FNV_VALUES.items()]
    return "".join(["SET allow_system_table_mods = on;", *types, FUNCTIONS, *hashes, FNV_TEXT, VIEWS])
