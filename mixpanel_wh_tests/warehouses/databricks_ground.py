"""Databricks as ground for tests: a schema of its own in one server, every column type, and statements that do not go
through the warehouse's session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.ground import Ground, Kinds, Typed

EVERY_TYPE = (
    Typed("BOOLEAN", "true", "false"),
    Typed("TINYINT", "-128", "127"),
    Typed("SMALLINT", "1", "2"),
    Typed("INT", "1", "2"),
    Typed("BIGINT", "9223372036854775807", "9223372036854775806"),
    Typed("FLOAT", "1.5", "1.25"),
    Typed("DOUBLE", "CAST('0.1' AS DOUBLE)", "CAST('0.30000000000000004' AS DOUBLE)"),
    Typed("DECIMAL(18,3)", "1.500", "1.501"),
    Typed("DECIMAL(38,10)", "CAST('1234567890123456789012345678.0000000001' AS DECIMAL(38,10))",
          "CAST('1234567890123456789012345678.0000000002' AS DECIMAL(38,10))"),
    Typed("STRING", "'a'", "'b'"),
    Typed("STRING", "'tab\\t, line\\n and \\\\'", "'tab\\t, line\\n and \\\\\\\\'"),
    Typed("VARCHAR(10)", "'a'", "'a '"),
    Typed("DATE", "DATE '2024-03-01'", "DATE '0001-01-01'"),
    Typed("TIMESTAMP", "TIMESTAMP '2024-03-01 12:00:00+00:00'", "TIMESTAMP '2024-03-01 12:00:00+01:00'"),
    Typed("TIMESTAMP", "TIMESTAMP '2024-03-01 12:00:00.000001+00:00'", "TIMESTAMP '2024-03-01 12:00:00.000002+00:00'"),
    Typed("TIMESTAMP_NTZ", "TIMESTAMP_NTZ '2024-03-01 12:00:00.000001'", "TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'"),
    Typed("BINARY", "X'00FF'", "X'00FE'"),
    Typed("BINARY", "X''", "X'00'"),
    Typed("ARRAY<INT>", "array(1, NULL)", "array(NULL, 1)"),
    Typed("ARRAY<STRING>", "array('a', 'bc')", "array('ab', 'c')"),
    Typed("STRUCT<a: INT, b: STRING>", "named_struct('a', 1, 'b', NULL)", "named_struct('a', 1, 'b', '')"),
    Typed("STRUCT<moment: TIMESTAMP_NTZ>", "named_struct('moment', TIMESTAMP_NTZ '2024-03-01 12:00:00.000001')",
          "named_struct('moment', TIMESTAMP_NTZ '2024-03-01 12:00:00.000002')"),
    Typed("MAP<STRING, INT>", "map('a', 1)", "map('a', NULL)"),
    Typed("ARRAY<STRUCT<a: ARRAY<STRING>>>", "array(named_struct('a', array('x')))", "array(named_struct('a', array('y')))"),
    Typed("VARIANT", "parse_json('{\"a\": 1}')", "parse_json('{\"a\": 2}')"),
)  # fmt: skip
KINDS = Kinds(text="STRING", integer="BIGINT", double="DOUBLE", boolean="BOOLEAN", date="DATE",
              timestamp="TIMESTAMP_NTZ", timestamp_tz="TIMESTAMP")  # fmt: skip
# Unity Catalog takes no spaces, dots or slashes in names of tables, and keeps them in lower case; columns are free.
NASTY_NAMES = (
    "it's", 'a"quoted"name', "naïve名前🙂", "select", "semi;colon--", "two words", "_x", "MixedCase", "100%", "dot.dot",
    "back`tick", "a=b,c",
)  # fmt: skip
PROPERTIES = {"delta.columnMapping.mode": "name"}


@dataclass
class DatabricksGround(Ground):
    """A schema that goes at the end, and a staging schema beside it. With `feeds`, tables have a change data feed."""

    server: RunningDatabricks
    settings: dict[str, Any] = field(default_factory=dict)
    feeds: bool = True
    schema: str = field(default_factory=lambda: f"shop_{uuid4().hex[:12]}")
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    nasty_names: tuple[str, ...] = NASTY_NAMES

    def __post_init__(self) -> None:
        self.parts = ("main", self.schema)
        self.staging = f"{self.schema}_staging"
        self.run(f"CREATE SCHEMA main.{self.schema}")

    def close(self) -> None:
        """Everything that was made here goes."""
        for schema in (self.schema, self.staging):
            self.run(f"DROP SCHEMA IF EXISTS main.{schema} CASCADE")

    def open(self) -> Warehouse:
        """The warehouse on this schema."""
        given = {"staging_schema": self.staging, "schemas": [self.schema], **self.settings}
        return open_warehouse("databricks", self.server.settings(**given))

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.server.run(sql, self.schema)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        columns = [column.to_pylist() for column in self.server.run(sql, self.schema).columns]
        return list(zip(*columns, strict=True))

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return "`" + identifier.replace("`", "``") + "`"

    def literal(self, value: object) -> str:
        """A value as SQL text, before it is cast."""
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"

    def properties(self) -> str:
        """What new tables are made with."""
        given = PROPERTIES | ({"delta.enableChangeDataFeed": "true"} if self.feeds else {})
        return "TBLPROPERTIES (" + ", ".join(f"'{name}' = '{value}'" for name, value in given.items()) + ")"

    def make(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]] = ()) -> TableName:
        """A new table in place of any that is there, with its rows."""
        listed = ", ".join(f"{self.quote(name)} {type}" for name, type in columns.items())
        self.run(f"DROP TABLE IF EXISTS {self.source(table)}")
        self.run(f"CREATE TABLE {self.source(table)} ({listed}) {self.properties()}")
        if rows:
            self.add(table, columns, rows)
        return self.name(table)

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        self.run(
            f"CREATE OR REPLACE TABLE {self.source(name)} {self.properties()} AS "
            f"SELECT id, concat('w', id) AS word FROM range({rows})"
        )
        return self.name(name)
