"""Snowflake, or what stands in for it, as ground for tests: a schema of its own, every column type, and a session beside
the warehouse's."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.snowflake import DATABASE, RunningSnowflake
from mixpanel_wh_tests.warehouses.ground import Ground, Kinds, Typed

EVERY_TYPE = (
    Typed("BOOLEAN", "TRUE", "FALSE"),
    Typed("NUMBER(38,0)", "9223372036854775807", "9223372036854775806"),
    Typed("NUMBER(37,0)", "1234567890123456789012345678901234567", "1234567890123456789012345678901234568"),
    Typed("NUMBER(5,0)", "-32768", "32767"),
    Typed("BIGINT", "-9223372036854775808", "9223372036854775807"),
    Typed("INTEGER", "1", "2"),
    Typed("NUMBER(18,3)", "1.5", "1.501"),
    Typed("NUMBER(38,10)", "CAST('1234567890123456789012345678.0000000001' AS NUMBER(38,10))",
          "CAST('1234567890123456789012345678.0000000002' AS NUMBER(38,10))"),
    Typed("NUMBER(38,37)", "CAST('0.0000000000000000000000000000000000001' AS NUMBER(38,37))", "0"),
    Typed("FLOAT", "0.1", "CAST('0.30000000000000004' AS FLOAT)"),
    Typed("FLOAT", "CAST('1e300' AS FLOAT)", "CAST('-1e-300' AS FLOAT)"),
    Typed("VARCHAR", "'a'", "'b'"),
    Typed("VARCHAR", r"'it''s \\ \n \t \\N'", r"'it''s \\ \n \t \\\\N'"),
    Typed("VARCHAR(10)", "'a'", "'a '"),
    Typed("CHAR(3)", "'a'", "'b'"),
    Typed("BINARY", "TO_BINARY('00FF', 'HEX')", "TO_BINARY('00FE', 'HEX')"),
    Typed("BINARY", "TO_BINARY('', 'HEX')", "TO_BINARY('00', 'HEX')"),
    Typed("DATE", "CAST('2024-03-01' AS DATE)", "CAST('0001-01-01' AS DATE)"),
    Typed("TIME", "CAST('12:00:00' AS TIME)", "CAST('23:59:59.999999' AS TIME)"),
    Typed("TIMESTAMP_NTZ", "CAST('2024-03-01 12:00:00.000001' AS TIMESTAMP_NTZ)",
          "CAST('9999-12-31 23:59:59.999999' AS TIMESTAMP_NTZ)"),
    Typed("TIMESTAMP_NTZ(0)", "CAST('2024-03-01 12:00:00' AS TIMESTAMP_NTZ)", "CAST('0001-01-01 00:00:00' AS TIMESTAMP_NTZ)"),
    Typed("TIMESTAMP_LTZ", "CAST('2024-03-01 12:00:00+00' AS TIMESTAMP_LTZ)", "CAST('2024-03-01 12:00:00.5+00' AS TIMESTAMP_LTZ)"),
    Typed("TIMESTAMP_TZ", "CAST('2024-03-01 12:00:00+00' AS TIMESTAMP_TZ)", "CAST('2024-03-01 12:00:00+01' AS TIMESTAMP_TZ)"),
    Typed("VARIANT", "PARSE_JSON('{\"a\": [1, null, \"x\"]}')", "PARSE_JSON('{\"a\": [1, null, \"y\"]}')"),
    Typed("VARIANT", "PARSE_JSON('1')", "PARSE_JSON('\"1\"')"),
    Typed("OBJECT", "PARSE_JSON('{\"a\": 1}')", "PARSE_JSON('{\"a\": 2}')"),
    Typed("ARRAY", "PARSE_JSON('[1, null]')", "PARSE_JSON('[1, 2]')"),
)  # fmt: skip
KINDS = Kinds(text="VARCHAR", integer="NUMBER(38,0)", double="FLOAT", boolean="BOOLEAN", date="DATE",
              timestamp="TIMESTAMP_NTZ", timestamp_tz="TIMESTAMP_TZ")  # fmt: skip


@dataclass
class SnowflakeGround(Ground):
    """A schema that goes at the end, and a staging schema beside it; `settings` are those of the warehouse beside its
    address."""

    server: RunningSnowflake
    settings: dict[str, Any] = field(default_factory=dict)
    schema: str = field(default_factory=lambda: f"SHOP_{uuid4().hex[:12].upper()}")
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.parts = (DATABASE, self.schema)
        self.staging = f"{self.schema}_STAGING"
        self.session = self.server.connect()
        self.run(f'CREATE SCHEMA "{DATABASE}"."{self.schema}"')

    def close(self) -> None:
        """Everything that was made here goes."""
        streams = self.server.engine.streams.streams
        for name in [name for name in streams if f'"{self.staging}"' in name]:
            del streams[name]
        for schema in (self.schema, self.staging):
            self.run(f'DROP SCHEMA IF EXISTS "{DATABASE}"."{schema}" CASCADE')
        self.session.close()

    def open(self) -> Warehouse:
        """The warehouse on this schema."""
        given = {"staging_schema": self.staging, "schemas": [self.schema], **self.settings}
        return open_warehouse("snowflake", self.server.settings(**given))

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.session.cursor().execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(self.session.cursor().execute(sql).fetchall())

    def literal(self, value: object) -> str:
        """A value as SQL text; a backslash begins an escape."""
        return super().literal(str(value).replace("\\", "\\\\"))

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        self.run(f"DROP TABLE IF EXISTS {self.source(name)}")
        self.run(f'CREATE TABLE {self.source(name)} ("id" NUMBER(38,0), "word" VARCHAR)')
        # In the engine's own words: a generator of rows is no part of what is tested.
        self.session._duck_conn.execute(f"INSERT INTO {self.source(name)} SELECT n, 'w' || n FROM range({rows}) AS r(n)")
        self.server.engine.altered(self.source(name))
        return self.name(name)
