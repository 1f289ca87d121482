"""Insert ids: 32 hex characters that name an event for ever, so that sending it twice is harmless.

An id is the MD5 of (sync, epoch, event name, time, row key, distinct id), each written so that no two different
tuples give the same text: one number holds the lengths in bytes of event name and row key, and the distinct id comes
last. Sync and epoch become a fixed 64-bit prefix, which keeps most rows within two MD5 blocks.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass

_APART = 2**32  # DuckDB's texts are shorter than this, so the two lengths in one number stay apart


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
        lengths = f"strlen({event}) * {_APART} + strlen({key})"
        return f"md5(concat('{self.prefix}', {time}, ':', {lengths}, ':', {event}, {key}, {distinct_id}))"

    def of(self, key: str, event: str, time: int, distinct_id: str) -> str:
        """The id of one row; `time` in milliseconds."""
        lengths = len(event.encode()) * _APART + len(key.encode())
        text = f"{self.prefix}{time}:{lengths}:{event}{key}{distinct_id}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
