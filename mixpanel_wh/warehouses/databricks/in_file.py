"""Mirror of Delta tables for a user who may write nothing: snapshot and versions stand in a file."""

from __future__ import annotations

from dataclasses import dataclass

from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.databricks.feed import UNKNOWN, FeedSnapshots
from mixpanel_wh.warehouses.databricks.versions import TableVersions
from mixpanel_wh.warehouses.kept import Names
from mixpanel_wh.warehouses.present import BUCKET
from mixpanel_wh.warehouses.staging_file import FileSnapshots


@dataclass
class DatabricksFileSnapshots(FeedSnapshots, FileSnapshots):
    """`ports.Snapshots` in the file, of the rows that the change data feed names."""

    @property
    def versions(self) -> TableVersions:
        """Which version each sync has caught up with, in the file."""
        versions = TableVersions(self.file)
        versions.ensure()
        return versions

    def _mark(self, names: Names, buckets: str, parameters: dict[str, str]) -> None:
        """The table of fresh fingerprints, with the buckets of a query on the source as ones that differ."""
        self.bring(names.fresh, {BUCKET: "BIGINT"}, buckets, parameters)
        for column in (f"n BIGINT DEFAULT {UNKNOWN}", "x VARCHAR", "changed BOOLEAN DEFAULT TRUE"):
            self._execute(f"ALTER TABLE {names.fresh} ADD COLUMN {column}")

    def apply(self, spec: SyncSpec, pending: Pending, settle: bool = False) -> None:
        """Bring the snapshot to what was sent; with `settle`, only to what was surely delivered."""
        super().apply(spec, pending, settle)
        if not settle and self._catches_up(pending):
            self.versions.commit(spec.name)
