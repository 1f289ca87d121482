"""DuckDB passes the contract; and what is special to a file that one process may write."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mixpanel_wh.engine.errors import ConfigError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import observe_warehouse, open_warehouse
from mixpanel_wh.warehouses.duckdb import connect
from mixpanel_wh_tests.warehouses.asking import Mirroring, ops, read, tally, user_spec
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.contract_keeping import KeepingContract
from mixpanel_wh_tests.warehouses.contract_settling import SettlingContract
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround
from mixpanel_wh_tests.warehouses.ground import Ground

PEOPLE = TableName(("main", "people"))
HOLD = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


class TestDuckDB(WarehouseContract):
    """The staging schema in the same database."""

    @pytest.fixture
    def ground(self) -> Iterator[Ground]:
        with closing(DuckDBGround()) as ground:
            yield ground


class TestDuckDBWithAStagingFile(SettlingContract, KeepingContract):
    """The staging schema in a file of its own."""

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Iterator[Ground]:
        settings = {"staging_path": str(tmp_path / "staging.duckdb")}
        with closing(DuckDBGround(settings=settings)) as ground:
            yield ground

    @pytest.fixture
    def warehouse(self, ground: Ground) -> Iterator[Warehouse]:
        with closing(ground.open()) as warehouse:
            yield warehouse


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with one table of two people."""
    path = tmp_path / "source.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE people AS SELECT * FROM (VALUES ('a', 'Ann'), ('b', NULL)) AS p(id, name)")
    return path


@pytest.fixture
def held(source: Path) -> Iterator[Path]:
    """The file, held open for writing by another process."""
    command = [sys.executable, "-c", HOLD, str(source)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        yield source
        other.stdin.close()


def test_a_file_that_another_process_holds_is_named_with_what_to_do(held: Path) -> None:
    with pytest.raises(WarehouseUnavailable, match=r"source\.duckdb is locked by another process.* close what has it"):
        open_warehouse("duckdb", {"path": str(held), "lock_timeout": 0.2})


def test_a_file_that_another_process_lets_go_of_is_waited_for(source: Path) -> None:
    brief = HOLD.replace("sys.stdin.read()", "time.sleep(0.4)")
    with subprocess.Popen([sys.executable, "-c", brief, str(source)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with closing(open_warehouse("duckdb", {"path": str(source), "lock_timeout": 30})) as warehouse:
            assert warehouse.tables.count(user_spec(PEOPLE)) == 2


def test_a_file_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing.duckdb"
    with pytest.raises(WarehouseUnavailable, match=r"no DuckDB file at .*missing\.duckdb"):
        open_warehouse("duckdb", {"path": str(path)})
    assert not path.exists()
    open_warehouse("duckdb", {"path": str(path), "create": True}).close()
    assert path.exists()


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "letter.duckdb"
    path.write_text("Dear Sir or Madam, " * 1000)
    with pytest.raises(WarehouseUnavailable, match=r"cannot open .*letter\.duckdb"):
        open_warehouse("duckdb", {"path": str(path)})


def test_an_unknown_kind_of_warehouse_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"unknown warehouse type 'excel': write one of .*duckdb"):
        open_warehouse("excel", {})


def test_a_read_only_source_keeps_its_state_in_another_file(source: Path, tmp_path: Path) -> None:
    settings = {"path": str(source), "read_only": True, "staging_path": str(tmp_path / "staging.duckdb")}
    before = source.read_bytes()
    with closing(open_warehouse("duckdb", settings)) as warehouse:
        assert ops(Mirroring(warehouse, user_spec(PEOPLE)).run()) == {"a": "insert", "b": "insert"}
    assert source.read_bytes() == before
    with closing(duckdb.connect(str(source))) as connection:
        connection.execute("DELETE FROM people WHERE id = 'b'")
    with closing(open_warehouse("duckdb", settings)) as warehouse:
        assert ops(Mirroring(warehouse, user_spec(PEOPLE)).run()) == {"b": "delete"}


def test_a_read_only_source_may_be_read_by_others_meanwhile(source: Path, tmp_path: Path) -> None:
    settings = {"path": str(source), "read_only": True, "staging_path": str(tmp_path / "staging.duckdb")}
    look = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql('FROM people').fetchall())"
    with closing(open_warehouse("duckdb", settings)) as warehouse:
        Mirroring(warehouse, user_spec(PEOPLE)).run()
        found = subprocess.run([sys.executable, "-c", look, str(source)], capture_output=True, text=True, check=True)
    assert "Ann" in found.stdout


def test_a_read_only_source_without_another_file_says_what_is_missing(source: Path) -> None:
    with (
        closing(open_warehouse("duckdb", {"path": str(source), "read_only": True})) as warehouse,
        pytest.raises(StagingError, match="staging_path"),
    ):
        Mirroring(warehouse, user_spec(PEOPLE)).run()


def test_a_staging_file_that_is_the_source_is_a_mistake(source: Path) -> None:
    with pytest.raises(ConfigError, match="is the warehouse itself"):
        open_warehouse("duckdb", {"path": str(source), "staging_path": str(source)})


def test_a_staging_schema_left_in_the_source_does_not_confuse_the_one_beside_it(source: Path, tmp_path: Path) -> None:
    with closing(open_warehouse("duckdb", {"path": str(source)})) as warehouse:
        inside = Mirroring(warehouse, user_spec(PEOPLE))
        inside.run()
        inside.stage()
    settings = {"path": str(source), "read_only": True, "staging_path": str(tmp_path / "staging.duckdb")}
    with closing(observe_warehouse("duckdb", settings)) as warehouse:
        assert warehouse.state.last_result("people") is None
        assert warehouse.state.load("people").pending is None
    with closing(open_warehouse("duckdb", settings)) as warehouse:
        beside = Mirroring(warehouse, user_spec(PEOPLE))
        warehouse.snapshots.forget(beside.spec)
        assert tally(beside.run()) == {"insert": 2}
        warehouse.snapshots.forget(beside.spec)
        assert tally(beside.run()) == {"update": 2}


def test_a_staging_schema_of_another_name_is_used(source: Path) -> None:
    with closing(open_warehouse("duckdb", {"path": str(source), "staging_schema": "my staging"})) as warehouse:
        Mirroring(warehouse, user_spec(PEOPLE)).run()
    with closing(duckdb.connect(str(source))) as connection:
        found = connection.execute("SELECT schema_name FROM information_schema.schemata").fetchall()
    schemas = {row[0] for row in found}
    assert "my staging" in schemas
    assert "mixpanel" not in schemas


def test_a_look_at_the_state_changes_no_file(source: Path) -> None:
    before = source.read_bytes()
    with closing(observe_warehouse("duckdb", {"path": str(source)})) as warehouse:
        assert warehouse.state.last_result("people") is None
        assert warehouse.state.rejections("people") == []
        assert warehouse.state.load("people").pending is None
    assert source.read_bytes() == before


def test_a_view_is_mirrored_like_a_table(source: Path) -> None:
    with closing(duckdb.connect(str(source))) as connection:
        connection.execute("CREATE VIEW named AS SELECT id, upper(name) AS name FROM people WHERE id <> 'z'")
    view = TableName(("main", "named"))
    with closing(open_warehouse("duckdb", {"path": str(source)})) as warehouse:
        sync = Mirroring(warehouse, user_spec(view))
        assert tally(sync.run()) == {"insert": 2}
        assert sync.run() == []


def test_a_view_that_breaks_is_a_fault_of_the_source(source: Path) -> None:
    with closing(duckdb.connect(str(source))) as connection:
        connection.execute("CREATE VIEW broken AS SELECT id, CAST(name AS INTEGER) AS name FROM people")
    view = TableName(("main", "broken"))
    with closing(open_warehouse("duckdb", {"path": str(source)})) as warehouse, pytest.raises(SourceError, match="Ann"):
        read(warehouse, user_spec(view))


def test_a_table_named_without_its_schema_is_found(source: Path) -> None:
    bare = TableName(("people",))
    with closing(open_warehouse("duckdb", {"path": str(source)})) as warehouse:
        assert len(read(warehouse, user_spec(bare))) == 2


def test_rows_in_memory_become_a_table_for_as_long_as_the_warehouse_is_open(source: Path) -> None:
    opened: Any = connect({"path": str(source)})
    with closing(opened) as warehouse:
        for values in (["x", "y"], ["z"]):
            table = warehouse.register("given", pa.table({"id": values}))
            assert len(read(warehouse, user_spec(table))) == len(values)
