"""Where to look for what changed in a Delta table: its change data feed tells, from version to version.

Beside the snapshot stands the version of the table that it has caught up with. A run fixes a newer version, asks the
feed between the two which rows were touched, and compares only the buckets of those, at the fixed version. Several
changes of a row are thus one look, and a change there and back is none. Where the feed cannot be read (a view, a table
made anew, history that is gone, a feed switched on late) every bucket is compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.databricks.catalogue import WITHOUT_HISTORY, Described, Version, of_class, switched_on
from mixpanel_wh.warehouses.databricks.tables import DatabricksTables
from mixpanel_wh.warehouses.databricks.versions import Committed, TableVersions
from mixpanel_wh.warehouses.kept import Names
from mixpanel_wh.warehouses.present import BUCKET
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan
from mixpanel_wh.warehouses.snapshots import HashSnapshots

UNKNOWN = "CAST(-1 AS BIGINT)"  # the count of a bucket whose fingerprint nobody knows: it differs from every other
LATE = "the change data feed was not on for every version since the last run"
GONE = "its history no longer reaches back to the last run"
RESHAPED = "its columns changed in a way that the change data feed does not follow"
WHY = {
    "DELTA_MISSING_CHANGE_DATA": LATE, "DELTA_CHANGE_DATA_FILE_NOT_FOUND": GONE, "DELTA_FILE_NOT_FOUND": GONE,
    "DELTA_FILE_NOT_FOUND_DETAILED": GONE, "DELTA_VERSION_NOT_FOUND": GONE, "DELTA_LOG_FILE_NOT_FOUND": GONE,
    "DELTA_VERSIONS_NOT_CONTIGUOUS": GONE, "DELTA_TRUNCATED_TRANSACTION_LOG": GONE, "FAILED_READ_FILE": GONE,
    "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION": GONE,
    "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_DATA_SCHEMA": RESHAPED,
    "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE": RESHAPED,
}  # fmt: skip


@dataclass
class FeedSnapshots(HashSnapshots):
    """`snapshots.HashSnapshots` that looks only at rows which the change data feed names."""

    tables: DatabricksTables

    @property
    def versions(self) -> TableVersions:
        """Which version each sync has caught up with."""
        return TableVersions(self.staging)

    def stage(self, spec: SyncSpec, pending: Pending, part: Part | None = None) -> Pending:
        """Write the changes to the change table of the sync; returns `pending` with its counts."""
        pending = replace(pending, staged=True, partial=part is not None)
        described = self.tables.catalogue.described(spec.table)
        try:
            now = self.tables.catalogue.version(spec.table) if described.is_delta else None
            return self._staged_at(now, described, spec, pending, part)
        except SourceError as error:
            if not described.is_delta or of_class(error) not in WITHOUT_HISTORY:
                raise
        return self._staged_at(None, described, spec, pending, part)

    def _staged_at(
        self, now: Version | None, described: Described, spec: SyncSpec, pending: Pending, part: Part | None
    ) -> Pending:
        with self.tables.pinned(described.table, now.number if now else None):
            staged = self._staged(spec, pending, now, part)
        self.versions.stage(spec.name, now)
        return staged

    def _staged(self, spec: SyncSpec, pending: Pending, now: Version | None, part: Part | None) -> Pending:
        projection, names = self.tables.projection(spec), self._names(spec)
        buckets, trusted = self._prepare(projection, names, None)
        scan = Scan(projection.source, buckets)
        narrowed, note = self._narrow(projection, names, scan, now)
        if not narrowed:
            self._fingerprint(projection, names, scan)
        pending = replace(pending, note=note)
        where = self._changed_buckets(names) if trusted or narrowed else "TRUE"
        if where != "TRUE" and not self._count(f"{names.fresh} WHERE changed"):
            self._write_no_changes(names)
            return pending
        self._write_changes(projection, names, scan, where, part)
        return self._counted(names, pending)

    def _narrow(self, projection: Projection, names: Names, scan: Scan, now: Version | None) -> tuple[bool, str]:
        """Whether the feed told which buckets to look at, which stand in the table of fresh fingerprints then; and what
        there is to say of it."""
        spec = projection.spec
        known = self.versions.committed(spec.name)
        if now is None or known is None:
            return False, ""
        if known.table_id != now.id or known.version > now.number:
            return False, f"{spec.table} was made anew since the last run: every row was compared"
        if known.version < now.number and not now.feeds:
            on = switched_on(self.tables.catalogue.source(spec.table))
            return False, f"the change data feed of {spec.table} is off, so every row was compared: run  {on}"
        return self._fed(projection, names, scan, known, now)

    def _fed(
        self, projection: Projection, names: Names, scan: Scan, known: Committed, now: Version
    ) -> tuple[bool, str]:
        table = projection.spec.table
        if known.version == now.number:
            self._mark(names, f"SELECT CAST(0 AS INT) AS {BUCKET} WHERE FALSE", {})
            return True, f"{table} is still at version {now.number}: no row was read"
        source = self.tables.dialect.literal(self.tables.catalogue.source(table))
        feed = f"table_changes({source}, {known.version + 1}, {now.number})"
        try:
            touched = f"SELECT DISTINCT {self._present(projection, scan).bucket} AS {BUCKET} FROM {feed}"
            self._mark(names, touched, projection.parameters)
        except SourceError as error:
            why = WHY.get(of_class(error), str(error))
            return False, f"the changes of {table} could not be read, {why}: every row was compared"
        return True, f"versions {known.version + 1} to {now.number} of {table} were read from its change data feed"

    def _mark(self, names: Names, buckets: str, parameters: dict[str, str]) -> None:
        """The table of fresh fingerprints, with the buckets of a query as ones that differ."""
        self._execute(
            f"CREATE TABLE {names.fresh} AS SELECT {BUCKET}, {UNKNOWN} AS n, CAST(0 AS BIGINT) AS x, TRUE AS changed "
            f"FROM ({buckets}) AS touched", dict(parameters),
        )  # fmt: skip

    def _catches_up(self, pending: Pending) -> bool:
        """Whether everything up to the staged version was delivered; else the next run asks the feed from before."""
        return not (pending.partial or (pending.rejected and pending.deleted))

    def forget(self, spec: SyncSpec) -> None:
        """Make the next `stage` find every row changed, without losing what was delivered."""
        self.versions.forget(spec.name)
        super().forget(spec)

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too."""
        if snapshot:
            self.versions.forget(spec.name)
        super().discard(spec, snapshot)

    def _assign_buckets(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Give every row of an older snapshot its bucket under today's fast hash. The feed tells nothing of rows whose
        record differs by an edit of the sync, so the version that was caught up with no longer counts."""
        self.versions.forget(projection.spec.name)
        super()._assign_buckets(projection, names, scan)
