"""Insert ids: 32 hex characters that name an event for ever, so that sending it twice is harmless.

An id is the MD5 of (sync, epoch, event name, time, row key, distinct id), each written so that no two different
tuples give the same text: the two texts of open length in the middle carry their length in bytes, the distinct id
comes last. Sync and epoch become a fixed 64-bit prefix, which keeps most rows within one MD5 block.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass


@dataclass(frozen=True)
class InsertIds:
    """The insert ids of one sync in one epoch, as a SQL expression and as a plain function."""

    sync: str
    epoch: int

    @property
    def prefix(self) -> str:
        """11 characters that stand for the sync and the epoch."""
        digest = hashlib.md5(f"{self.epoch}:{self.sync}".encode(), usedforsecurity=False).digest()
        return urlsafe_b64encode(digest[:8]).decode().rstrip("=")

    def sql(self, key: str, event: str, time: str, distinct_id: str) -> str:
        """DuckDB SQL for the id of a row; the arguments are expressions, `time` in milliseconds, none of them NULL."""
        names = f"'{self.prefix}', {time}, ':', strlen({event}), ':', {event}, strlen({key}), ':', {key}, {distinct_id}"
        return f"md5(concat({names}))"

    def of(self, key: str, event: str, time: int, distinct_id: str) -> str:
        """The id of one row; `time` in milliseconds."""
        event_part, key_part = (f"{len(text.encode())}:{text}" for text in (event, key))
        text = f"{self.prefix}{time}:{event_part}{key_part}{distinct_id}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
