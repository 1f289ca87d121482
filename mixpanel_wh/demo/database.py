"""DuckDB as the demo opens it: times in UTC, and nothing drawn on the screen."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb


@contextmanager
def opened(path: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB file, or to memory, for as long as the block lasts."""
    with closing(duckdb.connect(":memory:" if path is None else str(path))) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # under python -c it would write into our output
        yield connection
