"""Request bodies: a slice of encoded records framed and compressed without being joined first."""

from dataclasses import dataclass

from isal import isal_zlib

from mixpanel_wh.engine.batches import Batch, Framing

_GZIP_WINDOW = 31
_LEVEL = 1


@dataclass(frozen=True)
class Body:
    """What goes over the wire: `content`, compressed or not, made of `raw_size` bytes and `records` records."""

    content: bytes
    raw_size: int
    records: int
    gzipped: bool


def raw_size(batch: Batch, framing: Framing) -> int:
    """Length in bytes of the uncompressed body."""
    return len(framing.prefix) + batch.size - framing.skip + len(framing.suffix)


def body_of(batch: Batch, framing: Framing, records: int, gzip: bool) -> Body:
    """The body of one request. Compressing frees the interpreter lock, so threads do it side by side."""
    parts = (framing.prefix, batch.payload[framing.skip :], framing.suffix)
    content = _gzipped(parts) if gzip else b"".join(parts)
    return Body(content, raw_size(batch, framing), records, gzip)


def _gzipped(parts: tuple[bytes | memoryview, ...]) -> bytes:
    # isal's level 1 is four times as fast as zlib's at the same ratio.
    packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    return b"".join([*(packer.compress(part) for part in parts if len(part)), packer.flush()])
