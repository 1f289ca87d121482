"""Every statement that a warehouse on Postgres runs is in Postgres' grammar and calls known functions only."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, user_spec
from mixpanel_wh_tests.warehouses.contract_statements import DAY, StatementsContract, everything
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

FUNCTIONS = {
    # What the shared SQL calls.
    "count", "max", "min", "sum", "row_number", "coalesce", "nullif", "cast",
    # What only this dialect writes, in its own files.
    "abs", "floor", "round", "left", "md5", "concat", "current_setting", "set_config", "octet_length", "encode",
    "trim_scale", "isfinite", "date_part", "bit_xor", "hash_record_extended", "to_json", "pg_advisory_xact_lock",
    "to_regclass", "format_type", "pg_table_is_visible", "has_schema_privilege", "has_table_privilege",
    "has_column_privilege", "unnest", "string_to_array", "pg_stat_get_tuples_inserted", "pg_stat_get_tuples_updated",
    "pg_stat_get_tuples_deleted", "pg_stat_get_db_stat_reset_time", "pg_postmaster_start_time", "current_database",
    "pg_get_partition_constraintdef", "pg_relation_size", "pg_get_partkeydef",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "left", "then", "when", "else", "all",
    "any", "row", "bit", "values", "lateral", "using", "copy", "stdin", "select", "by", "between", "k",
}  # fmt: skip


@pytest.fixture(scope="module")
def statements(postgres: RunningPostgres) -> Iterator[list[str]]:
    """What runs of every kind over every type sent to the server."""
    before = len(postgres.statements())
    with closing(PostgresGround(postgres)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
        divided(ground, warehouse)
        yield [*dict.fromkeys(postgres.statements()[before:])]


def divided(ground: PostgresGround, warehouse: Warehouse) -> None:
    """Two runs over a table with partitions, one of which the second run leaves out; a delete is rejected."""
    ground.run("CREATE TABLE years (id integer, word text) PARTITION BY RANGE (id)")
    for n in range(4):
        ground.run(f"CREATE TABLE years_{n} PARTITION OF years FOR VALUES FROM ({n * 10}) TO ({n * 10 + 10})")
    ground.run("INSERT INTO years SELECT n, 'w' FROM generate_series(0, 39) AS n")
    sync = Mirroring(warehouse, user_spec(ground.name("years"))).under(name="years")
    sync.run()
    ground.run("DELETE FROM years WHERE id = 7")
    sync.run(rejected=["7"])


class TestPostgresStatements(StatementsContract):
    """As the server itself wrote them down."""

    grammar = "postgres"
    functions = FUNCTIONS
    uncalled = frozenset({"min", "left"})
    words = WORDS
    unparsed = ("BEGIN", "COMMIT", "ROLLBACK", "ANALYZE", "COPY ")
    values = ("Seen", "1577836800000", DAY)

    def trees(self, statement: str) -> list[object]:
        """Of a COPY that asks, its query's."""
        text = statement.strip()
        return super().trees(text.removeprefix("COPY (").removesuffix(") TO STDOUT"))

    def may_hold(self, statement: str) -> bool:
        """Values are settings of the transaction, where the statement that needs them takes no parameters."""
        return statement.startswith("SELECT set_config")
