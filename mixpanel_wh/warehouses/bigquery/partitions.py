"""How a table is partitioned: the number of a row's partition as SQL, the rows of given partitions as conditions, and
what the metadata says of each.

A partition's number is the one that its id spells, 20240301 for a day or 2024030112 for an hour; of ranges it is their
place. Ids, limits and what stands in `__NULL__` and `__UNPARTITIONED__` follow BigQuery's documents on partitioned
tables and on INFORMATION_SCHEMA.PARTITIONS.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from google.cloud import bigquery

PSEUDO = "_PARTITIONTIME"
PSEUDO_COLUMNS = {PSEUDO: "TIMESTAMP", "_PARTITIONDATE": "DATE"}
WHOLE, NULLS, OTHERS, FIRST = 0, 1, 2, 3  # numbers of the partitions that are none of these begin with FIRST
NULL_ID = "__NULL__"
NUMBERED = re.compile(r"-?\d+")  # the ids of all partitions but that one and `__UNPARTITIONED__`
FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
YEARS = (1960, 2159)  # what lies outside stands among the others
EARLIEST = {"DATE": "DATE '0001-01-01'", "DATETIME": "DATETIME '0001-01-01 00:00:00'",
            "TIMESTAMP": "TIMESTAMP '0001-01-01 00:00:00+00'"}  # fmt: skip
Bound = dt.datetime | dt.date | int
Span = tuple[Bound, Bound]


@dataclass(frozen=True)
class Partitioning:
    """By which column, of which type, and how: `unit` of time, or ranges of whole numbers."""

    column: str
    type: str
    unit: str = ""
    start: int = 0
    end: int = 0
    interval: int = 1

    @property
    def quoted(self) -> str:
        """The column, quoted."""
        return f"`{self.column}`"

    @property
    def described(self) -> str:
        """In words much like BigQuery's own."""
        if self.unit:
            return f"{self.column} ({self.unit})"
        return f"RANGE_BUCKET({self.column}, GENERATE_ARRAY({self.start}, {self.end}, {self.interval}))"

    @property
    def nulls(self) -> int:
        """The number of the rows without a value: rows on their way into a table partitioned by ingestion have none."""
        return OTHERS if self.column == PSEUDO else NULLS

    @property
    def number(self) -> str:
        """The number of a row's partition, as SQL over the columns of the table."""
        name = self.quoted
        if self.unit:
            inside = f"CAST(FORMAT_{self.type}('{FORMATS[self.unit]}', {name}) AS INT64)"
            bounds = f"EXTRACT(YEAR FROM {name}) BETWEEN {YEARS[0]} AND {YEARS[1]}"
        else:
            inside = f"{FIRST} + DIV(({name} - ({self.start})), {self.interval})"
            bounds = f"{name} >= {self.start} AND {name} < {self.end}"
        return f"CASE WHEN {name} IS NULL THEN {self.nulls} WHEN {bounds} THEN {inside} ELSE {OTHERS} END"

    @property
    def everything(self) -> str:
        """A condition that holds for all rows, in the form that satisfies a table which demands one."""
        if not self.unit:
            return f"({self.quoted} < {self.start} OR {self.quoted} >= {self.start} OR {self.quoted} IS NULL)"
        return f"({self.quoted} >= {EARLIEST[self.type]} OR {self.quoted} IS NULL)"

    def number_of(self, partition_id: str) -> int:
        """The same number from an id of the metadata; what is under an id of another form has no place of its own."""
        if not NUMBERED.fullmatch(partition_id):
            return NULLS if partition_id == NULL_ID else OTHERS
        return int(partition_id) if self.unit else FIRST + (int(partition_id) - self.start) // self.interval

    def where(self, numbers: Sequence[int]) -> str:
        """A condition that holds for the rows of the partitions of these numbers: ranges of the column with constant
        bounds, by which BigQuery leaves out the other partitions."""
        spans = joined([self.span(number) for number in sorted(numbers) if number >= FIRST])
        conditions = [f"({self.quoted} >= {_literal(low)} AND {self.quoted} < {_literal(high)})" for low, high in spans]
        if self.nulls in numbers:
            conditions.append(f"{self.quoted} IS NULL")
        if OTHERS in numbers and self.column != PSEUDO:
            least, most = self._limits()
            conditions.append(f"({self.quoted} < {_literal(least)} OR {self.quoted} >= {_literal(most)})")
        return " OR ".join(conditions) or "FALSE"

    def span(self, number: int) -> Span:
        """From which value up to which one a partition reaches."""
        if not self.unit:
            low = self.start + (number - FIRST) * self.interval
            return low, low + self.interval
        first = dt.datetime.strptime(str(number), FORMATS[self.unit])
        return self._typed(first), self._typed(_after(first, self.unit))

    def _limits(self) -> Span:
        if not self.unit:
            return self.start, self.end
        return self._typed(dt.datetime(YEARS[0], 1, 1)), self._typed(dt.datetime(YEARS[1] + 1, 1, 1))

    def _typed(self, moment: dt.datetime) -> Bound:
        if self.type == "DATE":
            return moment.date()
        return moment.replace(tzinfo=dt.UTC) if self.type == "TIMESTAMP" else moment


def _after(moment: dt.datetime, unit: str) -> dt.datetime:
    if unit == "YEAR":
        return moment.replace(year=moment.year + 1)
    if unit == "MONTH":
        return (moment + dt.timedelta(days=31)).replace(day=1)
    return moment + (dt.timedelta(hours=1) if unit == "HOUR" else dt.timedelta(days=1))


def _literal(bound: Bound) -> str:
    if isinstance(bound, dt.datetime):
        return moment_literal(bound) if bound.tzinfo else f"DATETIME '{bound:%Y-%m-%d %H:%M:%S}'"
    return f"DATE '{bound:%Y-%m-%d}'" if isinstance(bound, dt.date) else str(bound)


def moment_literal(moment: dt.datetime) -> str:
    """A moment in SQL, with its microseconds."""
    return f"TIMESTAMP '{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00'"


def joined(spans: Sequence[Span]) -> list[Span]:
    """Spans that touch made one."""
    found: list[Span] = []
    for low, high in spans:
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def partitioning(table: bigquery.Table) -> Partitioning | None:
    """How a table is partitioned, if it is."""
    columns = {field.name.lower(): field for field in table.schema}  # a name is the same in capitals
    if table.time_partitioning is not None:
        name, unit = table.time_partitioning.field, table.time_partitioning.type_ or "DAY"
        column = columns[name.lower()] if name else bigquery.SchemaField(PSEUDO, "TIMESTAMP")
        return Partitioning(column.name, column.field_type, unit)
    if table.range_partitioning is not None:
        given, span = columns[table.range_partitioning.field.lower()].name, table.range_partitioning.range_
        return Partitioning(given, "INT64", "", int(span.start), int(span.end), int(span.interval))
    return None
