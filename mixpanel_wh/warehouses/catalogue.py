"""What a warehouse says of its own tables."""

from collections.abc import Sequence
from typing import Protocol

from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import TableName


class Catalogue(Protocol):
    """Describes source tables; each warehouse has its own."""

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""

    def change_token(self, table: TableName) -> str:
        """A cheap token that differs whenever the table may have changed."""

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table: sentences, each with the statement that grants it."""

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Whether the warehouse itself sees to it that no two rows agree in all of the columns (NULLs apart)."""
