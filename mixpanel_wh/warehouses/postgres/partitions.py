"""The partitions of a Postgres table: which there are, and counters that move when rows of one are written.

The counters are the server's statistics. They show a change some seconds after its commit, and never one that is not
committed, so a partition that was written a moment ago may be looked at by the next run only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.catalogue import PARTITION, Partitions
from mixpanel_wh.warehouses.postgres.dialect import PostgresDialect
from mixpanel_wh.warehouses.postgres.session import PostgresSession

FOREIGN = "f"
# What the counters were counted under: they begin anew with a new server process and after a reset.
ERA = """
SELECT pg_postmaster_start_time()::text, current_setting('track_counts'),
       pg_stat_get_db_stat_reset_time(oid)::text
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
_TREE = """
WITH RECURSIVE tree AS (
    SELECT c.oid, c.relkind FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass({name}) AND c.relkind = 'p'
    UNION ALL
    SELECT c.oid, c.relkind FROM tree JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE tree.relkind = 'p'
)
"""
LEAVES = (
    _TREE
    + """
SELECT CAST(c.oid AS BIGINT), c.relkind::text, pg_get_partition_constraintdef(c.oid), CAST(c.reltuples AS BIGINT),
       pg_relation_size(c.oid), c.relfilenode::text, pg_stat_get_tuples_inserted(c.oid)::text,
       pg_stat_get_tuples_updated(c.oid)::text, pg_stat_get_tuples_deleted(c.oid)::text
FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid WHERE c.relkind <> 'p' ORDER BY 1
"""
)
KEYS = (
    _TREE
    + """
SELECT DISTINCT a.attname FROM tree JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = tree.oid
CROSS JOIN unnest(CAST(p.partattrs AS SMALLINT[])) AS k(number)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = k.number
"""
)


@dataclass(frozen=True)
class _Leaf:
    """A partition that holds rows itself. `bounds` is SQL by which Postgres finds it among the others."""

    number: int
    bounds: str
    rows: int
    size: int
    token: str | None


def _leaf(row: tuple[Any, ...], era: tuple[Any, ...]) -> _Leaf:
    number, kind, bounds, rows, size, *counted = row
    token = hashlib.md5(repr((counted, era)).encode(), usedforsecurity=False).hexdigest()
    return _Leaf(int(number), bounds or "TRUE", int(rows), int(size or 0), None if kind == FOREIGN else token)


def partitions_of(session: PostgresSession, dialect: PostgresDialect, table: TableName) -> Partitions | None:
    """The partitions of a table; None where it has none, or where nothing is counted.

    They are asked for on a connection of its own: the transaction that is open here would fix its rows by asking, and
    a change between the two moments would be counted and not seen.
    """
    source = ".".join(dialect.quote(part) for part in table.parts)
    name, given = dialect.parameter("name"), {"name": source}
    with closing(PostgresSession(session.opened, session.place)) as beside:
        found, era = beside.rows(LEAVES.format(name=name), given), beside.rows(ERA)[0]
        keys = [row[0] for row in beside.rows(KEYS.format(name=name), given)] if found else []
    if not found or era[1] != "on":
        return None
    leaves = {leaf.number: leaf for leaf in (_leaf(row, era) for row in found)}

    def chosen(numbers: Sequence[int] | None) -> str:
        return _source(source, None if numbers is None else [leaves[n] for n in numbers])

    counts = [leaf.rows for leaf in leaves.values()]
    return Partitions(
        {n: leaf.token for n, leaf in leaves.items()}, chosen,
        tuple(str(key) for key in keys) if None not in keys else (),
        sum(counts) if min(counts) >= 0 else None, {n: leaf.size for n, leaf in leaves.items()},
    )  # fmt: skip


def _source(table: str, leaves: list[_Leaf] | None) -> str:
    """The table through its root, whose grants one has; the bounds let Postgres leave out the other partitions."""
    selected = f"SELECT *, CAST(tableoid AS BIGINT) AS {PARTITION} FROM {table}"
    if leaves is None:
        return f"({selected})"
    if not leaves:
        return f"({selected} WHERE FALSE)"
    bounds = " OR ".join(f"({leaf.bounds})" for leaf in leaves)
    return f"({selected} WHERE ({bounds}) AND tableoid IN ({', '.join(str(leaf.number) for leaf in leaves)}))"
