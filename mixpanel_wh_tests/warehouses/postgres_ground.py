"""Postgres as ground for tests: a schema of its own in one server, every column type, and a connection beside the
warehouse's."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.ground import Ground, Kinds, Typed

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
class PostgresGround(Ground):
    """A schema that goes at the end, and a staging schema beside it; `settings` are those of the warehouse beside its
    address."""

    server: RunningPostgres
    settings: dict[str, Any] = field(default_factory=dict)
    schema: str = field(default_factory=lambda: f"shop_{uuid4().hex[:12]}")
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.parts = (self.schema,)
        self.staging = f"{self.schema}_staging"
        self.connection = self.server.connect()
        self.run(f'CREATE SCHEMA "{self.schema}"')
        self.run(f'SET search_path = "{self.schema}"')
        for statement in TYPES:
            self.run(statement)

    def close(self) -> None:
        """Everything that was made here goes."""
        self.connection.execute("SET client_min_messages = error")
        self.run(f'DROP SCHEMA IF EXISTS "{self.schema}", "{self.staging}" CASCADE')
        self.connection.close()

    def open(self) -> Warehouse:
        """The warehouse on this schema."""
        given = {"staging_schema": self.staging, "schemas": [self.schema], **self.settings}
        return open_warehouse("postgres", self.server.settings(**given))

    def run(self, sql: str) -> None:
        """Run a statement, and let its statistics be seen at once: by itself a connection waits some seconds."""
        self.connection.execute(sql.encode())
        self.connection.execute("SELECT pg_stat_force_next_flush()")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql.encode()).fetchall()

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        self.run(f"DROP TABLE IF EXISTS {self.source(name)}")
        self.run(
            f"CREATE TABLE {self.source(name)} AS SELECT CAST(n AS bigint) AS id, 'w' || n AS word "
            f"FROM generate_series(0, {rows} - 1) AS n"
        )
        return self.name(name)
