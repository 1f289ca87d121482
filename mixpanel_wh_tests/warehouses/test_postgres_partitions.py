"""Partitioned Postgres tables: partitions without a write since the last run are left alone by the server itself."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.contract_partitions import DividedGround, PartitionsContract
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

SCANS = """
SELECT c.relname, pg_stat_get_numscans(c.oid) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = '{}'::regclass ORDER BY 1
"""


class PartitionedGround(PostgresGround, DividedGround):
    """Postgres, dividing by range."""

    def divide(self, name: str, days: list[str]) -> TableName:
        """A partition for each day."""
        self.run(f"CREATE TABLE {name} (id bigint, day date, word text) PARTITION BY RANGE (day)")
        for n, day in enumerate(days):
            bounds = f"FROM ('{day}') TO (date '{day}' + 1)"
            self.run(f"CREATE TABLE {name}_{n} PARTITION OF {name} FOR VALUES {bounds}")
        return self.name(name)


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PartitionedGround]:
    with closing(PartitionedGround(postgres)) as ground:
        yield ground


class TestPostgresPartitions(PartitionsContract):
    """Partitions by range."""

    @pytest.fixture
    def ground(self, postgres: RunningPostgres) -> Iterator[DividedGround]:
        with closing(PartitionedGround(postgres)) as ground:
            yield ground


def hundred(ground: PartitionedGround) -> TableName:
    """A table of a hundred partitions with ten rows each; a row's id is its partition's number times 1000 and more."""
    ground.run("CREATE TABLE many (id bigint, word text) PARTITION BY RANGE (id)")
    for n in range(100):
        ground.run(f"CREATE TABLE many_{n:02} PARTITION OF many FOR VALUES FROM ({n * 1000}) TO ({n * 1000 + 1000})")
    ground.run("INSERT INTO many SELECT p * 1000 + n, 'w' FROM generate_series(0, 99) AS p, generate_series(0, 9) AS n")
    return ground.name("many")


def scanned(ground: PartitionedGround, table: str) -> dict[str, int]:
    """How often the server read each partition so far."""
    ground.run("SELECT 1")
    return {str(name): int(scans) for name, scans in ground.rows(SCANS.format(table))}


def wait_for_the_end(ground: PartitionedGround) -> None:
    """Until the warehouse has no server process any more: what one reads counts for others once it has ended."""
    patience = time.monotonic() + 60
    while ground.rows("SELECT 1 FROM pg_stat_activity WHERE application_name = 'mixpanel_wh'"):
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_of_a_hundred_partitions_the_server_reads_the_three_that_were_written(
    ground: PartitionedGround, warehouse: Warehouse
) -> None:
    sync = Mirroring(warehouse, user_spec(hundred(ground)))
    assert tally(sync.run()) == {"insert": 1000}
    warehouse.close()
    with closing(ground.open()) as reopened:
        sync = Mirroring(reopened, sync.spec)
        ground.run("UPDATE many SET word = 'new' WHERE id = 7001")
        ground.run("DELETE FROM many WHERE id = 50002")
        ground.run("INSERT INTO many VALUES (99500, 'more')")
        before = scanned(ground, "many")
        assert ops(sync.run()) == {"7001": "update", "50002": "delete", "99500": "insert"}
        assert sync.pending.note.startswith("97 of 100 partitions (")
    wait_for_the_end(ground)
    after = scanned(ground, "many")
    assert {name for name in after if after[name] > before[name]} == {"many_07", "many_50", "many_99"}


def test_a_table_is_described_with_its_extent_as_the_server_counted_it(
    ground: PartitionedGround, warehouse: Warehouse
) -> None:
    table = hundred(ground)
    described = warehouse.tables.describe(table)
    assert (described.rows, described.layout) == (None, "PARTITION BY RANGE (id), 100 partitions")
    ground.run("ANALYZE many")
    described = warehouse.tables.describe(table)
    assert described.rows == 1000
    assert described.size == 100 * 8192
    ground.run("CREATE VIEW seen AS SELECT * FROM many")
    seen = warehouse.tables.describe(ground.name("seen"))
    assert (seen.is_view, seen.rows, seen.size, seen.layout) == (True, None, None, None)
    plain = warehouse.tables.describe(ground.fill("plain", 10))
    assert (plain.size, plain.layout) == (8192, None)


@pytest.mark.parametrize(
    "scheme", ["LIST (word)", "HASH (id)", "RANGE ((id % 2))"], ids=["list", "hash", "expression"]
)
def test_every_way_to_divide_a_table_gives_the_same_changes(
    ground: PartitionedGround, warehouse: Warehouse, scheme: str
) -> None:
    ground.run(f"CREATE TABLE ways (id bigint, word text) PARTITION BY {scheme}")
    bounds = {"L": ("IN ('a')", "IN ('b')"), "H": ("WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"),
              "R": ("FROM (0) TO (1)", "FROM (1) TO (2)")}[scheme[0]]  # fmt: skip
    for n, bound in enumerate(bounds):
        ground.run(f"CREATE TABLE ways_{n} PARTITION OF ways FOR VALUES {bound}")
    if scheme[0] == "L":
        ground.run("CREATE TABLE ways_rest PARTITION OF ways DEFAULT")
    ground.run("INSERT INTO ways SELECT n, CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(0, 19) AS n")
    sync = Mirroring(warehouse, user_spec(ground.name("ways")))
    assert tally(sync.run()) == {"insert": 20}
    ground.run("INSERT INTO ways VALUES (100, 'a')")
    ground.run("DELETE FROM ways WHERE id = 4")
    assert ops(sync.run()) == {"100": "insert", "4": "delete"}
    assert sync.run() == []
    assert bool(sync.pending.note) == ("%" not in scheme)  # what decides an expression is not known


def test_partitions_of_partitions_and_what_is_attached_detached_and_truncated(
    ground: PartitionedGround, warehouse: Warehouse
) -> None:
    ground.run("CREATE TABLE deep (id bigint, word text) PARTITION BY RANGE (id)")
    ground.run("CREATE TABLE deep_low PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY LIST (word)")
    ground.run("CREATE TABLE deep_low_a PARTITION OF deep_low FOR VALUES IN ('a')")
    ground.run("CREATE TABLE deep_low_b PARTITION OF deep_low FOR VALUES IN ('b')")
    ground.run("CREATE TABLE deep_high PARTITION OF deep FOR VALUES FROM (100) TO (200)")
    ground.run("INSERT INTO deep VALUES (1, 'a'), (2, 'b'), (101, 'c')")
    sync = Mirroring(warehouse, user_spec(ground.name("deep")))
    assert len(sync.run()) == 3
    ground.run("INSERT INTO deep VALUES (3, 'a')")
    assert ops(sync.run()) == {"3": "insert"}
    assert sync.pending.note.startswith("2 of 3 partitions")
    ground.run("ALTER TABLE deep DETACH PARTITION deep_high")
    assert ops(sync.run()) == {"101": "delete"}
    ground.run("ALTER TABLE deep ATTACH PARTITION deep_high FOR VALUES FROM (100) TO (200)")
    assert ops(sync.run()) == {"101": "insert"}
    ground.run("TRUNCATE deep_low_b")
    assert ops(sync.run()) == {"2": "delete"}


def test_skipping_can_be_switched_off(postgres: RunningPostgres) -> None:
    with closing(PartitionedGround(postgres, settings={"skip_partitions": False})) as ground, closing(
        ground.open()
    ) as warehouse:
        sync = Mirroring(warehouse, user_spec(hundred(ground)))
        sync.run()
        assert sync.run() == []
        assert sync.pending.note == ""
