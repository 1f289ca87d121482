"""What goes in and out of an endpoint: a call, its answer, and the records the answer refuses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one record is refused: the field Mixpanel would name, and a sentence."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A refused record: its place in the batch, its id where it has one, the reason, and how it looked."""

    index: int
    id: str
    refusal: Refusal
    record: Any = None


@dataclass(frozen=True)
class Call:
    """One HTTP request, read to its end. `body` is as it came over the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def gzipped(self) -> bool:
        """Whether the body came compressed."""
        return self.headers.get("content-encoding", "").lower() == "gzip"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, and what the journal keeps of it: records taken in, records refused, uncompressed bytes."""

    status: int
    body: bytes | Iterable[bytes]
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    imported: int = 0
    failed: tuple[FailedRecord, ...] = ()
    error: str = ""
    size: int = 0


class RefusedCall(Exception):
    """The whole request is refused: carries the answer."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.answer = refused(status, error, headers)


def json_answer(content: Any, status: int = 200, **kept: Any) -> Answer:
    """`content` as JSON."""
    return Answer(status, orjson.dumps(content), **kept)


def refused(status: int, error: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error in the form Mixpanel gives it: code, error and status."""
    content = {"code": status, "error": error, "status": HTTPStatus(status).phrase}
    return json_answer(content, status, headers=headers or {}, error=error)
