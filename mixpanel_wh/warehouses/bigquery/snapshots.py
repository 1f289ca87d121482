"""Mirror on BigQuery: hash snapshots in which a partition is one bucket, and a partition that did not move is not read.

BigQuery bills by bytes scanned, and no bucket by hash can be read without the rest of its partition. So there is no
fingerprint that would have to be computed: the metadata says which partitions moved, at no cost, and one pass hashes
their rows. Views and tables outside of BigQuery are hashed whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.bigquery.arrow import plainly
from mixpanel_wh.warehouses.bigquery.keeping import BigQueryStaging
from mixpanel_wh.warehouses.bigquery.partitions import partitioning
from mixpanel_wh.warehouses.bigquery.reading import Numbered
from mixpanel_wh.warehouses.bigquery.session import BigQuerySession
from mixpanel_wh.warehouses.bigquery.tables import BigQueryTables
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.kept import Names
from mixpanel_wh.warehouses.present import BUCKET, HASH
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan
from mixpanel_wh.warehouses.snapshots import HashSnapshots

if TYPE_CHECKING:
    import pyarrow as pa

NUMBERED_APART = 1024  # parts in which the changed rows are numbered side by side


@dataclass
class BigQuerySnapshots(HashSnapshots):
    """`ports.Snapshots` by hashes, with partitions for buckets."""

    tables: BigQueryTables
    follows_moves: ClassVar[bool] = True

    @property
    def session(self) -> BigQuerySession:
        """The session with what is BigQuery's own."""
        session = self.tables.staging.session
        assert isinstance(session, BigQuerySession)
        return session

    @property
    def staging(self) -> BigQueryStaging:
        """The staging dataset with what is BigQuery's own."""
        assert isinstance(self.tables.staging, BigQueryStaging)
        return self.tables.staging

    def _prepare(self, projection: Projection, names: Names, partitions: Partitions | None) -> tuple[int, bool]:
        """Clear debris, make the snapshot tables where missing; the snapshot is clustered by what it is read by."""
        text = self.tables.dialect.text_type
        self._execute(f"DROP TABLE IF EXISTS {unnumbered(names)}")
        self._execute(
            f"CREATE TABLE IF NOT EXISTS {names.snapshot} ({BUCKET} INT64, {batches.KEY} {text}, {HASH} BYTES, "
            f"{batches.EVENT} {text}, {batches.TIME} INT64, {batches.USER} {text}, {batches.DEVICE} {text}) "
            f"CLUSTER BY {BUCKET}"
        )
        return super()._prepare(projection, names, partitions)

    def _wanted_buckets(self, projection: Projection, partitions: Partitions | None, kept: int) -> int:
        """One, in each partition where there are any."""
        return 1

    def _assign_buckets(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Give every row of an older snapshot its bucket."""
        if self._count(f"(SELECT 1 FROM {names.snapshot} LIMIT 1) AS s"):
            self._move(projection, names, scan, "TRUE")

    def _move(self, projection: Projection, names: Names, scan: Scan, where: str) -> None:
        """Write down in which partitions the rows stand now, as far as they stood in those in question before. Of a key
        that is repeated only one row counts, as an UPDATE demands."""
        present = self._current(projection, scan, where, payload=False)
        self._execute(
            f"UPDATE {names.snapshot} AS s SET {BUCKET} = p.{BUCKET} FROM (SELECT {batches.KEY}, MIN({BUCKET}) AS "
            f"{BUCKET} FROM ({present}) AS r GROUP BY {batches.KEY}) AS p WHERE s.{batches.KEY} = p.{batches.KEY} "
            f"AND s.{BUCKET} <> p.{BUCKET} AND {where.replace(BUCKET, f's.{BUCKET}', 1)}", dict(projection.parameters),
        )  # fmt: skip

    def _fingerprint(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Every bucket that is looked at, as one that may differ: only reading it will tell."""
        found = f"SELECT 0 AS {BUCKET}, 1 AS n"
        if scan.divided:
            moved = "TRUE" if scan.looked_at is None else "moved"
            fresh = self.staging.table("fresh_partitions", projection.spec.name)
            found = f"SELECT partition_number AS {BUCKET}, 1 AS n FROM {fresh} WHERE {moved}"
        self._execute(
            f"CREATE TABLE {names.fresh} AS SELECT COALESCE(f.{BUCKET}, o.{BUCKET}) AS {BUCKET}, f.n, 0 AS x, TRUE AS "
            f"changed FROM ({found}) AS f FULL OUTER JOIN (SELECT {BUCKET} FROM {names.fingerprints} WHERE "
            f"{scan.holds(BUCKET)}) AS o ON f.{BUCKET} = o.{BUCKET}"
        )

    def _holds_keys_of_others(self, projection: Projection, names: Names, scan: Scan) -> bool:
        """Whether a row key in the partitions in question was delivered from another; where there are any."""
        return bool(scan.looked_at) and super()._holds_keys_of_others(projection, names, scan)

    def _write_changes(self, projection: Projection, names: Names, scan: Scan, where: str, part: Part | None) -> None:
        """Inserts and updates with their payload, then deletes, into the change table."""
        raw = replace(names, changes=unnumbered(names))
        if self._may_move_unseen(projection, scan):
            self._assign_buckets(projection, names, scan) if where == "TRUE" else self._move(
                projection, names, scan, where
            )
        super()._write_changes(projection, raw, scan, where, part)
        self._number_changes(raw, names)

    def _may_move_unseen(self, projection: Projection, scan: Scan) -> bool:
        """Whether a row can go to another partition while what is sent of it stays as it was."""
        parted = partitioning(self.tables.metadata.found(projection.spec.table)) if scan.divided else None
        seen = {column.name for column in projection.payload} | set(projection.spec.role_columns)
        return parted is not None and parted.column not in seen

    def _number(self, before: str = "0") -> str:
        """No number yet: to count all rows in one go would be the work of a single machine."""
        return f", CAST(NULL AS INT64) AS {self.tables.dialect.row_number}"

    def _number_changes(self, raw: Names, names: Names) -> None:
        """Number the changed rows from 0 without gaps, part by part, with every column readable as Arrow."""
        number, key = self.tables.dialect.row_number, f"CONCAT({batches.OP}, COALESCE({batches.KEY}, ''))"
        part = f"MOD(ABS(MOD(FARM_FINGERPRINT({key}), {NUMBERED_APART})), {NUMBERED_APART})"
        rows = f"(SELECT * EXCEPT ({number}) FROM {raw.changes}) AS c"
        shown = plainly(self.session.jobs.dry(f"SELECT * FROM {rows}").schema or ())
        counted = f"SELECT {part} AS _mp_part, count(*) AS held FROM {raw.changes} GROUP BY 1"
        starts = f"SELECT _mp_part, SUM(held) OVER (ORDER BY _mp_part) - held AS start FROM ({counted}) AS t"
        self._execute(
            f"CREATE TABLE {names.changes} CLUSTER BY {number} AS SELECT n.* EXCEPT (_mp_part), p.start + ROW_NUMBER() "
            f"OVER (PARTITION BY n._mp_part) - 1 AS {number} FROM (SELECT {shown}, {part} AS _mp_part FROM {rows}) "
            f"AS n JOIN ({starts}) AS p ON n._mp_part = p._mp_part"
        )
        self._execute(f"DROP TABLE IF EXISTS {raw.changes}")

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""
        number, table = self.tables.dialect.row_number, self.staging.found("changes", spec.name)
        if table is None or not pending.rows:
            return
        fields = [field for field in table.schema if field.name not in (BUCKET, HASH, number)]
        yield from self.session.reader.numbered(Numbered(table, number, fields, pending.rows), pending.acknowledged)

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too."""
        self.session.finally_drop(unnumbered(self._names(spec)))
        super().discard(spec, snapshot)


def unnumbered(names: Names) -> str:
    """Under which name the changes stand until they are numbered."""
    return names.changes[:-1] + "_raw`"
