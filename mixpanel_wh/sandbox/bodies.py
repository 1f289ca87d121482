"""Reads request bodies: gzip, byte limits, JSON arrays and newline-delimited JSON."""

from typing import Any, TypeVar, cast

import orjson
from isal import igzip_lib, isal_zlib

from mixpanel_wh.sandbox.calls import Call, RefusedCall
from mixpanel_wh.sandbox.rules import BATCH_RECORDS

T = TypeVar("T")

_GZIP = 31
_BROKEN_GZIP = cast("type[Exception]", igzip_lib.IsalError)


def plain_body(call: Call, limit: int) -> bytes:
    """The uncompressed body, never more than `limit` bytes: 413 above it, 400 for broken gzip."""
    encoding = call.headers.get("content-encoding", "identity").lower()
    if encoding not in ("gzip", "identity", ""):
        raise RefusedCall(400, f"Content-Encoding '{encoding}' is not supported: send gzip or nothing")
    body = _gunzip(call.body, limit) if encoding == "gzip" else call.body
    if len(body) > limit:
        raise too_many_bytes(limit)
    return body


def too_many_bytes(limit: int) -> RefusedCall:
    """The 413 of a body over `limit` bytes."""
    return RefusedCall(413, f"request exceeds max limit of {limit} bytes")


def _gunzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    while body and room > 0:
        member = isal_zlib.decompressobj(wbits=_GZIP)
        try:
            part = member.decompress(body, room)
        except _BROKEN_GZIP as error:
            raise RefusedCall(400, f"the body is not valid gzip: {error}") from None
        parts.append(part)
        room -= len(part)
        if not member.eof and room > 0:
            raise RefusedCall(400, "the body is not valid gzip: it ends too early")
        body = member.unused_data
    return b"".join(parts)


def is_ndjson(call: Call) -> bool:
    """Whether the content type says newline-delimited JSON; a 400 for a type that is not JSON at all."""
    kind = call.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/x-ndjson", "text/plain", ""):
        raise RefusedCall(400, f"Content-Type '{kind}' is not supported: send application/json or application/x-ndjson")
    return kind == "application/x-ndjson"


def json_records(call: Call, body: bytes) -> list[Any]:
    """The records of a JSON array, or of newline-delimited JSON when the content type says so; at most 2,000."""
    if is_ndjson(call):
        return within_batch([json_value(line) for line in body.splitlines() if line.strip()])
    return within_batch(_array(json_value(body)))


def within_batch(records: list[T]) -> list[T]:
    """The same records; a 413 when they are more than 2,000."""
    if len(records) > BATCH_RECORDS:
        raise RefusedCall(413, f"request exceeds max limit of {BATCH_RECORDS} records: it holds {len(records)}")
    return records


def json_value(text: bytes) -> Any:
    """The value of a JSON text; a 400 when it is not valid JSON (NaN is not)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedCall(400, f"the body is not valid JSON: {error}") from None


def _array(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise RefusedCall(400, "the body must be a JSON array of records (or application/x-ndjson, one a line)")
    return content
