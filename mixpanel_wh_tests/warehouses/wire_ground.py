"""What Postgres and Redshift are alike as ground for tests: one schema of a server, made and changed over psycopg."""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

import psycopg

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.warehouses.ground import Ground


class Server(Protocol):
    """A server that runs for the tests."""

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection beside the warehouse's, which commits each statement."""


AServer = TypeVar("AServer", bound=Server)


@dataclass
class WireGround(Ground, Generic[AServer]):
    """A schema that goes at the end, and a staging schema beside it; `settings` are those of the warehouse beside its
    address, `kind` is its name among the warehouses."""

    server: AServer
    settings: dict[str, Any] = field(default_factory=dict)
    schema: str = field(default_factory=lambda: f"shop_{uuid4().hex[:12]}")
    kind = ""

    def __post_init__(self) -> None:
        self.parts = (self.schema,)
        self.staging = f"{self.schema}_staging"
        self.connection = self.server.connect()
        self.run(f'CREATE SCHEMA "{self.schema}"')
        self.run(f'SET search_path = "{self.schema}"')

    def close(self) -> None:
        """Everything that was made here goes."""
        self.connection.execute("SET client_min_messages = error")
        self.run(f'DROP SCHEMA IF EXISTS "{self.schema}", "{self.staging}" CASCADE')
        self.connection.close()

    def chosen(self) -> dict[str, Any]:
        """The settings of the warehouse beside the server's address."""
        return {"staging_schema": self.staging, "schemas": [self.schema], **self.settings}

    def open(self) -> Warehouse:
        """The warehouse on this schema."""
        return open_warehouse(self.kind, self.server.settings(**self.chosen()))

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
            f"CREATE TABLE {self.source(name)} AS SELECT CAST(n AS bigint) AS id, "
            f"CAST('w' || n AS {self.kinds.text}) AS word FROM generate_series(0, {rows} - 1) AS n"
        )
        return self.name(name)
