"""What the demo's sandbox holds, brought into DuckDB tables so that SQL can compare it with the source tables."""

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import requests

TIMEOUT_SECONDS = 300
_CHUNK = 1 << 20

# A nested column that a record lacks is NULL, as it is in the source table.
_NDJSON = "read_ndjson({file}, columns = {columns}, maximum_object_size = 16777216)"


class Held:
    """A DuckDB connection that sees the source tables as `source.main` and fetched records as tables of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, url: str, warehouse: Path, folder: Path) -> None:
        self.connection, self.url, self.folder = connection, url, folder
        connection.execute(f"ATTACH {_literal(str(warehouse))} AS source (READ_ONLY)")

    def summary(self) -> dict[str, Any]:
        """The sandbox's own totals."""
        answer = requests.get(f"{self.url}/sandbox/summary", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def fetch(self, name: str, path: str, columns: dict[str, str]) -> None:
        """Makes the table `name` from the JSON lines, or the CSV, that the sandbox answers at `path`."""
        file = self.folder / f"held-{name}"
        try:
            kind = self._save(path, file)
            listed = "{" + ", ".join(f"{_literal(key)}: {_literal(type)}" for key, type in columns.items()) + "}"
            place = _literal(str(file))
            reading = f"read_csv({place}, columns = {listed}, header = true)"
            if "csv" not in kind:
                reading = _NDJSON.format(file=place, columns=listed)
            self.connection.execute(f"CREATE TABLE {name} AS FROM {reading}")
        finally:
            file.unlink(missing_ok=True)

    def count(self, sql: str) -> int:
        """The single number that a query answers."""
        return int(self.connection.execute(sql).fetchall()[0][0])

    def _save(self, path: str, file: Path) -> str:
        """Stores an answer as it comes; returns its media type."""
        with closing(requests.get(f"{self.url}{path}", stream=True, timeout=TIMEOUT_SECONDS)) as answer:
            answer.raise_for_status()
            with file.open("wb") as out:
                out.writelines(answer.iter_content(_CHUNK))
            return answer.headers["Content-Type"]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
