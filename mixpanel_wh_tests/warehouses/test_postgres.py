"""Postgres passes the contract; and what is special to a server with many kinds of tables, values and sessions."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, event_spec, ops, read, tally, user_spec
from mixpanel_wh_tests.warehouses.contract import WarehouseContract
from mixpanel_wh_tests.warehouses.contract_sessions import EndedSessionsContract
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    with closing(PostgresGround(postgres)) as ground:
        yield ground


class TestPostgres(WarehouseContract):
    """The staging schema in the same database."""

    @pytest.fixture
    def ground(self, postgres: RunningPostgres) -> Iterator[Ground]:
        with closing(PostgresGround(postgres)) as ground:
            yield ground


class TestPostgresSessions(EndedSessionsContract):
    """Sessions of one server."""

    told = "terminat"


def partitioned(ground: PostgresGround) -> TableName:
    """A table of two partitions and a hundred rows."""
    ground.run("CREATE TABLE orders (id bigint, word text) PARTITION BY RANGE (id)")
    for name, low, high in (("low", 0, 50), ("high", 50, 1000)):
        ground.run(f"CREATE TABLE orders_{name} PARTITION OF orders FOR VALUES FROM ({low}) TO ({high})")
    ground.run("INSERT INTO orders SELECT n, 'w' || n FROM generate_series(0, 99) AS n")
    return ground.name("orders")


def materialized(ground: PostgresGround) -> TableName:
    """A materialized view of a hundred rows."""
    ground.fill("base", 100)
    ground.run("CREATE MATERIALIZED VIEW kept AS SELECT * FROM base")
    return ground.name("kept")


def inherited(ground: PostgresGround) -> TableName:
    """A table whose rows stand in a table that inherits from it."""
    ground.run("CREATE TABLE parent (id bigint, word text)")
    ground.run("CREATE TABLE child () INHERITS (parent)")
    ground.run("INSERT INTO child SELECT n, 'w' || n FROM generate_series(0, 99) AS n")
    return ground.name("parent")


def foreign(ground: PostgresGround) -> TableName:
    """A table that another server holds; here it is the same one."""
    ground.fill("base", 100)
    server = f"here_{ground.schema}"
    ground.run("CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public")
    ground.run(f"CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw "
               f"OPTIONS (host '127.0.0.1', port '{ground.server.port}', dbname 'postgres')")  # fmt: skip
    ground.run(f"CREATE USER MAPPING FOR postgres SERVER {server} OPTIONS (user 'postgres')")
    ground.run(f"CREATE FOREIGN TABLE away (id bigint, word text) SERVER {server} "
               f"OPTIONS (schema_name '{ground.schema}', table_name 'base')")  # fmt: skip
    return ground.name("away")


@pytest.mark.parametrize("made", [partitioned, materialized, inherited, foreign], ids=lambda made: made.__name__)
def test_every_kind_of_table_is_mirrored_and_tells_that_it_changed(
    ground: PostgresGround, warehouse: Warehouse, made: object
) -> None:
    table = made(ground)  # type: ignore[operator]
    assert [column.name for column in warehouse.tables.describe(table).columns] == ["id", "word"]
    sync = Mirroring(warehouse, user_spec(table))
    assert tally(sync.run()) == {"insert": 100}
    assert sync.run() == []
    token = warehouse.tables.change_token(table)
    assert warehouse.tables.change_token(table) == token
    changed = {"orders": "orders", "parent": "child"}.get(table.parts[-1], "base")
    ground.run(f"UPDATE {changed} SET word = 'new' WHERE id = 7")
    if changed == "base" and table.parts[-1] == "kept":
        ground.run("REFRESH MATERIALIZED VIEW kept")
    assert warehouse.tables.change_token(table) != token
    assert ops(sync.run()) == {"7": "update"}


def test_a_view_tells_that_a_table_below_another_view_changed(ground: PostgresGround, warehouse: Warehouse) -> None:
    partitioned(ground)
    ground.run("CREATE VIEW inner_view AS SELECT * FROM orders")
    ground.run("CREATE VIEW outer_view AS SELECT id, upper(word) AS word FROM inner_view")
    token = warehouse.tables.change_token(ground.name("outer_view"))
    ground.run("DELETE FROM orders WHERE id = 70")
    assert warehouse.tables.change_token(ground.name("outer_view")) != token


def test_a_partition_that_is_detached_takes_its_rows_away(ground: PostgresGround, warehouse: Warehouse) -> None:
    sync = Mirroring(warehouse, user_spec(partitioned(ground)))
    sync.run()
    ground.run("ALTER TABLE orders DETACH PARTITION orders_low")
    assert tally(sync.run()) == {"delete": 50}


def test_a_table_of_very_many_columns_is_mirrored(ground: PostgresGround, warehouse: Warehouse) -> None:
    columns = {"id": "integer"} | {f"c{n}": "text" for n in range(400)}
    sync = Mirroring(warehouse, user_spec(ground.make("wide", columns, [(1, *map(str, range(400)))])))
    assert ops(sync.run()) == {"1": "insert"}
    ground.change("wide", "c399", None, "text")
    assert ops(sync.run()) == {"1": "update"}
    assert sync.run() == []


def test_changes_that_the_hash_of_a_type_would_take_for_none_are_found(
    ground: PostgresGround, warehouse: Warehouse
) -> None:
    ground.run("CREATE EXTENSION IF NOT EXISTS citext SCHEMA public")
    columns = {"id": "integer", "span": "interval", "word": "public.citext"}
    sync = Mirroring(warehouse, user_spec(ground.make("odd", columns, [(1, "1 mon", "a"), (2, "1 mon", "a")])))
    sync.run()
    ground.run("UPDATE odd SET span = '30 days' WHERE id = 1")
    ground.run("UPDATE odd SET word = 'A' WHERE id = 2")
    assert ops(sync.run()) == {"1": "update", "2": "update"}


def test_keys_that_their_own_type_takes_for_equal_are_different_rows(
    ground: PostgresGround, warehouse: Warehouse
) -> None:
    ground.run("CREATE EXTENSION IF NOT EXISTS citext SCHEMA public")
    sync = Mirroring(warehouse, user_spec(ground.make("odd", {"id": "public.citext"}, [("a",)])))
    sync.run()
    ground.run("UPDATE odd SET id = 'A'")
    assert ops(sync.run()) == {"a": "delete", "A": "insert"}


def test_a_wider_type_of_the_key_sends_nothing_and_later_changes_are_still_updates(
    ground: PostgresGround, warehouse: Warehouse
) -> None:
    ground.run("CREATE TABLE people AS SELECT CAST(n AS integer) AS id, 'x' AS word FROM generate_series(1, 3000) AS n")
    sync = Mirroring(warehouse, user_spec(ground.name("people")))
    sync.run()
    ground.run("ALTER TABLE people ALTER COLUMN id TYPE text")
    assert sync.run() == []
    ground.run("UPDATE people SET word = 'y' WHERE id = '7'")
    ground.run("DELETE FROM people WHERE id = '8'")
    assert ops(sync.run()) == {"7": "update", "8": "delete"}


def test_settings_of_the_server_change_no_key_and_no_hash(ground: PostgresGround, postgres: RunningPostgres) -> None:
    columns = {"id": "timestamp with time zone", "raw": "bytea", "f": "double precision", "span": "interval"}
    table = ground.make("odd", columns, [("2024-03-01 12:00:00+00", "\\x00ff", 1 / 3, "1 day 2 hours")])
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        first = sync.run()
    ground.run("ALTER ROLE postgres SET timezone = 'Asia/Tokyo'")
    try:
        for name, value in {"datestyle": "German", "bytea_output": "escape", "extra_float_digits": "-3",
                            "intervalstyle": "iso_8601"}.items():  # fmt: skip
            ground.run(f"ALTER ROLE postgres SET {name} = '{value}'")
        with closing(ground.open()) as warehouse:
            again = Mirroring(warehouse, sync.spec)
            assert again.run() == []
            assert [row[batches.KEY] for row in read(warehouse, sync.spec)] == [first[0][batches.KEY]]
    finally:
        ground.run("ALTER ROLE postgres RESET ALL")


def test_syncs_with_long_names_keep_tables_of_their_own(ground: PostgresGround, warehouse: Warehouse) -> None:
    spec = user_spec(ground.fill("many", 20))
    one, other = (Mirroring(warehouse, replace(spec, name="n" * 62 + end)) for end in "ab")
    assert tally(one.run()) == tally(other.run()) == {"insert": 20}
    ground.remove("many", "id < 3")
    assert tally(one.run()) == tally(other.run()) == {"delete": 3}


def test_rows_that_a_policy_hides_stop_the_run_and_look_not_deleted(
    ground: PostgresGround, postgres: RunningPostgres
) -> None:
    table = ground.make("people", {"id": "text", "team": "text"}, [("a", "x"), ("b", "y")])
    role = f"reader_{ground.schema}"
    ground.run(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {role}")
    ground.run(f"GRANT SELECT ON people TO {role}")
    ground.run("ALTER TABLE people ENABLE ROW LEVEL SECURITY")
    ground.run("CREATE POLICY own ON people USING (team = 'x')")
    ground.settings = {"user": role, "password": "secret"}
    with closing(ground.open()) as warehouse, pytest.raises(SourceError, match=r"row-level security.* BYPASSRLS"):
        read(warehouse, user_spec(table))


def test_a_unique_index_saves_the_check_of_keys(ground: PostgresGround, postgres: RunningPostgres) -> None:
    spec = event_spec(ground.fill("many", 10), row_key=("id", "word"), time_column=None)
    with closing(ground.open()) as warehouse:

        def scans() -> int:
            return sum('FROM "' in sql and "count(" in sql for sql in postgres.statements())

        before = scans()
        warehouse.tables.verify_keys(spec)
        looked = scans()
        assert looked > before
        ground.run("CREATE UNIQUE INDEX ON many (id)")
        warehouse.tables.verify_keys(spec)
        assert scans() == looked
