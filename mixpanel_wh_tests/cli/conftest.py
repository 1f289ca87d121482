"""A folder with a warehouse and a project file, a sandbox, and a way to type a command."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixpanel_wh.cli import main
from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.config.conftest import TABLES
from mixpanel_wh_tests.config.writing import SECRET, whole_file


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a warehouse and `mixpanel_wh.yaml`."""
    with duckdb.connect(str(tmp_path / "flights.duckdb")) as connection:
        connection.execute(TABLES)
    (tmp_path / "mixpanel_wh.yaml").write_text(whole_file(box.url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXPANEL_TOKEN", SECRET)
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `mixpanel-wh` with these arguments."""

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(str(ended.code))
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    return run


def edit(folder: Path, old: str, new: str) -> None:
    """Change the project file."""
    path = folder / "mixpanel_wh.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
