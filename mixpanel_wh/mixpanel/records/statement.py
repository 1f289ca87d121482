"""A compiled statement: the SQL that writes the lines of one pattern of batches, and the SQL that says why not."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from mixpanel_wh.mixpanel.records.sql import every, literal

_thread = threading.local()


@dataclass(frozen=True)
class Rule:
    """A condition that every row must meet: `holds` is SQL that is never NULL, `reason` SQL for the text of the
    rejection, `column` the source column at fault where there is one."""

    holds: str
    reason: str
    column: str | None = None


@dataclass(frozen=True)
class Statement:
    """`line` is SQL for a row's records; `shared` names expressions that it and the rules use more than once."""

    line: str
    rules: tuple[Rule, ...] = ()
    shared: dict[str, str] = field(default_factory=dict)
    records_per_row: int = 1

    @property
    def _source(self) -> str:
        if not self.shared:
            return "rows"
        return f"(SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in self.shared.items())} FROM rows)"

    @property
    def lines_sql(self) -> str:
        """One line a row, NULL where a rule is broken."""
        held = every([rule.holds for rule in self.rules])
        line = f"CASE WHEN {held} THEN {self.line} END" if self.rules else self.line
        return f"SELECT {line} AS line FROM {self._source}"

    @property
    def reasons_sql(self) -> str:
        """The first broken rule of every row: `column` and `reason`."""
        columns = [f"WHEN NOT ({rule.holds}) THEN {literal(rule.column) if rule.column else 'NULL'}" for rule in self.rules]
        reasons = [f"WHEN NOT ({rule.holds}) THEN {rule.reason}" for rule in self.rules]
        return (
            f"SELECT CAST(CASE {' '.join(columns)} END AS VARCHAR) AS \"column\", "
            f"CAST(CASE {' '.join(reasons)} END AS VARCHAR) AS reason FROM {self._source}"
        )


def run_sql(sql: str, rows: pa.Table) -> pa.Table:
    """The rows of a statement that reads `rows`, in order, on this thread's own connection."""
    return _connection().sql(sql).to_arrow_table()  # DuckDB finds `rows` by its name


def _connection() -> duckdb.DuckDBPyConnection:
    if not hasattr(_thread, "connection"):
        connection = duckdb.connect()
        # One thread each: the engine already encodes in one thread a core, and order must be kept.
        connection.execute("SET threads = 1; SET TimeZone = 'UTC'; SET arrow_large_buffer_size = true")
        _thread.connection = connection
    found: duckdb.DuckDBPyConnection = _thread.connection
    return found


class Statements:
    """The statements compiled so far, by pattern. Patterns are few: which columns hold NULLs changes seldom."""

    MOST = 256

    def __init__(self, compose: Callable[[object], Statement]) -> None:
        self._compose = compose
        self._found: dict[object, tuple[Statement, str]] = {}

    def of(self, pattern: object) -> tuple[Statement, str]:
        """The statement and its lines' SQL for a pattern."""
        found = self._found.get(pattern)
        if found is None:
            if len(self._found) >= self.MOST:
                self._found.clear()
            statement = self._compose(pattern)
            found = self._found[pattern] = (statement, statement.lines_sql)
        return found
