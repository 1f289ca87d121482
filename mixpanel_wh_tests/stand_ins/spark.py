"""Spark for the tests, whose SQL is what Databricks' grew from: pyspark in an environment that is made once."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVER = Path(__file__).with_name("spark_server.py")
FOLDER = Path(__file__).parents[2] / ".stand-ins" / "spark-4.0"
WHEELS = ("pyspark>=4.0,<5",)


@dataclass(frozen=True)
class RunningSpark:
    """A Spark that answers statements one after the other."""

    process: "subprocess.Popen[str]"

    def rows(self, sql: str, **parameters: Any) -> list[list[Any]]:
        """The rows of a statement; AssertionError with Spark's own words where it refuses."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps({"sql": sql, "args": parameters}), file=self.process.stdin, flush=True)
        found = json.loads(self.process.stdout.readline())
        assert "rows" in found, found["error"]
        rows: list[list[Any]] = found["rows"]
        return rows

    def value(self, expression: str, **parameters: Any) -> Any:
        """The value of an expression."""
        [[value]] = self.rows(f"SELECT {expression}", **parameters)
        return value


def environment() -> Path:
    """The Python of Spark's environment, made the first time; skips the test where there is no Java."""
    if shutil.which("java") is None:
        pytest.skip("no Java is installed, which Spark needs: install version 17 or newer")
    command = FOLDER / "bin" / "python"
    if not (FOLDER / ".made").exists():
        print(f"making {FOLDER} for Spark (about 1 GB, some minutes)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        install = [str(command), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *WHEELS]
        subprocess.run(install, check=True, capture_output=True)
        (FOLDER / ".made").touch()
    return command


@contextmanager
def running_spark() -> Iterator[RunningSpark]:
    """Spark, until the block ends."""
    command = [str(environment()), str(SERVER)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout
            first = process.stdout.readline().strip()
            assert first == "ready", f"Spark did not start: {first}"
            yield RunningSpark(process)
        finally:
            process.kill()
