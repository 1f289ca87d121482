"""The running numbers of a run."""

import time
from collections import Counter

import pyarrow.compute as pc

from mixpanel_wh.engine.batches import OP
from mixpanel_wh.engine.pipeline import Answered
from mixpanel_wh.engine.result import Rejection, RunResult
from mixpanel_wh.engine.spec import SyncSpec

SAMPLES = 20


class Tally:
    """Counts answered parts; `result` makes the numbers a reader sees."""

    def __init__(self, spec: SyncSpec, run_id: str) -> None:
        self._spec, self._run_id = spec, run_id
        self._started = time.monotonic()
        self._sums: Counter[str] = Counter()
        self._ops: Counter[str] = Counter()
        self.samples: list[Rejection] = []
        self.cursor: str | None = None
        self.snapshot: str | None = None
        self.table_rows: int | None = None
        self.resumed = False
        self.resumed_run_id: str | None = None

    @property
    def seconds(self) -> float:
        """Since the run started."""
        return time.monotonic() - self._started

    @property
    def rows_read(self) -> int:
        """Rows that were read and answered."""
        return self._sums["rows"]

    @property
    def rejected(self) -> int:
        """Rows that were rejected."""
        return self._sums["rejected"]

    def add(self, part: Answered, counts_ops: bool) -> None:
        """Count an answered part; without an op column every row is an insert."""
        self._sums["rows"] += part.batch.num_rows
        self._sums["rejected"] += part.rejected.num_rows
        for name in ("records", "requests", "retries", "bytes_sent", "bytes_raw"):
            self._sums[name] += getattr(part, name)
        if counts_ops:
            for found in pc.value_counts(part.batch.column(OP)).to_pylist():
                self._ops[found["values"]] += found["counts"]
        else:
            self._ops["insert"] += part.batch.num_rows
        if part.rejected.num_rows and len(self.samples) < SAMPLES:
            shown = part.rejected.slice(0, SAMPLES - len(self.samples)).to_pylist()
            self.samples += [Rejection(**row) for row in shown]

    def result(self, status: str, message: str) -> RunResult:
        """The numbers so far."""
        sums, seconds = self._sums, self.seconds
        return RunResult(
            self._spec.name, self._spec.mode.value, self._spec.record.value, self._run_id, status, message,
            rows_read=sums["rows"], inserted=self._ops["insert"], updated=self._ops["update"],
            deleted=self._ops["delete"], accepted=sums["rows"] - sums["rejected"], rejected=sums["rejected"],
            records=sums["records"], requests=sums["requests"], retries=sums["retries"],
            bytes_sent=sums["bytes_sent"], bytes_raw=sums["bytes_raw"], seconds=round(seconds, 3),
            rows_per_second=round(sums["rows"] / seconds, 1) if seconds else 0.0, cursor=self.cursor,
            snapshot=self.snapshot,
            table_rows=self.table_rows, fidelity=fidelity(self._spec), resumed=self.resumed,
            resumed_run_id=self.resumed_run_id,
            rejections=tuple(self.samples),
        )  # fmt: skip


def fidelity(spec: SyncSpec) -> str:
    """`best_effort` where Mixpanel's public API promises no exact update or delete (events under Mirror)."""
    return "best_effort" if (spec.record.value, spec.mode.value) == ("event", "mirror") else "exact"
