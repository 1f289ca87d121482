"""Where a run's time goes, stage by stage: ports wrapped in clocks, only when a profile is asked for."""

import time
from collections import Counter
from collections.abc import Iterator
from threading import Lock
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.batches import Batch, Encoded, Framing
from mixpanel_wh.engine.ports import Answer, Destination, Encoder, Table
from mixpanel_wh.engine.spec import SyncSpec


class StageClock:
    """CPU seconds of each stage, summed over threads; off until `start`."""

    def __init__(self) -> None:
        self.on = False
        self._seconds: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, stage: str, seconds: float) -> None:
        """Count time for a stage."""
        with self._lock:
            self._seconds[stage] += seconds  # type: ignore[assignment]

    def lines(self) -> list[str]:
        """The stages, slowest first."""
        return [f"{seconds:9.3f} s  {stage}" for stage, seconds in self._seconds.most_common()]


CLOCK = StageClock()


class _TimedEncoder:
    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.framing = encoder, encoder.framing

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        start = time.thread_time()
        try:
            return self._encoder.encode(batch)
        finally:
            CLOCK.add("encode and validate (CPU)", time.thread_time() - start)


class _TimedDestination:
    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def __getattr__(self, name: str) -> Any:
        return getattr(self._destination, name)

    def deliver(self, batch: Batch, framing: Framing) -> Answer:
        start = time.thread_time()
        try:
            return self._destination.deliver(batch, framing)
        finally:
            CLOCK.add("compress and send (CPU)", time.thread_time() - start)


class _TimedProject:
    def __init__(self, project: Any) -> None:
        self._project = project

    def encoder(self, spec: SyncSpec, table: Table, epoch: int, dropped: tuple[str, ...] = ()) -> Encoder:
        return _TimedEncoder(self._project.encoder(spec, table, epoch, dropped))

    def destination(self, spec: SyncSpec) -> Any:
        return _TimedDestination(self._project.destination(spec))


def _timed_statement(run: Any) -> Any:
    def timed(sql: str, *rest: Any) -> Any:
        start = time.perf_counter()
        try:
            return run(sql, *rest)
        finally:
            CLOCK.add(f"warehouse (wall): {' '.join(sql.split()[:5])}", time.perf_counter() - start)

    return timed


def _timed_stream(stream: Any) -> Any:
    def timed(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        batches = stream(*arguments, **options)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            CLOCK.add("read (wall, waiting for the warehouse)", time.perf_counter() - start)
            if batch is None:
                return
            yield batch

    return timed


def watched(warehouse: Any, project: Any) -> tuple[Any, Any]:
    """The warehouse and the project, their stages timed when the clock is on."""
    if not CLOCK.on:
        return warehouse, project
    session = warehouse.session
    session.execute, session.rows = _timed_statement(session.execute), _timed_statement(session.rows)
    session.stream = _timed_stream(session.stream)
    return warehouse, _TimedProject(project)
