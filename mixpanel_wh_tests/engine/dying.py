"""A warehouse under which the process dies at a chosen step, as by kill -9: nothing happens after it, no cleanup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mixpanel_wh.engine.ports import Warehouse


class Died(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Counts steps, and dies at step number `at`; None never."""

    at: int | None = None
    steps: int = 0
    dead: bool = False

    def step(self) -> None:
        """One step; Died at the chosen one and at every one after it."""
        self.steps += 1
        if self.dead or self.steps == self.at:
            self.dead = True
            raise Died


class DyingPart:
    """One part of the warehouse; each verb is a step before it begins and another once it is done."""

    def __init__(self, part: Any, fate: Fate) -> None:
        self._part, self._fate = part, fate

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._part, name)
        if name == "read":
            return lambda *given, **named: self._stream(verb(*given, **named))

        def called(*given: Any, **named: Any) -> Any:
            self._fate.step()
            result = verb(*given, **named)
            self._fate.step()
            return result

        return called

    def _stream(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self._fate.step()
            yield batch
        self._fate.step()


class DyingWarehouse:
    """`ports.Warehouse` over a real one."""

    def __init__(self, warehouse: Warehouse, fate: Fate) -> None:
        self._warehouse, self._fate = warehouse, fate
        self.kind = warehouse.kind
        parts = (warehouse.tables, warehouse.snapshots, warehouse.ledger, warehouse.state)
        dying: list[Any] = [DyingPart(part, fate) for part in parts]
        self.tables, self.snapshots, self.ledger, self.state = dying

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A real transaction, in which the process may also die just before the commit."""
        with self._warehouse.transaction():
            yield
            self._fate.step()
        self._fate.step()

    def close(self) -> None:
        """The real one is closed by whoever opened it."""
