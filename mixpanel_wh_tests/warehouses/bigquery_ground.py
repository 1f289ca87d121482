"""BigQuery as ground for tests: a dataset of its own in one server, every column type, and a client beside the
warehouse's."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from google.cloud import bigquery

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.bigquery import PROJECT, RunningBigQuery
from mixpanel_wh_tests.warehouses.contract_partitions import DividedGround
from mixpanel_wh_tests.warehouses.ground import Kinds, Typed

EVERY_TYPE = (
    Typed("BOOL", "TRUE", "FALSE"),
    Typed("INT64", "9223372036854775807", "9223372036854775806"),
    Typed("FLOAT64", "0.1", "0.30000000000000004"),
    Typed("NUMERIC", "NUMERIC '12345678901234567890.123456789'", "NUMERIC '12345678901234567890.123456788'"),
    Typed("NUMERIC(10, 2)", "NUMERIC '1.5'", "NUMERIC '1.51'"),
    Typed("BIGNUMERIC(38, 12)", "BIGNUMERIC '12345678901234567890.000000000001'",
          "BIGNUMERIC '12345678901234567890.000000000002'"),
    Typed("STRING", "'a'", "'b'"),
    Typed("STRING", "'tab\\t, line\\n, \\\\N'", "'tab\\t, line\\n, \\\\n'"),
    Typed("STRING(10)", "'a'", "'a '"),
    Typed("BYTES", "b'\\x00\\xff'", "b'\\x00\\xfe'"),
    Typed("BYTES", "b''", "b'\\x00'"),
    Typed("DATE", "DATE '2024-03-01'", "DATE '0001-01-01'"),
    Typed("TIME", "TIME '12:00:00'", "TIME '12:00:00.000001'"),
    Typed("DATETIME", "DATETIME '2024-03-01 12:00:00.000001'", "DATETIME '9999-12-31 23:59:59.999999'"),
    Typed("TIMESTAMP", "TIMESTAMP '2024-03-01 12:00:00+00'", "TIMESTAMP '2024-03-01 12:00:00+01'"),
    Typed("INTERVAL", "INTERVAL 1 MONTH", "INTERVAL 2 MONTH"),
    Typed("JSON", """JSON '{"a": 1}'""", """JSON '{"a": 2}'"""),
    Typed("GEOGRAPHY", "ST_GEOGPOINT(1, 2)", "ST_GEOGPOINT(1, 3)"),
    Typed("RANGE<DATE>", "RANGE<DATE> '[2024-01-01, 2024-02-01)'", "RANGE<DATE> '[2024-01-01, UNBOUNDED)'"),
    Typed("STRUCT<a INT64, b STRING>", "STRUCT(1 AS a, 'x' AS b)", "STRUCT(1 AS a, CAST(NULL AS STRING) AS b)"),
    Typed("STRUCT<a ARRAY<INT64>>", "STRUCT([1, 2] AS a)", "STRUCT([1] AS a)"),
    Typed("STRUCT<j JSON>", """STRUCT(JSON '{"a": 1}' AS j)""", """STRUCT(JSON '{"a": 2}' AS j)"""),
)  # fmt: skip
# Of a table as of a column: BigQuery allows letters, digits, spaces, dashes and underscores in both.
NASTY_NAMES = ("two words", "naïve 名前", "select", "MixedCase", "x-y_z", "Ünïcode", "9 lives")
KINDS = Kinds(text="STRING", integer="INT64", double="FLOAT64", boolean="BOOL", date="DATE", timestamp="DATETIME",
              timestamp_tz="TIMESTAMP")  # fmt: skip


@dataclass
class BigQueryGround(DividedGround):
    """A dataset, and a staging dataset beside it; `settings` are those of the warehouse beside its address."""

    server: RunningBigQuery
    settings: dict[str, Any] = field(default_factory=dict)
    dataset: str = field(default_factory=lambda: f"shop_{uuid4().hex[:12]}")
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    nasty_names: tuple[str, ...] = NASTY_NAMES
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.parts = (self.dataset,)
        self.staging = f"{self.dataset}_staging"
        self.client = self.server.client(self.dataset)
        self.client.create_dataset(f"{PROJECT}.{self.dataset}")

    def close(self) -> None:
        """Everything that was made here goes."""
        for dataset in (self.dataset, self.staging):
            self.client.delete_dataset(f"{PROJECT}.{dataset}", delete_contents=True, not_found_ok=True)
        self.client.close()  # type: ignore[no-untyped-call]

    def open(self) -> Warehouse:
        """The warehouse on this dataset."""
        given = {"staging_schema": self.staging, "dataset": self.dataset, "labels": {"staging": self.staging}}
        return open_warehouse("bigquery", self.server.settings(**given | self.settings))

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.client.query(sql).result()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row.values()) for row in self.client.query(sql).result()]

    def jobs(self) -> list[bigquery.QueryJob]:
        """The jobs that the warehouse of this ground ran, the oldest first."""
        return self.server.jobs(self.client, self.staging)

    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows."""
        self.run(f"DROP TABLE IF EXISTS {self.source(name)}")
        self.run(
            f"CREATE TABLE {self.source(name)} AS SELECT n AS id, CONCAT('w', CAST(n AS STRING)) AS word "
            f"FROM UNNEST(GENERATE_ARRAY(0, {rows} - 1)) AS n"
        )
        return self.name(name)

    def divide(self, name: str, days: list[str]) -> TableName:
        """An empty table with a partition for each day that gets rows: BigQuery makes them as they come."""
        self.run(f"DROP TABLE IF EXISTS {self.source(name)}")
        self.run(f"CREATE TABLE {self.source(name)} (id INT64, day DATE, word STRING) PARTITION BY day")
        return self.name(name)

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def literal(self, value: object) -> str:
        """A value as SQL text, before it is cast."""
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
