"""What BigQuery says of its own tables, over its API: nothing is scanned, and nothing is billed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from google.api_core import exceptions as google
from google.cloud import bigquery

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.bigquery.dialect import BigQueryDialect
from mixpanel_wh.warehouses.bigquery.partitions import (
    PSEUDO,
    PSEUDO_COLUMNS,
    WHOLE,
    Partitioning,
    moment_literal,
    partitioning,
)
from mixpanel_wh.warehouses.bigquery.session import STANDARD, BigQuerySession
from mixpanel_wh.warehouses.bigquery.trouble import denied, explaining, message_of
from mixpanel_wh.warehouses.catalogue import PARTITION, Partitions

VIEWS = ("VIEW", "MATERIALIZED_VIEW")
KEPT = ("TABLE", "SNAPSHOT", "CLONE")  # whose rows BigQuery holds itself, and counts


def type_text(field: bigquery.SchemaField) -> str:
    """A column's type as GoogleSQL writes it."""
    name = STANDARD.get(field.field_type, field.field_type)
    if name == "STRUCT":
        name = f"STRUCT<{', '.join(f'{one.name} {type_text(one)}' for one in field.fields)}>"
    elif name == "RANGE" and field.range_element_type is not None:
        name = f"RANGE<{field.range_element_type.element_type}>"
    elif field.precision is not None:
        name += f"({', '.join(str(part) for part in (field.precision, field.scale) if part is not None)})"
    elif field.max_length is not None:
        name += f"({field.max_length})"
    return f"ARRAY<{name}>" if field.mode == "REPEATED" else name


UNSURE = dt.timedelta(seconds=60)
METADATA = (
    "SELECT partition_id, total_rows, last_modified_time, total_logical_bytes, CURRENT_TIMESTAMP() "
    "FROM `{project}`.`{dataset}`.INFORMATION_SCHEMA.PARTITIONS WHERE table_name = {table}"
)  # no parameter: a dataset of over a thousand tables is refused where the name is not plain from the start


@dataclass
class BigQueryCatalogue:
    """`catalogue.Catalogue` from table metadata."""

    session: BigQuerySession
    dialect: BigQueryDialect
    demanded: dict[TableName, str | None] = field(default_factory=dict)
    """Of the tables that were described: the condition that holds for all rows, where BigQuery demands one."""

    def whole(self, table: TableName) -> str:
        """The name with its project and dataset."""
        jobs = self.session.jobs
        if len(table.parts) == 1 and jobs.dataset is None:
            raise SourceError(f"{table} is named without its dataset: write dataset.table, or set dataset of the "
                              "warehouse")  # fmt: skip
        before = {1: [jobs.dataset or ""], 2: [jobs.place.project]}.get(len(table.parts), [])
        return ".".join([*before, *table.parts])

    def found(self, table: TableName) -> bigquery.Table:
        """The metadata; SourceError when there is no such table."""
        with explaining(self.session.jobs.place):
            try:
                found = self.session.jobs.client.get_table(self.whole(table))
                self.session.jobs.location = self.session.jobs.location or found.location
                return found
            except google.NotFound:
                raise SourceError(f"there is no table {table} in the warehouse{self._nearest(table)}") from None

    def describe(self, table: TableName) -> Table:
        """Columns and kind; of a table partitioned by ingestion, its pseudo-columns too."""
        found = self.found(table)
        columns = [Column(field.name, type_text(field)) for field in found.schema]
        parted = partitioning(found) if found.table_type in KEPT else None
        if parted is not None and parted.column == PSEUDO:
            there = PSEUDO_COLUMNS if parted.unit == "DAY" else {PSEUDO: PSEUDO_COLUMNS[PSEUDO]}
            columns += [Column(name, type) for name, type in there.items()]
        self.demanded[table] = parted.everything if parted and found.require_partition_filter else None
        described = Table(table, tuple(columns), is_view=found.table_type in VIEWS)
        if found.table_type not in KEPT:
            return described
        rows, size = int(found.num_rows or 0), int(found.num_bytes or 0)
        return replace(described, rows=rows, size=size, layout=_layout(found, parted))

    def _nearest(self, table: TableName) -> str:
        dataset = self.whole(table).rpartition(".")[0]
        try:
            names = sorted(one.table_id for one in self.session.jobs.client.list_tables(dataset))
        except google.GoogleAPICallError:
            return f": there is no dataset {dataset}, or the account may not see it"
        close = get_close_matches(table.parts[-1], names, n=1)
        return f"; did you mean {close[0]}?" if close else f": {dataset} holds {', '.join(names[:8]) or 'no table'}"

    def change_token(self, table: TableName) -> str:
        """Counters and times of the table, or of the tables that a view reads, which a dry run names."""
        found = self.found(table)
        told = [_moved(found)]
        if found.table_type not in KEPT:
            told += self._sources(table)
        return hashlib.md5(repr(told).encode(), usedforsecurity=False).hexdigest()

    def _sources(self, table: TableName) -> list[str]:
        """What tells of changes below a view; of tables that BigQuery does not hold, what they hold."""
        source = ".".join(self.dialect.quote(part) for part in table.parts)
        names = self.session.jobs.dry(f"SELECT * FROM {source}").referenced_tables
        with explaining(self.session.jobs.place):
            tables = [self.session.jobs.client.get_table(name) for name in names]
        kept = [one for one in tables if one.table_type in KEPT]
        outside = [one for one in tables if one.table_type not in (*KEPT, *VIEWS)]
        if not kept or outside:
            value = self.dialect.fast_total("FARM_FINGERPRINT(TO_JSON_STRING(t))", repeats=True)
            return [str(self.session.rows(f"SELECT count(*), {value} FROM {source} AS t")[0])]
        return sorted(_moved(one) for one in tables)

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the account lacks to read the table; nothing for a table that is not there. A dry run needs what the
        real run needs."""
        jobs, source = self.session.jobs, ".".join(self.dialect.quote(part) for part in table.parts)
        with explaining(jobs.place):
            try:
                found = jobs.client.get_table(self.whole(table))
                jobs.client.query(f"SELECT * FROM {source}", bigquery.QueryJobConfig(
                    dry_run=True, use_query_cache=False, default_dataset=jobs.dataset))  # fmt: skip
            except google.NotFound:
                return []
            except google.Forbidden as error:
                return [str(denied(message_of(error), jobs.place))]
            except google.BadRequest:
                return []  # a table that demands a filter, or that has a fault of its own: describing it will tell
        return self._unstored(found) if self.session.reader.strict else []

    def slower(self, table: TableName) -> list[str]:
        """Why rows of the table are read over REST, where the Storage Read API might be used."""
        reader = self.session.reader
        return [] if reader.strict or reader.storage is None else self._unstored(self.found(table))

    def _unstored(self, found: bigquery.Table) -> list[str]:
        return self.session.reader.refused(found.reference) if found.table_type == "TABLE" else []

    def is_unique(self, table: TableName, columns: Sequence[str]) -> bool:
        """Never: BigQuery's primary keys are a promise of the table's owner, which nobody enforces."""
        return False

    def partitions(self, table: TableName) -> Partitions | None:
        """The partitions of a table as BigQuery's metadata tells them, which costs no scan; a table without partitions
        is one. None for views and for tables outside.

        What is read afterwards is read as of the moment at which the metadata was asked for. A partition that changed
        so shortly before it that clocks might disagree has no token, and is looked at again by the next run.
        """
        found = self.found(table)
        if found.table_type != "TABLE":
            return None
        named = self.dialect.literal(found.table_id)
        rows = self.session.rows(METADATA.format(project=found.project, dataset=found.dataset_id, table=named))
        parted, source = partitioning(found), ".".join(self.dialect.quote(part) for part in table.parts)
        past = f" FOR SYSTEM_TIME AS OF {moment_literal(rows[0][4])}" if rows else ""
        tokens, sizes = _told(rows, str(found.created), parted)
        every = parted.everything if parted and found.require_partition_filter else "TRUE"
        return Partitions(
            tokens, lambda numbers: _rows_of(source + past, parted, numbers, every), (parted.column,) if parted else (),
            int(found.num_rows or 0), sizes, whole=parted is None,
        )  # fmt: skip


def _told(
    rows: Sequence[tuple[Any, ...]], created: str, parted: Partitioning | None
) -> tuple[dict[int, str | None], dict[int, int]]:
    """The token and the bytes of each partition. What is in the streaming buffer has rows of its own, and so has each
    tier of storage of `__UNPARTITIONED__`: all of them count."""
    states: dict[int, list[str | None]] = {}
    sizes: dict[int, int] = {}
    for id, count, modified, size, now in rows:
        number = parted.number_of(id) if parted and id is not None else WHOLE
        sure = modified is not None and modified < now - UNSURE
        states.setdefault(number, []).append(f"{modified} {count}" if sure else None)
        sizes[number] = sizes.get(number, 0) + int(size or 0)
    tokens = {number: _token(created, found) for number, found in states.items()}
    return tokens, sizes


def _token(created: str, states: Sequence[str | None]) -> str | None:
    known = sorted(state for state in states if state is not None)
    return " ".join([created, *known]) if len(known) == len(states) else None


def _layout(table: bigquery.Table, parted: Partitioning | None) -> str | None:
    """How BigQuery divides and orders the rows."""
    words = [f"PARTITION BY {parted.described}"] if parted else []
    words += [f"CLUSTER BY {', '.join(table.clustering_fields)}"] if table.clustering_fields else []
    return ", ".join(words) or None


def _rows_of(source: str, parted: Partitioning | None, numbers: Sequence[int] | None, every: str) -> str:
    """The rows of chosen partitions, or every one, each with the number of its own."""
    number = parted.number if parted else str(WHOLE)
    where = every if numbers is None else parted.where(numbers) if parted else str(bool(numbers)).upper()
    return f"(SELECT *, {number} AS {PARTITION} FROM {source} WHERE {where})"


def _moved(table: bigquery.Table) -> str:
    """What differs whenever the table may have changed."""
    buffer = table.streaming_buffer
    waiting = (buffer.estimated_rows, str(buffer.oldest_entry_time)) if buffer is not None else None
    shape = [(field.name, type_text(field)) for field in table.schema]
    return repr((str(table.reference), table.created, table.modified, table.num_rows, table.num_bytes, waiting, shape,
                 table.view_query if table.table_type == "VIEW" else None))  # fmt: skip
