"""What a warehouse says of its own tables."""

from typing import Protocol

from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import TableName


class Catalogue(Protocol):
    """Describes source tables; each warehouse has its own."""

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""

    def change_token(self, table: TableName) -> str:
        """A cheap token that differs whenever the table may have changed."""
