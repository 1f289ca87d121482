"""Faults on request: what may go wrong between a client and Mixpanel, when, how often and on which path."""

import random
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from mixpanel_wh.sandbox.calls import RefusedCall

Kind = Literal["rate_limit", "server_error", "reset", "slow", "cut", "partial_400", "too_large", "unauthorized"]
Shape = Literal["$insert_id", "insert_id", "string"]

_OTHER_DEFAULTS: dict[Kind, dict[str, Any]] = {"too_large": {"times": None}, "partial_400": {"path": "/import"}}
_NUMBERS = ("probability", "retry_after", "seconds")
_WHOLE_NUMBERS = ("skip", "seed", "limit_bytes", "records")


@dataclass(frozen=True)
class Fault:
    """One kind of trouble.

    `path` is the beginning of the paths it meets (None: every one). It lets `skip` requests pass, then meets `times`
    of them (None: until it is removed), each with `probability`, drawn from `seed`.
    rate_limit: 429 with Retry-After `retry_after` (seconds). server_error: `status`. reset: the connection is reset;
    with `after_store` reset, server_error and rate_limit come after the records were stored. slow: the answer takes
    `seconds`, drop by drop. cut: the records are stored and the answer breaks off halfway. partial_400: the first
    `records` events of a batch are refused and the others stored, with failed_records in the given `shape` (its path
    is /import unless another is given).
    too_large: 413 for bodies over `limit_bytes`. unauthorized: 401.
    """

    kind: Kind
    path: str | None = None
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    after_store: bool = False
    status: int = 503
    retry_after: int = 1
    seconds: float = 1.0
    limit_bytes: int = 0
    shape: Shape = "$insert_id"
    records: int = 1


class _Standing:
    """A fault that was asked for, and how often it was met."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.passed = 0
        self.fired = 0
        self._random = random.Random(fault.seed)

    def meets(self, path: str, size: int) -> bool:
        fault = self.fault
        spent = fault.times is not None and self.fired >= fault.times
        if spent or not path.startswith(fault.path or "") or (fault.kind == "too_large" and size <= fault.limit_bytes):
            return False
        self.passed += 1
        met = self.passed > fault.skip and self._random.random() < fault.probability
        self.fired += met
        return met


class FaultBox:
    """The faults standing in one sandbox; the first one that meets a request decides. `version` counts changes."""

    def __init__(self) -> None:
        self.version = 0
        self._standing: list[_Standing] = []
        self._lock = threading.Lock()

    def add(self, faults: list[Fault]) -> None:
        """Puts faults behind those already standing."""
        with self._lock:
            self._standing.extend(_Standing(fault) for fault in faults)
            self.version += 1

    def clear(self) -> None:
        """Removes every fault."""
        with self._lock:
            self._standing.clear()
            self.version += 1

    def next_for(self, path: str, size: int) -> Fault | None:
        """The fault this request meets, if any; `size` is its uncompressed length in bytes."""
        with self._lock:
            return next((standing.fault for standing in self._standing if standing.meets(path, size)), None)

    @property
    def empty(self) -> bool:
        """Whether no fault stands."""
        return not self._standing

    def content(self) -> list[dict[str, Any]]:
        """The standing faults with how many requests each has met."""
        with self._lock:
            return [asdict(standing.fault) | {"fired": standing.fired} for standing in self._standing]


def faults_from(content: Any) -> list[Fault]:
    """Faults from a JSON object or a list of them; raises a 400 that says what is wrong."""
    return [_fault(one) for one in (content if isinstance(content, list) else [content])]


def _fault(content: Any) -> Fault:
    if not isinstance(content, dict) or content.get("kind") not in get_args(Kind):
        raise RefusedCall(400, f"a fault is an object with 'kind', one of {', '.join(get_args(Kind))}")
    unknown = content.keys() - {field.name for field in fields(Fault)}
    if unknown:
        raise RefusedCall(400, f"a fault has no {', '.join(sorted(unknown))}")
    defaults = _OTHER_DEFAULTS.get(content["kind"], {})
    fault = Fault(**(defaults | content))
    problem = _problem(asdict(fault))
    if problem:
        raise RefusedCall(400, problem)
    return fault


def _problem(fault: Mapping[str, Any]) -> str:
    if fault["shape"] not in get_args(Shape):
        return f"a fault's shape is one of {', '.join(get_args(Shape))}"
    if not (isinstance(fault["status"], int) and 500 <= fault["status"] <= 599):
        return "a fault's status is a number from 500 to 599"
    for name in (*_NUMBERS, *_WHOLE_NUMBERS):
        kind = int if name in _WHOLE_NUMBERS else int | float
        if not isinstance(fault[name], kind) or fault[name] < 0:
            return f"a fault's {name} is a {'whole ' if kind is int else ''}number, at least 0"
    if not (fault["times"] is None or isinstance(fault["times"], int)):
        return "a fault's times is a whole number, or null for until it is removed"
    return "" if fault["path"] is None or isinstance(fault["path"], str) else "a fault's path is a string"
