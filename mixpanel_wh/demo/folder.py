"""The demo's folder: what it keeps there, made anew on every start, and by one demo at a time."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mixpanel_wh.demo.errors import DemoError

PROJECT = Path(__file__).with_name("mixpanel_wh.yaml")

ANOTHER = "name another one with --data"

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  runs: {max_concurrent_runs: 2}
run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 60}
"""

WORKSPACE_YAML = """\
load_from:
  - python_module:
      module_name: mixpanel_wh.definitions
      location_name: mixpanel_wh
"""


@dataclass(frozen=True)
class Folder:
    """Where everything of one demo stands."""

    path: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file with the source tables and the staging schema."""
        return self.path / "flights.duckdb"

    @property
    def store(self) -> Path:
        """The DuckDB file in which the sandbox keeps what it was sent."""
        return self.path / "sandbox.duckdb"

    @property
    def dagster(self) -> Path:
        """The home of the Dagster instance: run history and its settings."""
        return self.path / "dagster"

    @property
    def workspace(self) -> Path:
        """The workspace file that the Dagster UI is started with."""
        return self.dagster / "workspace.yaml"

    def environment(self, url: str) -> dict[str, str]:
        """What the demo's project file and Dagster read from the environment; `url` is the sandbox's address."""
        return {
            "MIXPANEL_WH_PROJECT": str(PROJECT),
            "MIXPANEL_WH_DEMO_DATA": str(self.path),
            "MIXPANEL_WH_DEMO_URL": url,
            "DAGSTER_HOME": str(self.dagster),
        }


@contextmanager
def fresh_folder(path: Path) -> Iterator[Folder]:
    """The folder without anything of an earlier demo; other files in it are left alone."""
    folder = Folder(path.resolve())
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"the demo cannot use the folder {path}: {error.strerror}; {ANOTHER}") from None
    with _alone(folder.path / "lock", path):
        _empty(folder)
        folder.dagster.mkdir()
        (folder.dagster / "dagster.yaml").write_text(DAGSTER_YAML)
        folder.workspace.write_text(WORKSPACE_YAML)
        yield folder


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """The values in this process's environment for a while."""
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})


@contextmanager
def _alone(lock: Path, path: Path) -> Iterator[None]:
    """A claim on the folder that ends with this process, however it ends."""
    with lock.open("w") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo is using the folder {path}: stop it, or {ANOTHER}") from None
        yield


def _empty(folder: Folder) -> None:
    for file in (folder.warehouse, folder.store):
        for name in (file, file.with_name(f"{file.name}.wal")):
            with suppress(FileNotFoundError):
                name.unlink()
    shutil.rmtree(folder.dagster, ignore_errors=True)
