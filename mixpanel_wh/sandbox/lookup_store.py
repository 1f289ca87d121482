"""Lookup tables, each kept as the CSV it was last replaced with."""

from mixpanel_wh.sandbox.store import Store


class LookupStore:
    """The lookup tables of one sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def replace(self, id: str, csv: bytes, rows: int, at_ms: int) -> None:
        """Puts the CSV in the place of what the table held."""
        with self._store.writing() as database:
            database.execute("INSERT OR REPLACE INTO lookup_tables VALUES (?, ?, ?, ?)", [id, csv, rows, at_ms])

    def csv(self, id: str) -> bytes | None:
        """The table's CSV as it was sent, or None for a table that does not exist."""
        found = self._store.rows("SELECT csv FROM lookup_tables WHERE id = ?", [id])
        return bytes(found[0][0]) if found else None

    def counts(self) -> dict[str, int]:
        """Rows by table, the header not counted."""
        return dict(self._store.rows("SELECT id, row_count FROM lookup_tables ORDER BY id"))
