"""The contract on what is sent to a warehouse: in its grammar, by functions that it documents, and no value of a row.

What stands in for a warehouse takes more than the warehouse itself would. So a file of each warehouse runs `everything`,
hands what was sent to the tests in a fixture `statements`, and lists in a subclass which words it knows.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import ClassVar

import pytest
import sqlglot
from sqlglot import exp

from mixpanel_wh.engine.errors import DuplicateKeys
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Properties, SyncSpec, TableName
from mixpanel_wh.warehouses.check import check_warehouse
from mixpanel_wh_tests.warehouses.asking import (
    Mirroring,
    append_spec,
    appended,
    event_spec,
    lookup_spec,
    read,
    user_spec,
)
from mixpanel_wh_tests.warehouses.ground import Ground

DAY = "2024-03-01"
ROWS = 12


class StatementsContract:
    """What is true of every statement."""

    grammar: ClassVar[str]
    """What the grammar is called."""
    functions: ClassVar[set[str]]
    """Every function that is called; each stands in the warehouse's reference."""
    uncalled: ClassVar[frozenset[str]] = frozenset()
    """Those of them that a run may do without, or that need no bracket."""
    words: ClassVar[set[str]]
    """Words before a bracket that call nothing."""
    unparsed: ClassVar[tuple[str, ...]]
    """How statements begin in which there are no expressions, or none that the grammar could be asked about."""
    values: ClassVar[tuple[str, ...]]
    """Texts that stand in a row or in a sync."""

    def trees(self, statement: str) -> list[object]:
        """A statement, or several, parsed."""
        if statement.startswith(self.unparsed):
            return []
        return [tree for tree in sqlglot.parse(statement, read=self.grammar) if tree]

    def called(self, statement: str) -> Iterator[str]:
        """The words that stand before a bracket without quotes; names of tables and columns of ours are quoted."""
        for word, bracket in pairwise(sqlglot.tokenize(statement, read=self.grammar)):
            plain = word.token_type.name not in ("IDENTIFIER", "STRING") and word.text[0].isalpha()
            if plain and bracket.token_type.name == "L_PAREN":
                yield word.text.lower()

    def may_hold(self, statement: str) -> bool:
        """Whether this is the one kind of statement that hands values over."""
        return False

    def test_every_statement_is_in_the_grammar_of_the_warehouse(self, statements: list[str]) -> None:
        assert len(statements) > 60
        for statement in statements:
            assert not any(isinstance(tree, exp.Command) for tree in self.trees(statement)), statement

    def test_every_statement_calls_known_functions_only(self, statements: list[str]) -> None:
        called = {name for statement in statements for name in self.called(statement)}
        assert called - self.functions - self.words == set()
        assert called >= self.functions - self.uncalled, "a name that nothing calls belongs on no list"

    def test_no_value_of_a_row_or_a_sync_stands_in_a_statement(self, statements: list[str]) -> None:
        for value in self.values:
            assert [one for one in statements if value in one and not self.may_hold(one)] == []


def everything(ground: Ground, warehouse: Warehouse) -> None:
    """Every verb of the warehouse at least once, over every type, on a table `typed`."""
    table = typed(ground)
    specs = every_spec(table)
    for number, spec in enumerate(specs):
        sync = Mirroring(warehouse, spec).under(name=f"sync {number}")
        sync.run()
        ground.remove("typed", f"{ground.quote('id')} = {number + 1}")
        ground.change("typed", "n", -1, ground.kinds.double, f"{ground.quote('id')} = {number + ROWS // 2}")
        sync.run(rejected=[str(number + 1)] if len(spec.key_columns) < 2 else ())
    Mirroring(warehouse, replace(specs[0], name="part")).stage(Part("at", 0, 10**12))
    lookback = timedelta(days=1, microseconds=5)
    appended(warehouse, append_spec(table, lookback=lookback, start_at=datetime(2020, 1, 1, tzinfo=UTC)))
    warehouse.snapshots.forget(replace(specs[0], name="sync 0"))
    warehouse.tables.fingerprint(lookup_spec(table))
    warehouse.tables.verify_keys(event_spec(table))
    ground.run(f"CREATE VIEW {ground.source('seen')} AS SELECT * FROM {ground.source('typed')}")
    for name in (table, ground.name("seen")):
        warehouse.tables.change_token(name)
    check_warehouse(warehouse, [specs[0], user_spec(ground.name("absent"))])
    doubled(ground, warehouse, specs[0])


def typed(ground: Ground) -> TableName:
    """A table of a few rows with a column of every type."""
    kinds = ground.kinds
    columns = {"id": kinds.integer, "at": kinds.text, "day": kinds.date, "n": kinds.double, "written": kinds.timestamp}
    day = {name: ground.value(DAY, columns[name]) for name in ("at", "day", "written")}
    columns |= {f"c{n}": one.type for n, one in enumerate(ground.every_type)}
    table, values = ground.make("typed", columns), ", ".join(one.one for one in ground.every_type)
    for n in range(1, ROWS + 1):
        ground.run(f"INSERT INTO {ground.source('typed')} SELECT {n}, {day['at']}, {day['day']}, {n}, {day['written']}, "
                   f"{values}")  # fmt: skip
    return table


def every_spec(table: TableName) -> list[SyncSpec]:
    """Mirrors that are read in every way."""
    return [
        event_spec(table),
        event_spec(table, row_key=(), timezone="Asia/Tokyo", event_name="it's a \\ Seen"),
        event_spec(table, time_column="day"),
        event_spec(table, time_column="n", row_key=("id", "day")),
        user_spec(table, properties=Properties(send_nulls=True)),
    ]


def doubled(ground: Ground, warehouse: Warehouse, spec: SyncSpec) -> None:
    """What finds that every row is there twice, and what goes on all the same."""
    ground.run(f"INSERT INTO {ground.source('typed')} SELECT * FROM {ground.source('typed')}")
    with pytest.raises(DuplicateKeys):
        warehouse.tables.verify_keys(spec)
    with pytest.raises(DuplicateKeys):
        Mirroring(warehouse, spec).stage()
    read(warehouse, replace(spec, on_duplicate_key="reject"))
    Mirroring(warehouse, replace(spec, on_duplicate_key="reject", name="again")).run()
