"""The demo's Mixpanel: a sandbox in a process of its own, so that it does not share an interpreter with the engine.

As a program (`python -m mixpanel_wh.demo.box STORE PORT`) it is that process.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.sandbox import SandboxError, SandboxOptions, serve

STOP_SECONDS = 20


@contextmanager
def running_sandbox(store: Path, port: int = 0) -> Iterator[str]:
    """A sandbox that keeps what it is sent in the DuckDB file `store`; yields its address. Port 0 is a free one."""
    command = [sys.executable, "-m", "mixpanel_wh.demo.box", str(store), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """The address in the first line that the sandbox prints; it prints nothing more."""
    assert process.stdout
    first = process.stdout.readline()
    found = re.search(r"https?://\S+", first)
    if not found:
        raise DemoError(f"the sandbox did not start: {(first + process.stdout.read()).strip()}")
    return found.group().rstrip("/")


if __name__ == "__main__":
    try:
        serve(SandboxOptions(port=int(sys.argv[2]), data=Path(sys.argv[1])))
    except SandboxError as error:
        sys.exit(str(error))
