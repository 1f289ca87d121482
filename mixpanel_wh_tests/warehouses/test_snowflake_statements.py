"""Every statement that a warehouse on Snowflake runs is in Snowflake's grammar, carries the query tag, and calls known
functions only: what stands in for Snowflake would take DuckDB's as well."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlglot

from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.contract_statements import StatementsContract, everything
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

# Each stands in Snowflake's reference of functions.
FUNCTIONS = {
    "count", "max", "sum", "row_number", "coalesce", "cast", "abs", "floor", "hash", "hash_agg", "bitand", "md5",
    "md5_binary", "md5_number_upper64", "md5_number_lower64", "to_varchar", "to_binary", "to_json", "hex_encode", "length",
    "rtrim", "date_part", "dateadd", "convert_timezone", "regexp_like", "try_to_timestamp_tz", "try_to_timestamp_ntz",
    "system$stream_has_data",
}  # fmt: skip
# Words before a bracket that call nothing.
WORDS = {
    "in", "as", "and", "or", "not", "where", "from", "over", "exists", "on", "join", "then", "when", "else", "values",
    "select", "by", "between", "all",
    # Types with a length.
    "binary", "number", "timestamp_ntz", "timestamp_tz", "time", "varchar",
}  # fmt: skip
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def statements(snowflake: RunningSnowflake) -> Iterator[list[str]]:
    """What runs of every kind over every type sent."""
    before, everyone = len(snowflake.recorded), [one.tag for one in snowflake.recorded]
    with closing(SnowflakeGround(snowflake)) as ground, closing(ground.open()) as warehouse:
        everything(ground, warehouse)
        sent = snowflake.recorded[before:]
        assert {one.tag for one in sent} == {"mixpanel_wh"}, everyone[-1:]
        yield [*dict.fromkeys(one.sql for one in sent)]


class TestSnowflakeStatements(StatementsContract):
    """As the sessions sent them."""

    grammar = "snowflake"
    functions = FUNCTIONS
    words = WORDS
    unparsed = ("BEGIN", "COMMIT", "ROLLBACK", "SHOW STREAMS", "CREATE OR REPLACE STREAM", "DROP STREAM")
    values = ("'1.501", "'tab", "'12:00:00.000001")

    def test_every_name_in_a_statement_is_quoted(self, statements: list[str]) -> None:
        for statement in statements:
            for token in sqlglot.tokenize(statement, read="snowflake"):
                assert token.token_type.name != "VAR" or token.text == token.text.upper() or token.text in self.functions, statement

    def test_row_numbers_have_an_order_and_what_defines_something_binds_nothing(self, statements: list[str]) -> None:
        for statement in statements:
            assert "ROW_NUMBER() OVER ()" not in statement
            assert statement.count("ROW_NUMBER()") == statement.count("ORDER BY 1)")
            if statement.startswith(("CREATE", "DROP", "ALTER")):
                tokens = [token.token_type.name for token in sqlglot.tokenize(statement, read="snowflake")]
                assert "PLACEHOLDER" not in tokens
