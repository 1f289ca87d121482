"""One open SQL connection as the shared SQL sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Mapping[str, Any]


class Session(Protocol):
    """Runs statements; knows nothing of syncs. Parameters are named in SQL by `Dialect.parameter`."""

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement."""

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""

    def stream(self, sql: str, parameters: Parameters | None = None, plain: bool = True) -> Iterator[pa.RecordBatch]:
        """Run a query and stream its answer; other statements may run meanwhile. `plain` says that no row waits for
        another: the warehouse need not hold many rows."""

    def lean(self, mebibytes: int) -> AbstractContextManager[None]:
        """Statements inside read much and need to hold little: a database that runs in this process uses at most so
        much memory for them."""

    def insert(self, table: str, rows: Sequence[pa.RecordBatch]) -> None:
        """Add Arrow rows to a table, columns matched by name; `table` is quoted already."""

    def finally_drop(self, table: str) -> None:
        """Drop a table, quoted already, if it is there: as a part of the transaction around, or once that is committed
        where a warehouse commits with every change of a table."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all, and reads the rows of one moment; nested use joins
        the outer one."""

    def alone(self) -> AbstractContextManager[None]:
        """A transaction that no other one made by `alone` overlaps, in any process, and that sees what they did."""
