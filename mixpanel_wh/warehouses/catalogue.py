"""What a warehouse says of its own tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import TableName

PARTITION = "_mp_partition"


@dataclass(frozen=True)
class Partitions:
    """How a warehouse itself divides a table into partitions.

    `tokens` holds for each partition that the table has now, under a whole number from 0 to 2^40, a text that differs
    whenever its rows may have changed; None where that is never known. `source` makes a FROM item: every column of the
    table and `_mp_partition` (BIGINT, the partition's number), only rows of these partitions, of all for None; the
    warehouse reads no others. `columns` are the source columns that decide a row's partition, empty where that is not
    known. `rows` is about how many rows there are in all, None where only a scan would tell; `sizes` are bytes, where
    known.
    """

    tokens: Mapping[int, str | None]
    source: Callable[[Sequence[int] | None], str]
    columns: tuple[str, ...] = ()
    rows: int | None = None
    sizes: Mapping[int, int] = field(default_factory=dict)
    whole: bool = False


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

    def partitions(self, table: TableName) -> Partitions | None:
        """How the table is divided; None where it is not, or where nothing tells which partitions changed. The tokens
        are no newer than the rows that a statement after this reads, even in a transaction that is open already."""
