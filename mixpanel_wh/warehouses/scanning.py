"""Which part of a source table a Mirror run looks at: all of it, or only partitions that may have changed.

The token of each partition is kept when a run has brought the snapshot to what the partition held. A partition whose
token did not move since then holds what it held, and is not read again.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.catalogue import PARTITION, Partitions
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.staging import Staging

MOST_LOOKED_AT = 200  # a statement names each of them; beyond, or beyond half of all, everything is read


@dataclass(frozen=True)
class Scan:
    """What a run looks at: `source` is a FROM item, whose rows fall into so many buckets in each partition. `looked_at`
    are the partitions in question, those that are gone too; None: everything."""

    source: str
    buckets: int
    divided: bool = False
    looked_at: tuple[int, ...] | None = None
    note: str = ""

    def bucket(self, sql: str) -> str:
        """The number of a row's bucket: of its own among those of its partition."""
        return f"{PARTITION} * {self.buckets} + {sql}" if self.divided else sql

    def holds(self, column: str) -> str:
        """Whether a bucket number is of a partition in question."""
        if self.looked_at is None:
            return "TRUE"
        ranges = [f"{column} >= {n * self.buckets} AND {column} < {(n + 1) * self.buckets}" for n in self.looked_at]
        return f"({' OR '.join(ranges)})" if ranges else "FALSE"


def usable(partitions: Partitions | None, projection: Projection, follows_moves: bool) -> Partitions | None:
    """The partitions, where what is known of a row says in which one it stands.

    Rows without a row key are named by what is sent of them, so equal ones must stand in one partition. A row with a
    key that moves must look changed, or the snapshot would take it for a row of its old partition, and later for one
    that went; unless the snapshot `follows_moves` that nothing shows.
    """
    if partitions is None or not partitions.tokens:
        return None
    if partitions.whole or (follows_moves and projection.key is not None):
        return partitions
    spec = projection.spec
    seen = {column.name for column in projection.payload} | set(spec.role_columns) | set(spec.key_columns)
    return partitions if partitions.columns and set(partitions.columns) <= seen else None


@dataclass
class KeptTokens:
    """The tokens of a sync's partitions, in two tables of the staging schema: as committed (NULL: not to be believed),
    and as this run found them (with whether they moved)."""

    staging: Staging

    def scan(self, spec: SyncSpec, partitions: Partitions, buckets: int, trusted: bool) -> Scan:
        """What must be looked at; writes down the tokens of now. Without trust in what is kept, everything."""
        kept = self._kept(spec) if trusted else {}
        moved = [n for n, token in partitions.tokens.items() if token is None or kept.get(n) != token]
        self._write(spec, partitions, set(moved))
        looked_at = sorted({*moved, *(kept.keys() - partitions.tokens.keys())})
        if not kept or len(looked_at) > min(MOST_LOOKED_AT, len(partitions.tokens) / 2):
            return Scan(partitions.source(None), buckets, divided=True)
        skipped = partitions.tokens.keys() - set(moved)
        return Scan(partitions.source(moved), buckets, True, tuple(looked_at), _skipping(partitions, skipped))

    def apply(self, spec: SyncSpec, partial: bool) -> None:
        """Keep the tokens of now. A partition without one, or that moved when only a part of its rows was looked at, is
        kept as such: it is looked at by the next run even if it is gone by then."""
        if not self.staging.exists("fresh_partitions", spec.name):
            return
        kept, fresh = (self.staging.table(kind, spec.name) for kind in ("partitions", "fresh_partitions"))
        if partial:
            moved = f"FROM {fresh} WHERE moved"
            self.staging.session.execute(
                f"DELETE FROM {kept} WHERE partition_number IN (SELECT partition_number {moved})"
            )
            unsure = f"CAST(NULL AS {self.staging.dialect.text_type})"
            self.staging.session.execute(f"INSERT INTO {kept} SELECT partition_number, {unsure} {moved}")
            return
        self.forget(spec)
        self.staging.session.execute(f"INSERT INTO {kept} SELECT partition_number, token FROM {fresh}")

    def forget(self, spec: SyncSpec) -> None:
        """Look at every partition next time."""
        if self.staging.exists("partitions", spec.name):
            self.staging.session.execute(f"DELETE FROM {self.staging.table('partitions', spec.name)} WHERE TRUE")

    def tables(self, spec: SyncSpec, kept: bool) -> list[str]:
        """The tables of this run, and with `kept` the committed ones, as far as they are there."""
        kinds = ("fresh_partitions", "partitions") if kept else ("fresh_partitions",)
        return [self.staging.table(kind, spec.name) for kind in kinds]

    def _kept(self, spec: SyncSpec) -> dict[int, str | None]:
        if not self.staging.exists("partitions", spec.name):
            return {}
        sql = f"SELECT partition_number, token FROM {self.staging.table('partitions', spec.name)}"
        found = self.staging.session.rows(sql)
        return {int(number): None if token is None else str(token) for number, token in found}

    def _write(self, spec: SyncSpec, partitions: Partitions, moved: set[int]) -> None:
        import pyarrow as pa

        text = self.staging.dialect.text_type
        kept, fresh = (self.staging.table(kind, spec.name) for kind in ("partitions", "fresh_partitions"))
        self.staging.session.execute(f"CREATE TABLE IF NOT EXISTS {kept} (partition_number BIGINT, token {text})")
        self.staging.session.execute(f"CREATE TABLE {fresh} (partition_number BIGINT, token {text}, moved BOOLEAN)")
        columns = {
            "partition_number": pa.array(partitions.tokens.keys(), pa.int64()),
            "token": pa.array(partitions.tokens.values(), pa.string()),
            "moved": pa.array([n in moved for n in partitions.tokens], pa.bool_()),
        }
        self.staging.session.insert(fresh, [pa.record_batch(columns)])


def _skipping(partitions: Partitions, skipped: Set[int]) -> str:
    count, size = len(skipped), sum(partitions.sizes.get(n, 0) for n in skipped)
    bytes_saved = f" ({size:,} bytes)" if size else ""
    if not count:
        return ""
    return f"{count:,} of {len(partitions.tokens):,} partitions{bytes_saved} did not change and were not read"
