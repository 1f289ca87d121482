"""Reading tables over the Storage Read API: query results in parallel streams, numbered tables in blocks, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from google.api_core import exceptions as google
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator

from mixpanel_wh.warehouses.bigquery.arrow import pieces, shaped
from mixpanel_wh.warehouses.bigquery.jobs import Jobs
from mixpanel_wh.warehouses.bigquery.trouble import explaining

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.types import ReadRowsResponse

STREAMS = 4
PAGES_HELD = 4
ROWS_PER_BLOCK = 65_536
BLOCKS_AHEAD = 2
NOT_GRANTED = (google.PermissionDenied, google.MethodNotImplemented, google.Forbidden)
LOG = logging.getLogger("mixpanel_wh")


@dataclass(frozen=True)
class Numbered:
    """A table whose rows a column numbers from 0, and the columns to read of it."""

    table: bigquery.Table
    number: str
    fields: Sequence[bigquery.SchemaField]

    @property
    def selected(self) -> list[str]:
        """The columns to ask for."""
        return [*(field.name for field in self.fields), self.number]


@dataclass
class Reader:
    """Reads over the Storage Read API where there is a client for it and the account may use it, else over REST."""

    jobs: Jobs
    storage: BigQueryReadClient | None
    strict: bool = False  # an account that may not use the Storage Read API is told, not helped

    def rows(self, found: RowIterator) -> Iterator[pa.RecordBatch]:
        """The rows of a finished query, in any order where it asked for none; a few pages are held."""
        fields = list(found.schema)
        with explaining(self.jobs.place):
            for batch in self._pages(found):
                yield from pieces(shaped(batch, fields))

    def _pages(self, found: RowIterator) -> Iterator[pa.RecordBatch]:
        if self.storage is not None:
            begun = False  # rows that went on cannot be taken back
            try:
                for batch in found.to_arrow_iterable(
                    bqstorage_client=self.storage, max_queue_size=PAGES_HELD, max_stream_count=STREAMS
                ):
                    begun = True
                    yield batch
                return
            except NOT_GRANTED as error:
                if begun:
                    raise
                self._give_up(error)
            again = self.jobs.client.get_job(str(found.job_id), location=found.location)
            assert isinstance(again, bigquery.QueryJob)
            found = again.result()
        yield from found.to_arrow_iterable()

    def _give_up(self, error: google.GoogleAPICallError) -> None:
        """Go on over REST, unless the person asked for the Storage Read API."""
        if self.strict:
            raise error
        LOG.warning("the Storage Read API is not granted, so rows are read over REST, which is slower: grant "
                    "roles/bigquery.readSessionUser, or set storage_api: false")  # fmt: skip
        self.storage = None

    def numbered(self, source: Numbered, start: int) -> Iterator[pa.RecordBatch]:
        """The rows from number `start` on, in order: blocks of them, of which the next ones are fetched meanwhile."""
        last = int(source.table.num_rows or 0)
        starts = iter(range(start, last, ROWS_PER_BLOCK))
        with ExitStack() as stack, explaining(self.jobs.place):
            pool = ThreadPoolExecutor(BLOCKS_AHEAD)
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            ahead: list[Future[pa.Table]] = []
            for first in starts:
                ahead.append(pool.submit(self._block, source, first))
                if len(ahead) == BLOCKS_AHEAD:
                    yield from self._ordered(source, ahead.pop(0).result())
            for block in ahead:
                yield from self._ordered(source, block.result())

    def _ordered(self, source: Numbered, block: pa.Table) -> Iterator[pa.RecordBatch]:
        order = pc.sort_indices(block, sort_keys=[(source.number, "ascending")])
        whole = block.take(order).combine_chunks()
        for batch in whole.to_batches(max_chunksize=None):
            yield from pieces(shaped(batch, source.fields))

    def _block(self, source: Numbered, first: int) -> pa.Table:
        if self.storage is not None:
            try:
                return self._stored(source, first)
            except NOT_GRANTED as error:
                self._give_up(error)
        return self._queried(source, first)

    def _stored(self, source: Numbered, first: int) -> pa.Table:
        """A block by the table's own rows: no query is run."""
        from google.cloud.bigquery_storage_v1 import types

        storage, table = self.storage, source.table
        assert storage is not None
        options = types.ReadSession.TableReadOptions(
            selected_fields=source.selected,
            row_restriction=f"{source.number} >= {first} AND {source.number} < {first + ROWS_PER_BLOCK}",
        )
        wanted = types.ReadSession(
            table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
            data_format=types.DataFormat.ARROW, read_options=options,
        )  # fmt: skip
        session = storage.create_read_session(
            parent=f"projects/{self.jobs.client.project}", read_session=wanted, max_stream_count=STREAMS
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        messages = (message for stream in session.streams for message in storage.read_rows(stream.name))  # type: ignore[no-untyped-call]
        return pa.Table.from_batches([_batch(message, schema) for message in messages], schema)

    def _queried(self, source: Numbered, first: int) -> pa.Table:
        """A block by a query, whose answer comes over REST."""
        listed = ", ".join(f"`{name}`" for name in source.selected)
        table = source.table
        sql = (
            f"SELECT {listed} FROM `{table.project}`.`{table.dataset_id}`.`{table.table_id}` "
            f"WHERE {source.number} >= @mp_first AND {source.number} < @mp_next"
        )
        found = self.jobs.run(sql, {"first": first, "next": first + ROWS_PER_BLOCK})
        return pa.Table.from_batches(list(found.to_arrow_iterable()), None if found.total_rows else found_schema(found))


def _batch(message: ReadRowsResponse, schema: pa.Schema) -> pa.RecordBatch:
    written = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
    return pa.ipc.read_record_batch(written, schema)


def found_schema(found: RowIterator) -> pa.Schema:
    """The Arrow schema of an answer without rows."""
    return found.to_arrow(create_bqstorage_client=False).schema
