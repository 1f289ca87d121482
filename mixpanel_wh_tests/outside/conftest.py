"""A Dagster project as `create-dagster` makes it, with this package installed into it from a wheel."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from mixpanel_wh.sandbox import Sandbox, SandboxOptions

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300
CREATE = "from create_dagster.cli import main; main()"
"""The program `create-dagster`, by the interpreter that runs the tests."""
TABLES = (
    "CREATE TABLE users AS SELECT 'u' || i AS user_id, i AS age FROM range(9) AS t(i)",
    "CREATE TABLE orders AS SELECT i AS id, 'u' || i % 9 AS user_id, i AS total, "
    "TIMESTAMP '2024-01-01 01:00:00' + i * INTERVAL 6 HOUR AS placed_at FROM range(40) AS t(i)",
)
DEFS = """\
type: mixpanel_wh.MixpanelSyncs
attributes:
  warehouse: {{type: duckdb, path: warehouse.duckdb}}
  destination: {{project_id: "{{{{ env.MIXPANEL_PROJECT_ID }}}}", token: "{{{{ env.MIXPANEL_TOKEN }}}}", url: {url}}}
  syncs:
    users: {{table: main.users, record: user, mode: full, distinct_id: user_id}}
    orders:
      table: main.orders
      record: event
      mode: mirror
      row_key: id
      event: Order
      time: placed_at
      user_id: user_id
      partitions: {{every: day, start: 2024-01-01, by: time}}
"""


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command printed and how it ended."""
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as `pip install` gets it, built from a copy so that nothing is written beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    forgotten = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mixpanel_wh", folder / "source" / "mixpanel_wh", ignore=forgotten)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / "source" / name)
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "./source", folder=folder)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Path:
    """A folder with the wheel installed into it, which comes before every other place that has the package."""
    site = wheel.with_name("site")
    pip = run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(site), str(wheel), folder=wheel.parent)
    assert pip.returncode == 0, pip.stderr
    return site


@dataclass(frozen=True)
class Project:
    """The project: its folder, the folder of the component, and the sandbox it sends to."""

    folder: Path
    component: Path
    url: str
    dg: Callable[..., subprocess.CompletedProcess[str]]

    def change(self, *statements: str) -> None:
        """Change the source tables."""
        with duckdb.connect(str(self.component / "warehouse.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture(scope="module")
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project made by the public tools, step by step as the guide says; every command must succeed."""
    place = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch, Sandbox.start(SandboxOptions(port=0)) as box:
        patch.setenv("PYTHONPATH", f"{installed}{os.pathsep}{place / 'shop' / 'src'}")
        patch.setenv("DAGSTER_HOME", str(place / "home"))
        patch.setenv("MIXPANEL_PROJECT_ID", "1234567")
        patch.setenv("MIXPANEL_TOKEN", "123456")
        patch.setenv("COLUMNS", "200")
        (place / "home").mkdir()
        (place / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
        made = run(sys.executable, "-c", CREATE, "project", "shop", "--no-uv-sync", folder=place)
        assert made.returncode == 0, made.stderr

        def dg(*arguments: str) -> subprocess.CompletedProcess[str]:
            return run(sys.executable, "-m", "dagster_dg_cli.cli", *arguments, folder=place / "shop")

        scaffolded = dg("scaffold", "defs", "mixpanel_wh.MixpanelSyncs", "mixpanel")
        assert scaffolded.returncode == 0, scaffolded.stdout + scaffolded.stderr
        component = place / "shop" / "src" / "shop" / "defs" / "mixpanel"
        project = Project(place / "shop", component, box.url, dg)
        project.change(*TABLES)
        yield project
