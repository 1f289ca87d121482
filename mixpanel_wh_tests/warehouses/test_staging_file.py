"""Warehouses that are only read pass the contract too, with their staging schema in a DuckDB file."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Warehouse, Window
from mixpanel_wh.engine.spec import Properties
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses import observe_warehouse, open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, append_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.bigquery_ground import BigQueryGround
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround


@pytest.fixture
def warehouse(ground: Ground) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse


def file_of(folder: Path) -> dict[str, Any]:
    """The settings of a warehouse that is only read."""
    return {"staging_path": str(folder / "staging.duckdb")}


KINDS: dict[str, Callable[..., Any]] = {
    "postgres": PostgresGround, "bigquery": BigQueryGround, "databricks": DatabricksGround, "redshift": RedshiftGround,
    "snowflake": SnowflakeGround,
}  # fmt: skip


class TestInAFile(WarehouseContract):
    """Every warehouse with users of its own."""

    @pytest.fixture(
        params=[pytest.param(kind, marks=[] if kind == "postgres" else pytest.mark.long) for kind in KINDS]
    )
    def ground(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
        server = request.getfixturevalue(request.param)
        with closing(KINDS[request.param](server, settings=file_of(tmp_path))) as ground:
            yield ground
            assert Path(file_of(tmp_path)["staging_path"]).exists()


@pytest.fixture
def reader(postgres: RunningPostgres, tmp_path: Path) -> Iterator[PostgresGround]:
    """A table of people, and a role that has nothing but what `setup-sql` gives."""
    with closing(PostgresGround(postgres)) as ground:
        table = ground.make("people", {"id": "text", "name": "text"}, [("a", "Ann"), ("b", None)])
        ground.settings = {"user": ground.schema, "password": "Only-Reads-1", **file_of(tmp_path)}
        first, *granted = setup_statements("postgres", ground.server.settings(**ground.settings), [user_spec(table)])
        ground.run(f"{first} PASSWORD 'Only-Reads-1'")
        for statement in granted:
            ground.run(statement)
        yield ground
        ground.run(f"DROP OWNED BY {ground.schema}")
        ground.run(f"DROP ROLE {ground.schema}")


def test_a_user_who_may_only_read_mirrors_and_leaves_nothing_in_the_warehouse(reader: PostgresGround) -> None:
    spec = user_spec(reader.name("people"))
    with closing(reader.open()) as warehouse:
        assert check_warehouse(warehouse, [spec]) == []
        sync = Mirroring(warehouse, spec)
        assert ops(sync.run()) == {"a": "insert", "b": "insert"}
        reader.change("people", "name", "Bob", "text", "id = 'b'")
        reader.remove("people", "id = 'a'")
        assert ops(sync.run()) == {"b": "update", "a": "delete"}
    owned = "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = '{}')"
    assert reader.rows(owned.format(reader.schema)) == [(0,)]


def test_a_databricks_user_who_may_only_read_follows_the_change_data_feed(
    databricks: RunningDatabricks, tmp_path: Path
) -> None:
    with closing(DatabricksGround(databricks)) as ground:
        spec = user_spec(ground.make("people", {"id": "STRING"}, [("a",)]))
        databricks.principals[ground.schema] = "Only-Reads-1"
        given = ground.server.settings(
            None, client_id=ground.schema, client_secret="Only-Reads-1", schemas=[ground.schema], **file_of(tmp_path)
        )
        statements = setup_statements("databricks", given, [spec])
        assert not [one for one in statements if "MODIFY" in one or "CREATE" in one]
        for statement in statements:
            ground.run(statement)
        with closing(open_warehouse("databricks", given)) as warehouse:
            assert check_warehouse(warehouse, [spec]) == []
            sync = Mirroring(warehouse, spec)
            assert ops(sync.run()) == {"a": "insert"}
            ground.run(f"INSERT INTO {ground.source('people')} VALUES ('b')")
            assert ops(sync.run()) == {"b": "insert"}
            assert "were read from its change data feed" in sync.pending.note


def test_only_buckets_that_differ_come_over_the_network(reader: PostgresGround) -> None:
    with closing(reader.open()) as warehouse:
        reader.fill("many", 5000)
        reader.run(f"GRANT SELECT ON {reader.source('many')} TO {reader.schema}")
        sync = Mirroring(warehouse, user_spec(reader.name("many")))
        assert tally(sync.run()) == {"insert": 5000}
        reader.change("many", "word", "new", "text", "id IN (7, 4000)")
        seen: list[str] = []
        streamed = warehouse.snapshots.tables.staging.session.stream  # type: ignore[attr-defined]

        def watched(sql: str, *rest: Any, **more: Any) -> Iterator[pa.RecordBatch]:
            for rows in streamed(sql, *rest, **more):
                seen.extend([sql] * rows.num_rows if "md5(" in sql else [])
                yield rows

        warehouse.snapshots.tables.staging.session.stream = watched  # type: ignore[attr-defined]
        assert ops(sync.run()) == {"7": "update", "4000": "update"}
        assert 2 <= len(seen) < 400


@pytest.mark.parametrize("changed", [{}, {"properties": Properties(send_nulls=True)}])
def test_a_row_that_changes_while_rows_are_brought_is_found_by_the_next_run(
    reader: PostgresGround, changed: dict[str, Any]
) -> None:
    with closing(reader.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(reader.name("people")))
        sync.run()
        reader.change("people", "name", "Anna", "text", "id = 'a'")
        session = warehouse.snapshots.tables.staging.session  # type: ignore[attr-defined]
        streamed = session.stream
        seen: list[str] = []

        def meanwhile(sql: str, *rest: Any, **more: Any) -> Iterator[pa.RecordBatch]:
            yield from streamed(sql, *rest, **more)
            if "md5(" in sql and not seen:
                seen.append(sql)
                reader.change("people", "name", "Anne", "text", "id = 'a'")
                reader.change("people", "name", "Bob", "text", "id = 'b'")

        session.stream = meanwhile
        sync = sync.under(**changed)
        assert ops(sync.run())["a"] == "update"
        assert seen
        assert ops(sync.run()) == {"a": "update", "b": "update"}
        assert sync.run() == []


@pytest.mark.parametrize("offset", ["", "+00", " +0000"])
def test_the_ledger_takes_a_moment_as_each_warehouse_writes_it(reader: PostgresGround, offset: str) -> None:
    zoned = "timestamp with time zone"
    table = reader.make("visits", {"id": "text", "at": zoned, "written": zoned}, [])
    spec = append_spec(table, row_key=("id",), lookback=timedelta(minutes=1))
    reader.run(f"GRANT SELECT ON {reader.source('visits')} TO {reader.schema}")
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    sent = pa.record_batch(
        {batches.KEY: ["old", "near"], batches.INSERT_TIME: [noon - timedelta(minutes=2), noon - timedelta(minutes=1)]}
    )
    with closing(reader.open()) as warehouse:
        warehouse.state.acquire(Lease(spec.name, "test", datetime.now(UTC) + timedelta(minutes=1)))
        warehouse.ledger.start(spec)
        warehouse.ledger.remember(spec, sent)
        warehouse.ledger.settle(spec, Window(None, f"2024-03-01 12:00:00.000000000{offset}", 2))
        staging = warehouse.ledger.staging  # type: ignore[attr-defined]
        kept = staging.session.rows(f"SELECT {batches.KEY}, pending FROM {staging.table('ledger', spec.name)}")
        assert kept == [("near", False)]


def test_rows_that_are_brought_are_not_kept_in_memory_until_the_run_is_staged(reader: PostgresGround) -> None:
    with closing(reader.open()) as warehouse, warehouse.transaction():
        file = warehouse.snapshots.file  # type: ignore[attr-defined]
        file.session.execute("CREATE TEMP TABLE brought (key BIGINT)")
        before = pa.total_allocated_bytes()
        for _ in range(20):
            file.write("INSERT INTO brought SELECT key FROM _mp_brought", pa.record_batch({"key": pa.array(range(50_000))}))
        assert pa.total_allocated_bytes() - before < 5 * 50_000 * 8
        assert file.session.rows("SELECT count(*) FROM brought") == [(1_000_000,)]


def test_state_is_shown_while_nobody_runs_and_where_no_run_ever_was(reader: PostgresGround, tmp_path: Path) -> None:
    settings = reader.server.settings(schemas=[reader.schema], **reader.settings)
    with closing(observe_warehouse("postgres", settings)) as warehouse:
        assert warehouse.state.last_result("people") is None
    assert not (tmp_path / "staging.duckdb").exists()


def test_a_folder_that_is_not_there_is_told_in_a_sentence(reader: PostgresGround, tmp_path: Path) -> None:
    missing = {"staging_path": str(tmp_path / "nowhere" / "staging.duckdb")}
    with pytest.raises(StagingError, match=r"there is no folder .*nowhere for staging_path: make it, or correct"):
        open_warehouse("postgres", reader.server.settings(**reader.settings | missing))


def test_a_look_beside_a_run_of_the_same_process_is_told_who_has_the_file(
    reader: PostgresGround, tmp_path: Path
) -> None:
    settings = reader.server.settings(schemas=[reader.schema], **reader.settings)
    told = r"staging.duckdb is locked by a run of this process for more than 0 s: close what has it open, or wait"
    with closing(reader.open()), pytest.raises(WarehouseUnavailable, match=told):
        observe_warehouse("postgres", settings, {"lock_timeout": 0})
