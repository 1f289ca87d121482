"""The comparison of both ends finds what is missing, what is too much and what is different."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import requests

from mixpanel_wh.demo import agreement
from mixpanel_wh.demo.agreement import COMPARISONS, Agreement, compare
from mixpanel_wh.sandbox import Sandbox, SandboxOptions

AIRLINES = tuple(one for one in COMPARISONS if one.sync == "airlines")
WEATHER = tuple(one for one in COMPARISONS if one.sync == "weather")


@pytest.fixture
def url() -> Iterator[str]:
    with Sandbox.start(SandboxOptions(port=0)) as box:
        yield box.url


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "small.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        values = "(VALUES ('AA', 'American'), ('YV', NULL)) AS named(carrier, name)"
        connection.execute(f"CREATE TABLE airlines AS FROM {values}")
    return path


def send_airlines(url: str, names: dict[str, str]) -> None:
    updates = [{"$token": "t", "$group_key": "airline", "$group_id": id, "$set": {"$name": name} if name else {}}
               for id, name in names.items()]  # fmt: skip
    requests.post(f"{url}/groups?verbose=1", json=updates, timeout=30).raise_for_status()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"AA": "American", "YV": ""}, (2, 2, 0)),
        ({"AA": "American"}, (2, 1, 1)),
        ({"AA": "American", "YV": "", "XX": "More"}, (2, 3, 1)),
        ({"AA": "Another", "YV": ""}, (2, 2, 2)),
        ({"AA": "American", "YV": "Mesa"}, (2, 2, 2)),
    ],
)
def test_rows_that_only_one_end_has_are_counted(
    url: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    names: dict[str, str], expected: tuple[int, int, int],
) -> None:  # fmt: skip
    monkeypatch.setattr(agreement, "COMPARISONS", AIRLINES)
    send_airlines(url, names)
    rows, counted, differing = expected
    found = compare(url, warehouse, tmp_path)
    assert found.agreements == [Agreement("airlines", "group profiles", rows, counted, differing)]


def test_an_empty_sandbox_differs_by_every_row_and_leaves_no_file_behind(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: tuple[Path, object]
) -> None:
    monkeypatch.setattr(agreement, "COMPARISONS", WEATHER)
    file = Path(shutil.copy(loaded[0], tmp_path))
    assert compare(url, file, tmp_path).agreements == [Agreement("weather", "events: Weather", 26_115, 0, 26_115)]
    assert list(tmp_path.iterdir()) == [file]
