"""A destination that counts what a delivery would send, and sends nothing: the same limits, the same halves."""

from mixpanel_wh.engine.batches import Batch, Framing
from mixpanel_wh.engine.ports import Answer
from mixpanel_wh.mixpanel.bodies import raw_size
from mixpanel_wh.mixpanel.client import Client, added, is_single
from mixpanel_wh.mixpanel.rows import count_records


class Counting:
    """What a client would deliver, as long as Mixpanel takes every request at once and calls none too large (413)."""

    def __init__(self, client: Client) -> None:
        self.max_records, self.max_bytes, self.whole = client.max_records, client.max_bytes, client.whole

    @property
    def concurrency(self) -> int:
        """Counting is done at once."""
        return 1

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        """The records, requests and uncompressed bytes of a batch."""
        if not batch.size:
            return Answer(requests=0)
        size = raw_size(batch, framing)
        if size > self.max_bytes and not self.whole and not is_single(batch):
            first, second = batch.halves()
            return added(self.deliver(first, framing), self.deliver(second, framing))
        return Answer(records=count_records(batch), bytes_raw=size)

    def abort(self) -> None:
        """Nothing waits."""

    def cut(self) -> None:
        """Nothing is under way."""
