"""What the sandbox was asked and what it refused: requests, rejected records and their reasons."""

import itertools
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from mixpanel_wh.sandbox.calls import Answer, Call, FailedRecord
from mixpanel_wh.sandbox.store import Store, schema_of

_EXCERPT = 400

_REQUESTS = schema_of(
    {
        "number": pa.int64(),
        "at_ms": pa.int64(),
        "method": pa.string(),
        "path": pa.string(),
        "status": pa.int32(),
        "note": pa.string(),
        "wire_bytes": pa.int64(),
        "plain_bytes": pa.int64(),
        "records": pa.int64(),
        "rejected": pa.int64(),
        "took_ms": pa.float64(),
    }
)
_REJECTIONS = schema_of(
    {
        "request": pa.int64(),
        "at_ms": pa.int64(),
        "path": pa.string(),
        "place": pa.int64(),
        "id": pa.string(),
        "field": pa.string(),
        "message": pa.string(),
        "record": pa.string(),
    }
)


@dataclass(frozen=True)
class Totals:
    """Over every request so far: how many, records refused, bytes as they came and uncompressed."""

    requests: int
    rejected: int
    bytes: int
    bytes_uncompressed: int


class Journal:
    """The requests and rejections of one sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = itertools.count()
        self.continue_counting()

    def continue_counting(self) -> None:
        """Numbers the next request after the last one kept."""
        last = self._store.rows("SELECT coalesce(max(number), 0) FROM requests")[0][0]
        self._numbers = itertools.count(int(last) + 1)

    def note(self, call: Call, answer: Answer, note: str, at_ms: int, took_ms: float) -> None:
        """Keeps one request and the records its answer refuses."""
        number = next(self._numbers)
        row = {
            "number": number,
            "at_ms": at_ms,
            "method": call.method,
            "path": call.path,
            "status": answer.status,
            "note": note or answer.error,
            "wire_bytes": len(call.body),
            "plain_bytes": answer.size or len(call.body),
            "records": answer.imported,
            "rejected": len(answer.failed),
            "took_ms": took_ms,
        }
        self._store.append("requests", pa.RecordBatch.from_pylist([row], schema=_REQUESTS))
        if answer.failed:
            rows = [_rejection(number, at_ms, call.path, failed) for failed in answer.failed]
            self._store.append("rejections", pa.RecordBatch.from_pylist(rows, schema=_REJECTIONS))

    def totals(self) -> Totals:
        """Sums over every request so far."""
        sql = "SELECT count(*), sum(rejected), sum(wire_bytes), sum(plain_bytes) FROM requests"
        return Totals(*(int(value or 0) for value in self._store.rows(sql)[0]))

    def latest_requests(self, limit: int) -> list[dict[str, Any]]:
        """The latest requests, newest first."""
        return self._latest("requests", "number", limit)

    def latest_rejections(self, limit: int) -> list[dict[str, Any]]:
        """The latest refused records with their reasons, newest first."""
        return self._latest("rejections", "request", limit)

    def _latest(self, table: str, order: str, limit: int) -> list[dict[str, Any]]:
        names = ", ".join((_REQUESTS if table == "requests" else _REJECTIONS).names)
        rows = self._store.rows(f"SELECT {names} FROM {table} ORDER BY {order} DESC LIMIT {int(limit)}")
        return [dict(zip(names.split(", "), row, strict=True)) for row in rows]


def _rejection(number: int, at_ms: int, path: str, failed: FailedRecord) -> dict[str, Any]:
    return {
        "request": number,
        "at_ms": at_ms,
        "path": path,
        "place": failed.index,
        "id": failed.id,
        "field": failed.refusal.field,
        "message": failed.refusal.message,
        "record": orjson.dumps(failed.record).decode()[:_EXCERPT],
    }
