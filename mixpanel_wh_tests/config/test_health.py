"""What can be found wrong before a run, each problem with its fix."""

from pathlib import Path

import duckdb
import pytest

from mixpanel_wh.config.health import findings
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.sandbox import Sandbox, SandboxOptions, ServiceAccount
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse
from mixpanel_wh_tests.config.writing import loaded, whole_file

FLIGHTS = SyncSpec("flights", TableName(("main", "flights")), RecordType.EVENT, Mode.MIRROR)


def problems(folder: Path, text: str) -> dict[str, tuple[str, ...]]:
    """What is wrong, by subject."""
    return {one.subject: one.problems for one in findings(loaded(folder, text)) if one.problems}


def test_a_project_in_order_has_no_problems(folder: Path, box: Sandbox) -> None:
    found = list(findings(loaded(folder, whole_file(box.url))))
    assert [one.subject for one in found] == [
        "warehouse main", "sync flights", "sync weather", "sync planes", "sync airlines", "sync airports",
        "destination main",
    ]  # fmt: skip
    assert all(one.problems == () for one in found)


def test_missing_tables_and_columns_are_told_for_each_sync(folder: Path, box: Sandbox) -> None:
    text = whole_file(box.url).replace("main.planes", "main.plane").replace("group_id: carrier", "group_id: carier")
    found = problems(folder, text)
    assert set(found) == {"sync planes", "sync airlines"}
    assert "there is no table main.plane in the warehouse; did you mean planes?" in found["sync planes"][0]
    assert "has no column 'carier'" in found["sync airlines"][0]


def test_a_warehouse_that_is_not_there_is_told_once(tmp_path: Path, box: Sandbox) -> None:
    found = problems(tmp_path, whole_file(box.url))
    assert set(found) == {"warehouse main"}
    assert "there is no DuckDB file at" in found["warehouse main"][0]


def test_a_server_that_does_not_answer_and_refused_credentials_are_told(folder: Path) -> None:
    account = ServiceAccount("somebody", "else")
    with Sandbox.start(SandboxOptions(port=0, service_account=account)) as strict:
        refused = problems(folder, whole_file(strict.url))["destination main"][0]
    assert "service_account" in refused
    assert "hush" not in refused
    silent = problems(folder, whole_file("http://127.0.0.1:9"))["destination main"]
    assert any("cannot be reached" in one for one in silent)


def test_a_staging_schema_that_cannot_be_written_is_told_with_the_fix(folder: Path) -> None:
    path = str(folder / "flights.duckdb")
    warehouse = open_warehouse("duckdb", {"path": path, "read_only": True})
    try:
        (problem,) = check_warehouse(warehouse, [FLIGHTS])
    finally:
        warehouse.close()
    assert "the staging schema cannot be written" in problem
    assert "set staging_path to a file that may be written" in problem
    assert "the snapshots of mode mirror (flights)" in problem


def test_a_check_leaves_no_lease_behind_and_nothing_of_its_own_but_the_staging_schema(folder: Path) -> None:
    warehouse = open_warehouse("duckdb", {"path": str(folder / "flights.duckdb")})
    try:
        assert check_warehouse(warehouse, [FLIGHTS]) == []
        assert check_warehouse(warehouse, []) == []
    finally:
        warehouse.close()
    with duckdb.connect(str(folder / "flights.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM mixpanel.leases").fetchall() == [(0,)]


@pytest.mark.parametrize("name", ["flihgts", "zzz"])
def test_a_missing_table_is_a_problem_of_its_sync(folder: Path, name: str) -> None:
    spec = SyncSpec("one", TableName(("main", name)), RecordType.EVENT, Mode.APPEND)
    warehouse = open_warehouse("duckdb", {"path": str(folder / "flights.duckdb")})
    try:
        (problem,) = check_warehouse(warehouse, [spec])
    finally:
        warehouse.close()
    assert problem.startswith(f"sync one: there is no table main.{name} in the warehouse")
