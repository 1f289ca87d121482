"""Measuring: every case in a process of its own, so that CPU time and peak memory are its own."""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mixpanel_wh.bench.cases import CASES, Case
from mixpanel_wh.bench.sink import sink
from mixpanel_wh.bench.tables import make_tables


@dataclass(frozen=True)
class Measurement:
    """One case: wall seconds, rows a second, CPU microseconds a row, peak memory in MB, and the ratio to its
    yardstick (CPU to the floor; wall time to the hash scan), 0 where there is none."""

    name: str
    rows: int
    seconds: float
    rows_per_second: float
    cpu_us_per_row: float
    peak_rss_mb: float
    ratio_to_floor: float = 1.0


def cpu_seconds() -> float:
    """What this process has used so far, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure_here(case: Case, path: Path, url: str) -> Measurement:
    """Run a case in this process."""
    work = case.prepare(path, url)
    cpu, start = cpu_seconds(), time.perf_counter()
    rows = work()
    seconds, used = time.perf_counter() - start, cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    per_row = round(used / max(1, rows) * 1e6, 3)
    return Measurement(case.name, rows, round(seconds, 3), round(rows / seconds), per_row, round(peak, 1))


def _measure_apart(case: Case, source: Path, url: str, profile: bool) -> Measurement:
    """Run a case in a new process, on a copy of the tables."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        path = Path(shutil.copy(source, folder))
        command = [sys.executable, "-m", "mixpanel_wh.bench", case.name, str(path), url]
        command += ["--profile"] if profile else []
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measurement(**json.loads(answer.stdout.splitlines()[-1]))


def measure(
    rows: int, names: list[str] | None = None, url: str | None = None, repeat: int = 3, profile: bool = False
) -> Iterator[Measurement]:
    """Measure the cases in turn, each `repeat` times with the median kept; the yardsticks first."""
    chosen = [case for case in CASES if not names or case.name in {*names, "floor", "hash_scan"}]
    with tempfile.TemporaryDirectory() as folder, (nullcontext(url) if url else sink()) as address:
        path = Path(folder) / "bench.duckdb"
        make_tables(path, rows)
        done: dict[str, Measurement] = {}
        for case in chosen:
            runs = [_measure_apart(case, path, address, profile) for _ in range(repeat)]
            middle = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
            cpu = statistics.median(run.cpu_us_per_row for run in runs)
            done[case.name] = replace(middle, cpu_us_per_row=cpu, ratio_to_floor=0.0)
            yield _compared(done[case.name], done[case.yardstick], case)


def _compared(mine: Measurement, yardstick: Measurement, case: Case) -> Measurement:
    if case.yardstick == "hash_scan":
        return replace(mine, ratio_to_floor=round(mine.seconds / yardstick.seconds, 3))
    return replace(mine, ratio_to_floor=round(mine.cpu_us_per_row / yardstick.cpu_us_per_row, 3))


def as_json(found: list[Measurement]) -> str:
    """The measurements as a JSON list."""
    return json.dumps([asdict(one) for one in found], indent=2)
