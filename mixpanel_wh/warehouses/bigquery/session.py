"""Statements of one client, and transactions as single scripts: what changes tables waits for the end of the block and
is then run as one job, `BEGIN TRANSACTION … COMMIT TRANSACTION`, so that nothing is locked meanwhile.

BigQuery takes no statement that makes or drops a table into a transaction, and a query sees only what is committed. So
inside a block such statements and queries first run what waits before them, each by itself. Whoever does that must
leave nothing behind that a crash could turn into a wrong result: the snapshots stage into tables of their own, and the
pending run, which alone makes them count, is written last.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from google.api_core import exceptions as google
from google.cloud import bigquery

from mixpanel_wh.warehouses.bigquery import loading
from mixpanel_wh.warehouses.bigquery.arrow import plainly
from mixpanel_wh.warehouses.bigquery.dialect import PARAMETER
from mixpanel_wh.warehouses.bigquery.jobs import Jobs, Ran, mentioned, renamed
from mixpanel_wh.warehouses.bigquery.reading import Reader
from mixpanel_wh.warehouses.bigquery.trouble import TooLarge, explaining
from mixpanel_wh.warehouses.session import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

DROP = re.compile(r"DROP TABLE IF EXISTS (\S+)")
MAKE = re.compile(r"CREATE TABLE IF NOT EXISTS (\S+) \(")
CONSTANT = re.compile(r"SELECT '(\w+)'")
CHANGE = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE)\b")
SCRIPT_BYTES = 8_000_000  # a request may hold ten million
Statement = tuple[str, dict[str, Any]]


@dataclass
class BigQuerySession:
    """`session.Session` over BigQuery's jobs."""

    jobs: Jobs
    reader: Reader
    depth: int = 0
    waiting: list[Statement] = field(default_factory=list)
    to_drop: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Give the connections back."""
        self.jobs.client.close()  # type: ignore[no-untyped-call]
        if self.reader.storage is not None:
            self.reader.storage.transport.close()  # type: ignore[no-untyped-call]

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement; inside a transaction one that changes rows waits for the end of it."""
        with self.lock:
            if self.depth and CHANGE.match(sql):
                self.waiting.append((sql, dict(parameters or {})))
                return
            self._catch_up()
            if not self._over_api(sql):
                self.jobs.run(sql, parameters)

    def _over_api(self, sql: str) -> bool:
        """Whether a statement that makes or drops a table was done by a call of the API: a tenth of a job's time."""
        dropped, made = DROP.fullmatch(sql), MAKE.match(sql)
        with explaining(self.jobs.place):
            if dropped:
                self.jobs.client.delete_table(plain_name(dropped[1]), not_found_ok=True)
            return bool(dropped or (made and self._is_there(plain_name(made[1]))))

    def _is_there(self, name: str) -> bool:
        try:
            self.jobs.client.get_table(name)
        except google.NotFound:
            return False
        return True

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer; a constant needs no job."""
        constant = CONSTANT.fullmatch(sql)
        if constant:
            return [(constant[1],)]
        with self.lock:
            self._catch_up()
            found = self.jobs.run(sql, parameters)
            with explaining(self.jobs.place):
                return [tuple(row.values()) for row in found.rows]

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query and stream its answer, which is of one moment; a dry run says first what it would scan."""
        with self.lock:
            self._catch_up()
            listed = plainly(self.jobs.described(sql, parameters).schema or ())
            whole = sql if listed == "*" else f"SELECT {listed} FROM ({sql}) AS answer"
            try:
                found, kept = self.jobs.run(whole, parameters), None
            except TooLarge:
                found, kept = self._into_table(whole, parameters)
        try:
            yield from self.reader.rows(found)
        finally:
            if kept is not None:
                self.jobs.client.delete_table(kept, not_found_ok=True)

    def _into_table(self, sql: str, parameters: Parameters | None) -> tuple[Ran, bigquery.TableReference]:
        """Run a query into a table of the staging dataset, where an answer may have any size."""
        place = self.jobs.place
        named = f"{place.project}.{place.staging}.answer_{uuid4().hex}"
        target = bigquery.TableReference.from_string(named)
        return self.jobs.run(sql, parameters, destination=target), target

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """BigQuery runs elsewhere."""
        return nullcontext()

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name, as a part of the transaction around."""
        if not rows:
            return
        names, types = rows[0].schema.names, self._types(table)
        sql = loading.insert_statement(table, names, types, f"@{PARAMETER}rows")
        for text in loading.rows_as_json(rows):
            self.execute(sql, {"rows": text})

    def add(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table at once, whatever becomes of the transaction around; many by a load job."""
        with self.lock:
            if sum(batch.num_rows for batch in rows) < loading.LOAD_FROM:
                names, types = rows[0].schema.names, self._types(table)
                sql = loading.insert_statement(table, names, types, f"@{PARAMETER}rows")
                for text in loading.rows_as_json(rows):
                    self.jobs.run(sql, {"rows": text})
                return
            with explaining(self.jobs.place):
                loading.load(self.jobs.client, plain_name(table), rows, self.jobs.labels)

    def _types(self, table: str) -> dict[str, str]:
        with explaining(self.jobs.place):
            found = self.jobs.client.get_table(plain_name(table))
        return {one.name: STANDARD.get(one.field_type, one.field_type) for one in found.schema}

    def finally_drop(self, table: str) -> None:
        """Drop a table once the transaction around is committed."""
        with self.lock:
            if self.depth:
                self.to_drop.append(table)
            else:
                self.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What changes rows inside is committed together at the end or not at all; nested use joins the outer one."""
        with self.lock:
            self.depth += 1
            try:
                yield
                if self.depth == 1:
                    self._commit()
            finally:
                self.depth -= 1
                if not self.depth:
                    self.waiting.clear()
                    self.to_drop.clear()

    def alone(self) -> AbstractContextManager[None]:
        """A transaction; what must exclude others does so by single statements, see `state`."""
        return self.transaction()

    def _catch_up(self) -> None:
        """Run what waits, for whoever comes after it."""
        while self.waiting:
            self.jobs.run(*self.waiting.pop(0))

    def _commit(self) -> None:
        for part in in_requests(self.waiting):
            self.jobs.run(*script(part))
        self.waiting.clear()
        for table in self.to_drop:
            self._over_api(f"DROP TABLE IF EXISTS {table}")


# The API's older names of types, which no cast takes.
STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def plain_name(table: str) -> str:
    """A quoted name of three parts as the API takes it."""
    return table.replace("`", "")


def in_requests(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """The statements in as many parts as fit into a request each: one part, but for a flood of rejections."""
    part: list[Statement] = []
    size = 0
    for sql, parameters in statements:
        texts = [sql, *(value for value in parameters.values() if isinstance(value, str))]
        added = sum(loading.request_bytes(text) for text in texts)
        if part and size + added > SCRIPT_BYTES:
            yield part
            part, size = [], 0
        part.append((sql, parameters))
        size += added
    if part:
        yield part


def script(statements: Sequence[Statement]) -> Statement:
    """One statement as it is, several as a transaction, whose parameters are told apart by number."""
    if len(statements) == 1:
        return statements[0]
    lines: list[str] = ["BEGIN TRANSACTION"]
    parameters: dict[str, Any] = {}
    for number, (sql, values) in enumerate(statements):
        prefix = f"s{number}_"
        lines.append(renamed(sql, prefix))
        parameters |= {f"{prefix}{name}": values[name] for name in mentioned(sql) if name in values}
    return ";\n".join([*lines, "COMMIT TRANSACTION"]) + ";", parameters
