"""Postgres as ground for tests: every column type, those of a schema's own among them."""

from dataclasses import dataclass

from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.ground import Kinds, Typed
from mixpanel_wh_tests.warehouses.wire_ground import WireGround

EVERY_TYPE = (
    Typed("boolean", "true", "false"),
    Typed("smallint", "-32768", "32767"),
    Typed("integer", "1", "2"),
    Typed("bigint", "9223372036854775807", "9223372036854775806"),
    Typed("oid", "1", "4294967295"),
    Typed("real", "1.5", "1.25"),
    Typed("double precision", "0.1", "0.30000000000000004"),
    Typed("numeric(18,3)", "1.500", "1.501"),
    Typed("numeric(38,10)", "1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    Typed("numeric(60,2)", "1e50", "1e50 + 0.01"),
    Typed("numeric(5,-2)", "100", "200"),
    Typed("numeric", "1e100 + 0.1", "1e100 + 0.2"),
    Typed("money", "1.50", "1.51"),
    Typed("text", "'a'", "'b'"),
    Typed("text", r"E'tab\t, line\n, \\N and \\\\'", r"E'tab\t, line\n, \\N and \\'"),
    Typed("character varying(10)", "'a'", "'a '"),
    Typed("character(3)", "'a'", "'b'"),
    Typed('"char"', "'a'", "'b'"),
    Typed("name", "'a'", "'b'"),
    Typed("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    Typed("bytea", r"'\x00FF'", r"'\x00FE'"),
    Typed("bytea", "''", r"'\x00'"),
    Typed("date", "'2024-03-01'", "'0001-01-01'"),
    Typed("time", "'12:00:00'", "'24:00:00'"),
    Typed("time with time zone", "'12:00:00+00'", "'13:00:00+01'"),
    Typed("timestamp", "'2024-03-01 12:00:00.000001'", "'9999-12-31 23:59:59.999999'"),
    Typed("timestamp(0)", "'2024-03-01 12:00:00'", "'2024-03-01 12:00:01'"),
    Typed("timestamp with time zone", "'2024-03-01 12:00:00+00'", "'2024-03-01 12:00:00+01'"),
    Typed("interval", "INTERVAL '1 month'", "INTERVAL '30 days'"),
    Typed("json", """'{"a": 1}'""", """'{"a":1}'"""),
    Typed("jsonb", r"""'{"a": "\"x\\\n"}'""", r"""'{"a": "\"x\\\\n"}'"""),
    Typed("integer[]", "ARRAY[1, NULL]", "ARRAY[1, 2]"),
    Typed("text[][]", "ARRAY[['a'], ['b']]", "ARRAY['a', 'b']"),
    Typed("shop_mood", "'sad'", "'ok'"),
    Typed("shop_price", "1.5", "1.51"),
    Typed("shop_cheap", "1.5", "1.51"),
    Typed("shop_pair", "'(1,x)'", "'(1,)'"),
    Typed("shop_pair[]", "ARRAY[ROW(1, 'x')::shop_pair]", "ARRAY[ROW(1, 'y')::shop_pair]"),
    Typed("int4range", "'[1,2)'", "'[1,3)'"),
    Typed("inet", "'10.0.0.1'", "'10.0.0.1/8'"),
    Typed("point", "'(1,2)'", "'(1,3)'"),
    Typed("bit(3)", "B'101'", "B'111'"),
    Typed("tsvector", "'a'", "'b'"),
)
TYPES = (
    "CREATE TYPE shop_mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN shop_price AS numeric(12,3)",
    "CREATE DOMAIN shop_cheap AS shop_price CHECK (VALUE < 10)",
    "CREATE TYPE shop_pair AS (a integer, b text)",
)
KINDS = Kinds(text="text", integer="bigint", double="double precision", boolean="boolean", date="date",
              timestamp="timestamp", timestamp_tz="timestamp with time zone")  # fmt: skip


@dataclass
class PostgresGround(WireGround[RunningPostgres]):
    """A schema with types of its own."""

    kind = "postgres"
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for statement in TYPES:
            self.run(statement)
