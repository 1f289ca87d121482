"""The demo's tables, loaded once."""

import shutil
from pathlib import Path

import pytest

from mixpanel_wh.demo.tables import Loaded, load


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Loaded]]:
    """A DuckDB file with the source tables, and what `load` said of them; not to be changed."""
    path = tmp_path_factory.mktemp("demo") / "flights.duckdb"
    return path, load(path)


@pytest.fixture
def warehouse(loaded: tuple[Path, list[Loaded]], tmp_path: Path) -> Path:
    """A copy of that file for the test alone."""
    return Path(shutil.copy(loaded[0], tmp_path))
