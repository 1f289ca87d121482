"""How a table is partitioned: the number of a row's partition as SQL, and the rows of given partitions as conditions.

A partition's number is the number that its id spells: 20240301 for a day, 2024030112 for an hour, the first value of a
range. Values follow BigQuery's documents on partitioned tables and on INFORMATION_SCHEMA.PARTITIONS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.cloud import bigquery

PSEUDO = "_PARTITIONTIME"
PSEUDO_COLUMNS = {PSEUDO: "TIMESTAMP", "_PARTITIONDATE": "DATE"}
WHOLE, NULLS, OTHERS = 0, -1, -2
NULL_ID, OTHERS_ID = "__NULL__", "__UNPARTITIONED__"
FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
FIRST_YEAR, LAST_YEAR = 1960, 2159  # what lies outside stands in the partition of others
MOST_RANGES = 100
Bound = dt.datetime | dt.date | int


@dataclass(frozen=True)
class Chosen:
    """Some rows of a table: a condition on its columns, with its parameters."""

    where: str = "TRUE"
    parameters: tuple[tuple[str, object], ...] = ()


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
    def number(self) -> str:
        """The number of a row's partition, as SQL over the columns of the table. Ranges may begin below 0, so theirs
        are counted on from their start."""
        name = self.quoted
        if not self.unit:
            inside = f"DIV({name} - {self.start}, {self.interval})"
            bounds = f"{name} >= {self.start} AND {name} < {self.end}"
        else:
            written = f"FORMAT_{self.type}('{FORMATS[self.unit]}', {name})"
            inside = f"CAST({written} AS INT64)"
            bounds = f"EXTRACT(YEAR FROM {name}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR}"
        return f"CASE WHEN {name} IS NULL THEN {self.nulls} WHEN {bounds} THEN {inside} ELSE {OTHERS} END"

    @property
    def nulls(self) -> int:
        """The number of the rows without a value: rows on their way into a table partitioned by ingestion have none."""
        return OTHERS if self.column == PSEUDO else NULLS

    @property
    def number_of_id(self) -> str:
        """The same number from the `partition_id` of the metadata, as SQL."""
        known = f"SAFE_CAST(partition_id AS INT64){'' if self.unit else f' - {self.start}'}"
        whole = known if self.unit else f"DIV({known}, {self.interval})"
        return f"CASE partition_id WHEN '{NULL_ID}' THEN {NULLS} WHEN '{OTHERS_ID}' THEN {OTHERS} ELSE {whole} END"

    def chosen(self, numbers: Iterable[int]) -> Chosen:
        """The rows of the partitions of these numbers, as ranges of the column with constant bounds, by which BigQuery
        leaves out other partitions. Of many ranges the nearest are joined."""
        wanted = sorted(set(numbers))
        spans = joined([self.span(number) for number in wanted if number >= 0])
        conditions, parameters = [], {}
        for place, (low, high) in enumerate(spans):
            conditions.append(f"({self.quoted} >= @mp_low{place} AND {self.quoted} < @mp_high{place})")
            parameters |= {f"low{place}": low, f"high{place}": high}
        if self.nulls in wanted:
            conditions.append(f"{self.quoted} IS NULL")
        if OTHERS in wanted and self.column != PSEUDO:
            conditions.append(f"({self.quoted} < @mp_least OR {self.quoted} >= @mp_most)")
            parameters |= {"least": self._limit(FIRST_YEAR), "most": self._limit(LAST_YEAR + 1)}
        return Chosen(" OR ".join(conditions) or "FALSE", tuple(parameters.items()))

    def span(self, number: int) -> tuple[Bound, Bound]:
        """From which value up to which one a partition reaches."""
        if not self.unit:
            low = self.start + number * self.interval
            return low, low + self.interval
        first = dt.datetime.strptime(str(number), FORMATS[self.unit])
        return self._typed(first), self._typed(_after(first, self.unit))

    def _limit(self, year: int) -> Bound:
        if not self.unit:
            return self.start if year == FIRST_YEAR else self.end
        return self._typed(dt.datetime(year, 1, 1))

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


def joined(spans: Sequence[tuple[Bound, Bound]]) -> list[tuple[Bound, Bound]]:
    """Spans that touch made one; of more than a query should name, the ones with the smallest gaps too."""
    found: list[tuple[Bound, Bound]] = []
    for low, high in spans:
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    while len(found) > MOST_RANGES:
        gaps = [later[0] - earlier[1] for earlier, later in zip(found, found[1:], strict=False)]  # type: ignore[operator]
        place = min(range(len(gaps)), key=lambda n: gaps[n])
        found[place : place + 2] = [(found[place][0], found[place + 1][1])]
    return found


def partitioning(table: bigquery.Table) -> Partitioning | None:
    """How a table is partitioned, if it is."""
    types = {field.name: field.field_type for field in table.schema}
    if table.time_partitioning is not None:
        column, unit = table.time_partitioning.field, table.time_partitioning.type_ or "DAY"
        return Partitioning(column or PSEUDO, types[column] if column else "TIMESTAMP", unit)
    if table.range_partitioning is not None:
        given, span = table.range_partitioning.field, table.range_partitioning.range_
        return Partitioning(given, "INT64", "", int(span.start), int(span.end), int(span.interval))
    return None
