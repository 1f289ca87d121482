"""Mirror in Snowflake: hash snapshots as everywhere, where a stream says which buckets need a look.

With a stream that covers the snapshot no fingerprint is made of the table: the buckets of the stream's rows are the
ones that may have changed, and only their rows are hashed and compared. Without one, or when it went stale, the
fingerprints of all buckets decide. Either way what is sent is what differs from the snapshot, so a stream can only save
work.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.present import BUCKET
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.snowflake.streams import EVERYTHING, Streams, Watch

if TYPE_CHECKING:
    from mixpanel_wh.warehouses.catalogue import Partitions
    from mixpanel_wh.warehouses.kept import Names
    from mixpanel_wh.warehouses.projection import Projection
    from mixpanel_wh.warehouses.scanning import Scan

LOOKED_AT = -1  # the number of rows in a fingerprint that no bucket has, so that a look without a stream looks again


@dataclass
class SnowflakeSnapshots(HashSnapshots):
    """`ports.Snapshots` by hashes, narrowed by streams."""

    streams: Streams
    watch: Watch = field(default=Watch(None))

    def stage(self, spec: SyncSpec, pending: Pending, part: Part | None = None) -> Pending:
        """Write the changes to the change table of the sync; returns `pending` with its counts."""
        self.watch = self.streams.watched(spec, self.tables.describe(spec.table))
        staged = super().stage(spec, pending, part)
        return replace(staged, note=" ".join(note for note in (staged.note, self.watch.note) if note))

    def _keep_description(
        self, projection: Projection, names: Names, partitions: Partitions | None
    ) -> tuple[int, bool]:
        """The same, where a stream that covers the snapshot is as good as fingerprints; not once the buckets are
        numbered otherwise, or other content is sent."""
        before = self._description(projection.spec)
        buckets, trusted = super()._keep_description(projection, names, partitions)
        if self.streams.there(projection.spec) and before != self._description(projection.spec):
            self.streams.ask(projection.spec)
        return buckets, trusted or self._covered(projection.spec)

    def _description(self, spec: SyncSpec) -> list[tuple[object, ...]]:
        mine = f"WHERE sync = {self.tables.dialect.parameter('sync')}"
        described = self.tables.staging.table("snapshots")
        sql = f"SELECT buckets, signature, release FROM {described} {mine}"
        return list(self.tables.staging.session.rows(sql, {"sync": spec.name}))

    def _covered(self, spec: SyncSpec) -> bool:
        return self.watch.stream is not None and self.streams.covers(spec)

    def _fingerprint(self, projection: Projection, names: Names, scan: Scan) -> None:
        """The buckets that the stream tells of, in place of the fingerprints of all; or those as well."""
        if self.watch.stream is None:
            super()._fingerprint(projection, names, scan)
            return
        covered, spec = self._covered(projection.spec), projection.spec
        self.streams.moved(spec, self.watch.stream, self._present(projection, scan).bucket, projection.parameters)
        told = self.streams.buckets(spec)
        if covered:
            fast = f"CAST(NULL AS {self.tables.dialect.fast_type})"
            self._execute(
                f"CREATE TABLE {names.fresh} AS SELECT DISTINCT {BUCKET}, {LOOKED_AT} AS n, {fast} AS x, "
                f"TRUE AS changed FROM {told}"
            )
            return
        super()._fingerprint(projection, names, scan)
        self._execute(f"UPDATE {names.fresh} SET changed = TRUE WHERE {BUCKET} IN (SELECT {BUCKET} FROM {told})")
        self._execute(
            f"INSERT INTO {names.fresh} ({BUCKET}, changed) SELECT DISTINCT {BUCKET}, TRUE FROM {told} "
            f"WHERE {BUCKET} <> {EVERYTHING} AND {BUCKET} NOT IN (SELECT {BUCKET} FROM {names.fresh})"
        )

    def apply(self, spec: SyncSpec, pending: Pending, settle: bool = False) -> None:
        """Bring the snapshot to what was sent. The buckets that were looked at need no other look, unless something of
        them was left behind."""
        if not settle and not pending.partial and self.streams.there(spec):
            self.streams.looked(spec)
        super().apply(spec, pending, settle)

    def _look_again_at_rejected_deletes(self, spec: SyncSpec, names: Names, pending: Pending) -> None:
        super()._look_again_at_rejected_deletes(spec, names, pending)
        if pending.rejected and pending.deleted and self.streams.there(spec):
            held = f"{names.changes} WHERE {batches.OP} = 'delete' AND {self._refused()}"
            again = f"INSERT INTO {self.streams.buckets(spec)} SELECT DISTINCT {BUCKET} FROM {held}"
            self._execute(again, {"run_id": pending.run_id})

    def forget(self, spec: SyncSpec) -> None:
        """Make the next `stage` find every row changed, without losing what was delivered."""
        super().forget(spec)
        if self.streams.there(spec):
            self.streams.ask(spec)

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too: its stream first, which covers it no more."""
        if snapshot:
            self.streams.give_up(spec)
        super().discard(spec, snapshot)
