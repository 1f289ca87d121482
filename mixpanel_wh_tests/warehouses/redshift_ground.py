"""Redshift as ground for tests: a schema of its own in the stand-in, every column type that can be sent, and a
connection beside the warehouse's."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.ground import NASTY_NAMES, Ground, Kinds, Typed

BUCKET = "unloads"
EVERY_TYPE = (
    Typed("boolean", "true", "false"),
    Typed("smallint", "-32768", "32767"),
    Typed("integer", "1", "2"),
    Typed("bigint", "9223372036854775807", "9223372036854775806"),
    Typed("real", "1.5", "1.25"),
    Typed("double precision", "0.1", "0.30000000000000004"),
    Typed("numeric(18,3)", "1.500", "1.501"),
    Typed("numeric(38,10)", "1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    Typed("numeric", "100", "200"),
    Typed("varchar(65535)", "'a'", "'b'"),
    Typed("varchar(max)", r"'tab\t, line\n, \\N and \\\\'", r"'tab\t, line\n, \\N and \\'"),
    Typed("character varying(10)", "'a'", "'a '"),
    Typed("character(3)", "'a'", "'b'"),
    Typed("text", "'a'", "'b'"),
    Typed("date", "'2024-03-01'", "'0001-01-01'"),
    Typed("time", "'12:00:00'", "'23:59:59.999999'"),
    Typed("timetz", "'12:00:00+00'", "'13:00:00+01'"),
    Typed("timestamp", "'2024-03-01 12:00:00.000001'", "'9999-12-31 23:59:59.999999'"),
    Typed("timestamptz", "'2024-03-01 12:00:00+00'", "'2024-03-01 12:00:00+01'"),
    Typed("super", r"""JSON_PARSE('{"a": 1}')""", r"""JSON_PARSE('{"a": [1, null]}')"""),
    Typed("super", r"""JSON_PARSE('{"a": "\\"x\\\\\\n"}')""", r"""JSON_PARSE('{"a": "\\"x\\\\\\\\n"}')"""),
)
KINDS = Kinds(text="varchar(65535)", integer="bigint", double="double precision", boolean="boolean", date="date",
              timestamp="timestamp", timestamp_tz="timestamptz")  # fmt: skip


@dataclass
class RedshiftGround(Ground):
    """A schema that goes at the end, and a staging schema beside it; `settings` are those of the warehouse beside its
    address. With `unload`, every answer goes through S3."""

    server: RunningRedshift
    unload: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    schema: str = field(default_factory=lambda: f"shop_{uuid4().hex[:12]}")
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    nasty_names: tuple[str, ...] = NASTY_NAMES
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.parts = (self.schema,)
        self.staging = f"{self.schema}_staging"
        self.connection = self.server.connect()
        self.run(f'CREATE SCHEMA "{self.schema}"')
        self.run(f'SET search_path = "{self.schema}"')

    @property
    def place(self) -> str:
        """Where this ground's answers go in S3."""
        return f"s3://{BUCKET}/{self.schema}"

    def close(self) -> None:
        """Everything that was made here goes."""
        self.run(f'DROP SCHEMA IF EXISTS "{self.schema}", "{self.staging}" CASCADE')
        self.connection.close()

    def open(self) -> Warehouse:
        """The warehouse on this schema."""
        given: dict[str, Any] = {"staging_schema": self.staging, "schemas": [self.schema]}
        if self.unload:
            given |= {"unload_to": self.place, "s3_endpoint": self.server.s3, "unload_rows": 0}
        return open_warehouse("redshift", self.server.settings(**given | self.settings))

    def run(self, sql: str) -> None:
        """Run a statement, and let its statistics be seen at once: by itself a connection waits some seconds."""
        self.connection.execute(sql.encode())
        self.connection.execute("SELECT pg_stat_force_next_flush()")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql.encode()).fetchall()

    def literal(self, value: object) -> str:
        """A value as SQL text; a backslash is an escape."""
        return super().literal(str(value).replace("\\", "\\\\"))

    def value(self, value: object, type: str) -> str:
        """A value as a SQL expression of that type; SUPER is made of JSON."""
        if type == "super" and value is not None:
            return f"JSON_PARSE({self.literal(value)})"
        return super().value(value, type)

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        self.run(f"DROP TABLE IF EXISTS {self.source(name)}")
        self.run(
            f"CREATE TABLE {self.source(name)} AS SELECT CAST(n AS bigint) AS id, CAST('w' || n AS varchar(65535)) AS word "
            f"FROM generate_series(0, {rows} - 1) AS n"
        )
        return self.name(name)
