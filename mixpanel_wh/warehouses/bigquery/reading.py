"""Reading tables over the Storage Read API: query results in parallel streams, numbered tables in blocks, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from google.api_core import exceptions as google
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator

from mixpanel_wh.warehouses.bigquery.arrow import pieces, shaped
from mixpanel_wh.warehouses.bigquery.jobs import Jobs, Ran
from mixpanel_wh.warehouses.bigquery.trouble import explained, explaining

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.types import ReadSession, ReadStream

STREAMS = 4
MESSAGES_HELD = 4
POLL_SECONDS = 0.1
ROWS_PER_BLOCK = 65_536
BLOCKS_AHEAD = 2
NOT_GRANTED = (google.PermissionDenied, google.MethodNotImplemented, google.Forbidden)
LOG = logging.getLogger("mixpanel_wh")


@dataclass(frozen=True)
class Numbered:
    """A table of so many rows, which a column numbers from 0, and the columns to read of it."""

    table: bigquery.Table
    number: str
    fields: Sequence[bigquery.SchemaField]
    rows: int

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

    def refused(self, table: bigquery.TableReference) -> list[str]:
        """Why the account may not read the table over the Storage Read API, where that is wanted; nothing is read."""
        if self.storage is None:
            return []
        try:
            self._opened(table)
        except google.Forbidden as error:
            return [str(explained(error, self.jobs.place))]
        except google.GoogleAPIError:
            return []  # a table that it does not serve, or a time at which it does not answer: nothing to grant
        return []

    def rows(self, found: Ran) -> Iterator[pa.RecordBatch]:
        """The rows of a finished query, in any order; a few messages are held, however slow the reader."""
        fields = list(found.rows.schema)
        with explaining(self.jobs.place):
            for batch in self._pages(found):
                yield from pieces(shaped(batch, fields))

    def _pages(self, found: Ran) -> Iterator[pa.RecordBatch]:
        if self.storage is not None and found.job.destination is not None and found.rows.total_rows:
            try:
                session = self._opened(found.job.destination)
            except NOT_GRANTED as error:
                self._give_up(error)
            else:
                yield from self._streamed(session)
                return
        yield from found.rows.to_arrow_iterable()

    def _give_up(self, error: google.GoogleAPICallError) -> None:
        """Go on over REST, unless the person asked for the Storage Read API."""
        if self.strict:
            raise error
        LOG.warning("the Storage Read API is not granted, so rows are read over REST, which is slower: grant "
                    "roles/bigquery.readSessionUser, or set storage_api: false")  # fmt: skip
        self.storage = None

    def numbered(self, source: Numbered, start: int) -> Iterator[pa.RecordBatch]:
        """The rows from number `start` on, in order: blocks of them, of which the next ones are fetched meanwhile."""
        starts = iter(range(start, source.rows, ROWS_PER_BLOCK))
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
        block = f"{source.number} >= {first} AND {source.number} < {first + ROWS_PER_BLOCK}"
        session = self._opened(source.table.reference, row_restriction=block, selected_fields=source.selected)
        schema = _schema(session)
        return pa.Table.from_batches(
            [batch for stream in session.streams for batch in self._read(stream, schema)], schema
        )

    def _opened(self, table: bigquery.TableReference, **options: Any) -> ReadSession:
        from google.cloud.bigquery_storage_v1 import types

        assert self.storage is not None
        wanted = types.ReadSession(
            table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
            data_format=types.DataFormat.ARROW,
            read_options=types.ReadSession.TableReadOptions(**options),
        )
        return self.storage.create_read_session(
            parent=f"projects/{self.jobs.client.project}", read_session=wanted, max_stream_count=STREAMS
        )

    def _read(self, stream: ReadStream, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        assert self.storage is not None
        for message in self.storage.read_rows(stream.name):  # type: ignore[no-untyped-call]
            written = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
            yield pa.ipc.read_record_batch(written, schema)

    def _streamed(self, session: ReadSession) -> Iterator[pa.RecordBatch]:
        """The rows of all streams, each read by a thread of its own."""
        schema, held, stopped = _schema(session), Queue[pa.RecordBatch](MESSAGES_HELD), Event()

        def pull(stream: ReadStream) -> None:
            for batch in self._read(stream, schema):
                while not stopped.is_set() and not _put(held, batch):
                    pass
                if stopped.is_set():
                    return

        with ThreadPoolExecutor(max(1, len(session.streams))) as pool:
            pulling = [pool.submit(pull, stream) for stream in session.streams]
            try:
                while not all(one.done() for one in pulling) or not held.empty():
                    with suppress(Empty):
                        yield held.get(timeout=POLL_SECONDS)
                for one in pulling:
                    one.result()
            finally:
                stopped.set()

    def _queried(self, source: Numbered, first: int) -> pa.Table:
        """A block by a query, whose answer comes over REST."""
        listed = ", ".join(f"`{name}`" for name in source.selected)
        table = source.table
        sql = (
            f"SELECT {listed} FROM `{table.project}`.`{table.dataset_id}`.`{table.table_id}` "
            f"WHERE {source.number} >= @mp_first AND {source.number} < @mp_next"
        )
        found = self.jobs.run(sql, {"first": first, "next": first + ROWS_PER_BLOCK}).rows
        return pa.Table.from_batches(list(found.to_arrow_iterable()), None if found.total_rows else found_schema(found))


def _put(held: Queue[pa.RecordBatch], batch: pa.RecordBatch) -> bool:
    """Whether the batch found room."""
    try:
        held.put(batch, timeout=POLL_SECONDS)
    except Full:
        return False
    return True


def _schema(session: ReadSession) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))


def found_schema(found: RowIterator) -> pa.Schema:
    """The Arrow schema of an answer without rows."""
    return found.to_arrow(create_bqstorage_client=False).schema
