"""The staging schema: where snapshots, ledgers and state stand, and how their tables are named."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from mixpanel_wh.warehouses.dialect import Dialect
from mixpanel_wh.warehouses.session import Session

# Texts all, but for the numbers named below. One row a sync where a row is replaced: not every warehouse holds a key.
STATE_TABLES: dict[str, tuple[str, ...]] = {
    "checkpoints": ("sync", "checkpoint", "committed_at"),
    "pending_runs": ("sync", "pending", "updated_at"),
    "leases": ("sync", "holder", "expires_at"),
    "rejected_rows": ("sync", "run_id", "rejected_at", "row_key", '"column"', "reason", "origin"),
    "run_results": ("sync", "run_id", "started_at", "result"),
    "snapshots": ("sync", "buckets", "signature", "release"),
}
NUMBERS = {"buckets": "BIGINT"}


@dataclass
class Staging:
    """The staging schema of one open warehouse; `parts` is its (catalogue and) name."""

    session: Session
    dialect: Dialect
    parts: tuple[str, ...]
    ready: bool = False
    apart: ClassVar[bool] = False
    """Whether the tables stand where the SQL of the warehouse cannot name them."""

    @property
    def schema(self) -> str:
        """The schema, quoted."""
        return ".".join(self.dialect.quote(part) for part in self.parts)

    def table(self, name: str, sync: str | None = None) -> str:
        """A table of the schema, quoted; with `sync`, that sync's own table of the kind `name`."""
        return f"{self.schema}.{self.dialect.quote(self._named(name, sync))}"

    def _named(self, name: str, sync: str | None) -> str:
        """A table's name; one that the warehouse would cut ends in a hash instead."""
        whole = f"{name}_{sync}" if sync else name
        longest, written = self.dialect.longest_name, whole.encode()
        if longest is None or len(written) <= longest:
            return whole
        ending = f"_{hashlib.md5(written, usedforsecurity=False).hexdigest()}"
        return written[: longest - len(ending)].decode(errors="ignore") + ending

    def ensure(self) -> None:
        """Create the schema and the state tables where they are missing."""
        if self.ready:
            return
        with self.session.alone():
            if not self._has_schema():  # asked first: some warehouses demand the right to make one even then
                self.session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            for name, columns in STATE_TABLES.items():
                typed = (f"{self._written(one)} {NUMBERS.get(one, self.dialect.text_type)}" for one in columns)
                self.session.execute(f"CREATE TABLE IF NOT EXISTS {self.table(name)} ({', '.join(typed)})")
        self.ready = True

    def _written(self, column: str) -> str:
        """A column's name; one that stands in quotes above is a reserved word, quoted as each warehouse does."""
        return self.dialect.quote(column.strip('"')) if column.startswith('"') else column

    def _has_schema(self) -> bool:
        *catalogue, schema = self.parts
        parameters = {"schema": schema} | ({"catalogue": catalogue[0]} if catalogue else {})
        return bool(self.session.rows(self.dialect.schema_found(bool(catalogue)), parameters))

    def exists(self, name: str, sync: str | None = None) -> bool:
        """Whether the table is there."""
        where, parameters = self._listed(name, sync)
        found = self.session.rows(f"SELECT count(*) FROM information_schema.tables WHERE {where}", parameters)
        return bool(found[0][0])

    def columns(self, name: str, sync: str | None = None) -> list[str]:
        """The column names of a table, in order."""
        where, parameters = self._listed(name, sync)
        listed = f"SELECT column_name FROM information_schema.columns WHERE {where} ORDER BY ordinal_position"
        return [str(row[0]) for row in self.session.rows(listed, parameters)]

    def _listed(self, name: str, sync: str | None) -> tuple[str, dict[str, object]]:
        """The condition that finds a table in the information schema, which also lists other catalogues."""
        values = {"table_schema": self.parts[-1], "table_name": self._named(name, sync)}
        if len(self.parts) > 1:
            values["table_catalog"] = self.parts[0]
        return " AND ".join(f"{column} = {self.dialect.parameter(column)}" for column in values), dict(values)
