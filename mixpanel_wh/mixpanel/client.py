"""The Destination port over HTTP: takes one batch to Mixpanel in as many requests as it needs, reads every answer."""

import threading

from mixpanel_wh.engine.batches import Batch, Framing
from mixpanel_wh.engine.errors import RequestRefused
from mixpanel_wh.engine.ports import Answer
from mixpanel_wh.mixpanel.answers import Sent, read
from mixpanel_wh.mixpanel.bodies import Body, body_of, raw_size
from mixpanel_wh.mixpanel.endpoints import SMALLEST_BYTE_LIMIT
from mixpanel_wh.mixpanel.refusals import refusal_of, table_too_large, unnamed_refusal
from mixpanel_wh.mixpanel.rows import count_records
from mixpanel_wh.mixpanel.sending import Sender
from mixpanel_wh.mixpanel.target import Target
from mixpanel_wh.mixpanel.wire import Reply

SEARCH_REQUESTS = 128
"""How many requests a batch may cost to find the records that Mixpanel refused without naming them."""

TOO_LARGE = "Mixpanel refused the record as too large (413)"


class Search:
    """What is left of the requests that one delivery may spend on finding refused records that were not named."""

    def __init__(self) -> None:
        self.left = SEARCH_REQUESTS


class Client:
    """Delivers the records of one sync; safe to call from several threads.

    `max_bytes` shrinks when Mixpanel answers 413 and stays so. `whole` batches are sent in one request or not at all.
    """

    def __init__(self, target: Target, sender: Sender, gzip: bool) -> None:
        self.max_records = target.endpoint.max_records
        self.max_bytes = target.endpoint.max_bytes
        self.whole = target.endpoint.whole
        self._target = target
        self._sender = sender
        self._gzip = gzip
        self._lock = threading.Lock()

    @property
    def concurrency(self) -> int:
        """How many deliveries at a time are useful now: as many as requests may be in flight."""
        return self._sender.concurrency

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        """Send the batch and say what became of each row.

        Raises CredentialsRefused (401, 403), RequestRefused (a whole request was refused, or a record is unaccounted
        for) and DestinationUnavailable (every retry was used up).
        """
        return self._deliver(batch, framing, Search())

    def abort(self) -> None:
        """Stop waiting and retrying: requests under way are still answered, or time out, and nothing more is sent."""
        self._sender.abort()

    def cut(self) -> None:
        """Break off the requests under way, so that nothing lands any more."""
        self._sender.cut()

    def _deliver(self, batch: Batch, framing: Framing, search: Search) -> Answer:
        if not batch.size:
            return Answer(requests=0)
        if raw_size(batch, framing) > self.max_bytes and not is_single(batch):
            return self._in_halves(batch, framing, search)
        records = count_records(batch)
        body = body_of(batch, framing, records, self._gzip)
        reply, cost = self._sender.send(self._target, body)
        if reply.status == 413:
            return added(cost, self._too_large(batch, framing, body, reply, search))
        return added(cost, self._read(reply, Sent(batch, framing, records, self._target), body, search))

    def _read(self, reply: Reply, sent: Sent, body: Body, search: Search) -> Answer:
        reading = read(reply, sent)
        if reading.unnamed is None:
            return _taken(body, reading.refused)
        return self._narrowed(sent, body, reading.unnamed, search)

    def _narrowed(self, sent: Sent, body: Body, why: str, search: Search) -> Answer:
        """Halve a batch with a refused record until it stands alone; profile operations can be repeated."""
        if is_single(sent.batch):
            return _taken(body, ((sent.batch.rows[0], None, why),))
        search.left -= 2
        if search.left < 0:
            raise unnamed_refusal(self._target, why)
        return self._in_halves(sent.batch, sent.framing, search)

    def _too_large(self, batch: Batch, framing: Framing, body: Body, reply: Reply, search: Search) -> Answer:
        if self.whole:
            raise refusal_of(reply, self._target)
        if is_single(batch):
            return _taken(body, ((batch.rows[0], None, TOO_LARGE),))
        # One row more than half, so that neither half is cut again for a few bytes.
        half = body.raw_size // 2 + body.raw_size // (batch.stop - batch.start)
        with self._lock:
            self.max_bytes = min(self.max_bytes, max(SMALLEST_BYTE_LIMIT, half))
        return self._in_halves(batch, framing, search)

    def _in_halves(self, batch: Batch, framing: Framing, search: Search) -> Answer:
        if self.whole:
            raise self._table_too_large(batch, framing)
        first, second = batch.halves()
        return added(self._deliver(first, framing, search), self._deliver(second, framing, search))

    def _table_too_large(self, batch: Batch, framing: Framing) -> RequestRefused:
        return table_too_large(self._target, raw_size(batch, framing), self.max_bytes)


def added(first: Answer, second: Answer) -> Answer:
    """Two answers as one: rows of both, numbers added."""
    return Answer(
        refused=first.refused + second.refused,
        records=first.records + second.records,
        requests=first.requests + second.requests,
        retries=first.retries + second.retries,
        bytes_sent=first.bytes_sent + second.bytes_sent,
        bytes_raw=first.bytes_raw + second.bytes_raw,
    )


def _taken(body: Body, refused: tuple[tuple[int, str | None, str], ...]) -> Answer:
    return Answer(refused=refused, records=body.records, requests=0, bytes_raw=body.raw_size)


def is_single(batch: Batch) -> bool:
    """Whether the batch cannot be cut: rows that hold nothing do not count."""
    return batch.stop - batch.start == 1 or len(batch.rows) == 1
