"""DuckDB as ground for tests: a file of its own, every column type it has, and a connection beside the warehouse's."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.warehouses.ground import Ground, Typed

EVERY_TYPE = (
    Typed("BOOLEAN", "true", "false"),
    Typed("TINYINT", "-128", "127"),
    Typed("SMALLINT", "1", "2"),
    Typed("INTEGER", "1", "2"),
    Typed("BIGINT", "9223372036854775807", "9223372036854775806"),
    Typed("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105726"),
    Typed("UTINYINT", "0", "255"),
    Typed("USMALLINT", "1", "2"),
    Typed("UINTEGER", "1", "2"),
    Typed("UBIGINT", "18446744073709551615", "18446744073709551614"),
    Typed("FLOAT", "1.5", "1.25"),
    Typed("DOUBLE", "0.1", "0.30000000000000004"),
    Typed("DECIMAL(18,3)", "1.500", "1.501"),
    Typed("DECIMAL(38,10)", "1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    Typed("VARCHAR", "'a'", "'b'"),
    Typed("ENUM('x', 'y')", "'x'", "'y'"),
    Typed("UUID", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    Typed("DATE", "'2024-03-01'", "'2024-03-02'"),
    Typed("TIME", "'12:00:00'", "'12:00:00.000001'"),
    Typed("TIMESTAMP", "'2024-03-01 12:00:00.000001'", "'2024-03-01 12:00:00.000002'"),
    Typed("TIMESTAMP_S", "'2024-03-01 12:00:00'", "'2024-03-01 12:00:01'"),
    Typed("TIMESTAMP_MS", "'2024-03-01 12:00:00.001'", "'2024-03-01 12:00:00.002'"),
    Typed("TIMESTAMP_NS", "'2024-03-01 12:00:00.000000001'", "'2024-03-01 12:00:00.000000002'"),
    Typed("TIMESTAMP WITH TIME ZONE", "'2024-03-01 12:00:00+00'", "'2024-03-01 12:00:00+01'"),
    Typed("BLOB", r"'\x00\xFF'", r"'\x00\xFE'"),
    Typed("INTERVAL", "INTERVAL 1 DAY", "INTERVAL 2 DAY"),
    Typed("JSON", """'{"a":1}'""", """'{"a":2}'"""),
    Typed("INTEGER[]", "[1, NULL]", "[1, 2]"),
    Typed("INTEGER[2]", "[1, 2]", "[2, 1]"),
    Typed("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': NULL}", "{'a': 1, 'b': ''}"),
    Typed("MAP(VARCHAR, INTEGER)", "MAP {'a': 1}", "MAP {'a': 2}"),
    Typed("STRUCT(a VARCHAR[])[]", "[{'a': ['x']}]", "[{'a': ['y']}]"),
)


@dataclass
class DuckDBGround(Ground):
    """A DuckDB database, in memory unless `path` is a file; `settings` are those of the warehouse beside its path.

    Connections of one process to a database in memory share it when they call it by one name.
    """

    path: Path = field(default_factory=lambda: Path(f":memory:{uuid4().hex}"))
    settings: dict[str, Any] = field(default_factory=dict)
    every_type: tuple[Typed, ...] = EVERY_TYPE
    parts: tuple[str, ...] = ("main",)

    def __post_init__(self) -> None:
        self.connection = duckdb.connect(str(self.path))
        self.connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def open(self) -> Warehouse:
        """The warehouse on the same file, in the same process."""
        return open_warehouse("duckdb", {"path": str(self.path), "create": True} | self.settings)

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql).fetchall()

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        counted = f"SELECT range AS id, 'w' || range AS word FROM range({rows})"
        self.run(f"CREATE OR REPLACE TABLE {self.source(name)} AS {counted}")
        return self.name(name)
