"""A compiled statement: the SQL that writes the lines of one pattern of batches, and the SQL that says why not."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from mixpanel_wh.mixpanel.records.pattern import Pattern
from mixpanel_wh.mixpanel.records.sql import every, literal

_thread = threading.local()


@dataclass(frozen=True)
class Rule:
    """A condition that every row must meet: `holds` is SQL (a NULL counts as a no), `reason` SQL for the text of the
    rejection, `column` the source column at fault where there is one."""

    holds: str
    reason: str
    column: str | None = None


@dataclass(frozen=True)
class Statement:
    """`line` is SQL for a row's records; `rules` are the conditions that a row of the batch might break."""

    line: str
    rules: tuple[Rule, ...] = ()
    records_per_row: int = 1

    @property
    def lines_sql(self) -> str:
        """Every row's line, NULL where a rule is broken."""
        good = every([rule.holds for rule in self.rules])
        line = f"CASE WHEN {good} THEN {self.line} END" if self.rules else self.line
        return f"SELECT {line} AS line FROM rows"

    @property
    def reasons_sql(self) -> str:
        """The first broken rule of every row: `column` and `reason`."""
        if not self.rules:
            return 'SELECT CAST(NULL AS VARCHAR) AS "column", CAST(NULL AS VARCHAR) AS reason FROM rows'
        broken = [f"WHEN ({rule.holds}) IS NOT TRUE THEN" for rule in self.rules]
        columns = [literal(rule.column) if rule.column else "NULL" for rule in self.rules]
        first_column = " ".join(f"{when} {column}" for when, column in zip(broken, columns, strict=True))
        first_reason = " ".join(f"{when} {rule.reason}" for when, rule in zip(broken, self.rules, strict=True))
        return (
            f'SELECT CAST(CASE {first_column} END AS VARCHAR) AS "column", '
            f"CAST(CASE {first_reason} END AS VARCHAR) AS reason FROM rows"
        )


def run_sql(sql: str, rows: pa.Table) -> pa.Table:
    """The rows of a statement that reads `rows`, in order, on this thread's own connection."""
    try:
        return _connection().sql(sql).to_arrow_table()  # DuckDB finds `rows` by its name
    except duckdb.Error:
        del _thread.connection  # a fatal error would make it useless for every later batch
        raise


def _connection() -> duckdb.DuckDBPyConnection:
    if not hasattr(_thread, "connection"):
        connection = duckdb.connect()
        # One thread each: the engine already encodes in one thread a core, and order must be kept.
        connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
        connection.execute("SET arrow_large_buffer_size = true; SET enable_progress_bar = false")
        _thread.connection = connection
    found: duckdb.DuckDBPyConnection = _thread.connection
    return found


class Statements:
    """The statements compiled so far, by pattern. Patterns are few: which columns hold NULLs changes seldom."""

    MOST = 256

    def __init__(self, compose: Callable[[Pattern], Statement]) -> None:
        self._compose = compose
        self._found: dict[Pattern, tuple[Statement, str]] = {}

    def of(self, pattern: Pattern) -> tuple[Statement, str]:
        """The statement and its lines' SQL for a pattern."""
        found = self._found.get(pattern)
        if found is None:
            if len(self._found) >= self.MOST:
                self._found.clear()
            statement = self._compose(pattern)
            found = self._found[pattern] = (statement, statement.lines_sql)
        return found
