"""The ground a contract stands on: tables made and changed by plain SQL, beside the warehouse under test."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName

NASTY_NAMES = (
    "two words", 'a "quoted" name', "it's", "naïve 名前 🙂", "select", "_x", "MixedCase", "semi;colon--", "100%",
    "dot.dot",
)  # fmt: skip


@dataclass(frozen=True)
class Typed:
    """A column type with two different values of it, as SQL expressions; `json` is the first one as Mixpanel gets it
    where that is the same in every warehouse."""

    type: str
    one: str
    other: str


@dataclass(frozen=True)
class Kinds:
    """What a warehouse calls the types that every contract test needs."""

    text: str = "VARCHAR"
    integer: str = "BIGINT"
    double: str = "DOUBLE"
    boolean: str = "BOOLEAN"
    date: str = "DATE"
    timestamp: str = "TIMESTAMP"
    timestamp_tz: str = "TIMESTAMP WITH TIME ZONE"


class Ground(ABC):
    """One place in one warehouse: where source tables are made, and which warehouse is opened on it.

    What it does goes over a connection of its own, as another program's would. `every_type` lists every column type of
    the warehouse, `nasty_names` the column names that it takes.
    """

    kinds: Kinds = Kinds()
    every_type: tuple[Typed, ...] = ()
    nasty_names: tuple[str, ...] = NASTY_NAMES
    parts: tuple[str, ...] = ()
    """The catalogue and schema in which the tables are made."""

    @abstractmethod
    def open(self) -> Warehouse:
        """The warehouse, opened anew; whoever asks closes it."""

    @abstractmethod
    def run(self, sql: str) -> None:
        """Run a statement."""

    @abstractmethod
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    @abstractmethod
    def fill(self, name: str, rows: int) -> TableName:
        """A table of that many rows: `id` an integer from 0 on, `word` a text."""

    def quote(self, identifier: str) -> str:
        """The identifier, quoted."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, value: object) -> str:
        """A value as SQL text, before it is cast."""
        return "'" + str(value).replace("'", "''") + "'"

    def value(self, value: object, type: str) -> str:
        """A value as a SQL expression of that type."""
        return f"CAST({'NULL' if value is None else self.literal(value)} AS {type})"

    def name(self, table: str) -> TableName:
        """The full name of a table of this place."""
        return TableName((*self.parts, table))

    def source(self, table: str) -> str:
        """The full name, quoted."""
        return ".".join(self.quote(part) for part in self.name(table).parts)

    def make(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]] = ()) -> TableName:
        """A new table in place of any that is there, with its rows."""
        listed = ", ".join(f"{self.quote(name)} {type}" for name, type in columns.items())
        self.run(f"DROP TABLE IF EXISTS {self.source(table)}")
        self.run(f"CREATE TABLE {self.source(table)} ({listed})")
        if rows:
            self.add(table, columns, rows)
        return self.name(table)

    def add(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        """More rows, each in the order of `columns`."""
        types = list(columns.values())
        lines = [", ".join(self.value(*pair) for pair in zip(row, types, strict=True)) for row in rows]
        listed = ", ".join(self.quote(name) for name in columns)
        self.run(f"INSERT INTO {self.source(table)} ({listed}) VALUES " + ", ".join(f"({line})" for line in lines))

    def change(self, table: str, column: str, value: object, type: str, where: str = "1 = 1") -> None:
        """Put a value into a column of the rows that meet a condition."""
        set = f"{self.quote(column)} = {self.value(value, type)}"
        self.run(f"UPDATE {self.source(table)} SET {set} WHERE {where}")

    def remove(self, table: str, where: str = "1 = 1") -> None:
        """Delete the rows that meet a condition."""
        self.run(f"DELETE FROM {self.source(table)} WHERE {where}")

    def add_column(self, table: str, column: str, type: str) -> None:
        """A new column, NULL in every row."""
        self.run(f"ALTER TABLE {self.source(table)} ADD COLUMN {self.quote(column)} {type}")
