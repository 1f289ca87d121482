"""Mirror on BigQuery: hash snapshots whose buckets are the partitions of the table, and whose fingerprints are what
BigQuery's metadata says of them. A partition that did not move is not scanned.

BigQuery bills by bytes scanned, and no bucket by hash could be read without the rest of the table; a partition can.
So the fingerprint of a bucket is the partition's number of rows and `last_modified_time`, which cost no scan, and one
pass over the partitions that moved hashes their rows. A table without partitions is one bucket. Views, external tables
and what else has no such metadata are hashed whole. All of it is read as of one moment, the one at which the metadata
was asked for; a partition that moved so shortly before it that clocks might disagree is looked at again next time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.bigquery.arrow import plainly
from mixpanel_wh.warehouses.bigquery.catalogue import KEPT
from mixpanel_wh.warehouses.bigquery.keeping import BigQueryStaging
from mixpanel_wh.warehouses.bigquery.partitions import WHOLE, Partitioning, partitioning
from mixpanel_wh.warehouses.bigquery.reading import Numbered
from mixpanel_wh.warehouses.bigquery.session import BigQuerySession
from mixpanel_wh.warehouses.bigquery.tables import BigQueryProjection, BigQueryTables
from mixpanel_wh.warehouses.projection import Projection, sent_columns
from mixpanel_wh.warehouses.snapshots import BUCKET, HASH, HashSnapshots, _Names
from mixpanel_wh.warehouses.tables import duplicate_keys

if TYPE_CHECKING:
    import pyarrow as pa

LOG = logging.getLogger("mixpanel_wh")
UNSURE_SECONDS = 60
NUMBERING = 1024  # parts in which the changed rows are numbered side by side
ONE_BUCKET = 1


@dataclass
class BigQuerySnapshots(HashSnapshots):
    """`ports.Snapshots` by hashes, with partitions for buckets."""

    tables: BigQueryTables

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

    def _prepare(self, projection: Projection, names: _Names) -> tuple[int, bool]:
        """Clear debris, make the snapshot tables where missing; whether the kept fingerprints may be compared."""
        for debris in (names.changes, names.fresh, unnumbered(names)):
            self._execute(f"DROP TABLE IF EXISTS {debris}")
        text = self.tables.dialect.text_type
        self._execute(
            f"CREATE TABLE IF NOT EXISTS {names.snapshot} ({BUCKET} INT64, {batches.KEY} {text}, {HASH} BYTES, "
            f"{batches.EVENT} {text}, {batches.TIME} INT64, {batches.USER} {text}, {batches.DEVICE} {text}) "
            f"CLUSTER BY {BUCKET}"
        )
        self._execute(f"CREATE TABLE IF NOT EXISTS {names.fingerprints} ({BUCKET} INT64, n INT64, x INT64)")
        return self._keep_description(self._parted(projection), names, ONE_BUCKET)

    def _parted(self, projection: Projection) -> BigQueryProjection:
        """The projection with the table's partitioning, where rows can be told apart partition by partition.

        Where a key may be repeated, or a row is named by its content without the partition's column in it, rows of
        different partitions must be compared with each other: the table counts as one bucket then.
        """
        assert isinstance(projection, BigQueryProjection)
        found, spec = self.tables.metadata.found(projection.spec.table), projection.spec
        parted = partitioning(found) if found.table_type in KEPT else None
        sent = {column.name for column in sent_columns(spec, projection.table)} | {spec.time_column}
        named = spec.key_columns or (parted and parted.column in sent)
        usable = parted if parted and named and spec.on_duplicate_key != "reject" else None
        return replace(projection, partitioning=usable)

    def _assign_buckets(self, projection: Projection, names: _Names, buckets: int) -> None:
        """Give every row of an older snapshot the number of its partition."""
        if self._count(f"(SELECT 1 FROM {names.snapshot} LIMIT 1) AS s"):
            self._move(projection, names, buckets, "TRUE")

    def _move(self, projection: Projection, names: _Names, buckets: int, where: str) -> None:
        """Note in which partitions the rows stand now, where their content is what it was."""
        present = self._current(projection, buckets, where, payload=False)
        self._execute(
            f"UPDATE {names.snapshot} AS s SET {BUCKET} = p.{BUCKET} FROM (SELECT {batches.KEY}, MIN({BUCKET}) AS "
            f"{BUCKET} FROM ({present}) AS r GROUP BY {batches.KEY}) AS p "
            f"WHERE s.{batches.KEY} = p.{batches.KEY} AND s.{BUCKET} <> p.{BUCKET} AND {where.replace(BUCKET, f's.{BUCKET}', 1)}",
            dict(projection.parameters),
        )  # fmt: skip

    def _fingerprint(self, projection: Projection, names: _Names, buckets: int) -> None:
        """What the metadata says of each partition as of now, marked where it differs from what was kept."""
        found = self.tables.metadata.found(projection.spec.table)
        parted = self._parted(projection).partitioning
        metadata = whole_or_parts(parted) if found.table_type in KEPT else UNKNOWN
        place = f"`{found.project}`.`{found.dataset_id}`.INFORMATION_SCHEMA.PARTITIONS"
        self._execute(
            f"CREATE TABLE {names.fresh} AS SELECT COALESCE(f.{BUCKET}, o.{BUCKET}) AS {BUCKET}, f.n, f.x, f.bytes, "
            "CURRENT_TIMESTAMP() AS moment, NOT COALESCE(f.n = o.n AND f.x = o.x, FALSE) AS changed FROM "
            f"({metadata.format(place=place, bucket=BUCKET)}) AS f FULL OUTER JOIN {names.fingerprints} AS o "
            f"ON f.{BUCKET} = o.{BUCKET}",
            {"table": found.table_id, "unsure": UNSURE_SECONDS},
        )

    def _bucket(self, projection: Projection, raw: list[str], buckets: int) -> str:
        parted = projection.partitioning if isinstance(projection, BigQueryProjection) else None
        return parted.number if parted else str(WHOLE)

    def _bucketed(self, projection: Projection, buckets: int) -> str:
        """The rows of the partitions in question, with the number of its partition on every row."""
        parted = projection if isinstance(projection, BigQueryProjection) else self._parted(projection)
        bucket = self._bucket(parted, [], buckets)
        return f"(SELECT *, {bucket} AS {BUCKET} FROM {parted.source} WHERE {parted.chosen.where}) AS b"

    def _write_changes(
        self, projection: Projection, names: _Names, buckets: int, where: str, part: Part | None
    ) -> None:
        """Inserts and updates with their payload, then deletes, into the change table, of the partitions that moved."""
        narrowed = self._narrowed(projection, names, everything=where == "TRUE")
        if where != "TRUE":
            self._note_moves(narrowed, names, buckets, where)
        super()._write_changes(narrowed, replace(names, changes=unnumbered(names)), buckets, where, part)
        self._number_changes(names)
        if where != "TRUE":
            self._refuse_keys_of_other_partitions(narrowed, names)

    def _narrowed(self, projection: Projection, names: _Names, everything: bool) -> BigQueryProjection:
        """The projection on the partitions that moved, at the moment at which the metadata was asked for."""
        parted = self._parted(projection)
        sql = f"SELECT {BUCKET}, changed, moment, COALESCE(bytes, 0) FROM {names.fresh}"
        rows = self.session.rows(sql)
        moment = rows[0][2] if rows and self.tables.metadata.found(parted.spec.table).table_type == "TABLE" else None
        if parted.partitioning is None or everything:
            return replace(parted, moment=moment)
        kept = [row for row in rows if not row[1]]
        LOG.info("sync %s: %d of %d partitions did not change, so %.2f GB are not scanned", parted.spec.name, len(kept),
                 len(rows), sum(row[3] for row in kept) / 1e9)  # fmt: skip
        return replace(parted, chosen=parted.partitioning.chosen([row[0] for row in rows if row[1]]), moment=moment)

    def _note_moves(self, projection: BigQueryProjection, names: _Names, buckets: int, where: str) -> None:
        """Rows that only went from one partition to another; elsewhere such a row has another content."""
        parted = projection.partitioning
        sent = {column.name for column in sent_columns(projection.spec, projection.table)}
        if parted is not None and parted.column not in sent | {projection.spec.time_column}:
            self._move(projection, names, buckets, where)

    def _refuse_keys_of_other_partitions(self, projection: BigQueryProjection, names: _Names) -> None:
        """DuplicateKeys when a new row has the key of a row in a partition that did not move."""
        if projection.partitioning is None:
            return
        found = self.session.rows(
            f"SELECT count(*) OVER (), c.{batches.KEY} FROM {names.changes} AS c JOIN {names.snapshot} AS s "
            f"ON c.{batches.KEY} = s.{batches.KEY} WHERE c.{batches.OP} = 'insert' AND s.{BUCKET} NOT IN "
            f"(SELECT {BUCKET} FROM {names.fresh} WHERE changed) LIMIT 3"
        )
        if found:
            raise duplicate_keys(projection.spec, int(found[0][0]), [row[1:] for row in found])

    def _number(self, before: str = "0") -> str:
        """No number yet: one count over all rows would be the work of a single machine."""
        return f", CAST(NULL AS INT64) AS {self.tables.dialect.row_number}"

    def _number_changes(self, names: _Names) -> None:
        """Number the changed rows from 0 without gaps, part by part, and make every column readable as Arrow."""
        number, key = self.tables.dialect.row_number, f"CONCAT({batches.OP}, COALESCE({batches.KEY}, ''))"
        part = f"MOD(ABS(MOD(FARM_FINGERPRINT({key}), {NUMBERING})), {NUMBERING})"
        raw = unnumbered(names)
        shown = plainly(self.session.jobs.dry(f"SELECT * EXCEPT ({number}) FROM {raw}").schema or ())
        self._execute(
            f"CREATE TABLE {names.changes} CLUSTER BY {number} AS SELECT n.* EXCEPT (_mp_part), p.first + ROW_NUMBER() "
            f"OVER (PARTITION BY n._mp_part) - 1 AS {number} FROM (SELECT {shown}, {part} AS _mp_part FROM "
            f"(SELECT * EXCEPT ({number}) FROM {raw}) AS c) AS n JOIN (SELECT _mp_part, SUM(rows_in) OVER "
            f"(ORDER BY _mp_part) - rows_in AS first FROM (SELECT {part} AS _mp_part, count(*) AS rows_in FROM {raw} "
            "GROUP BY 1) AS t) AS p ON n._mp_part = p._mp_part"
        )
        self._execute(f"DROP TABLE {raw}")

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""
        number = self.tables.dialect.row_number
        table = self.staging.found("changes", spec.name)
        if table is None or not table.num_rows:
            return
        fields = [field for field in table.schema if field.name not in (BUCKET, HASH, number)]
        yield from self.session.reader.numbered(Numbered(table, number, fields), pending.acknowledged)

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too."""
        self.session.finally_drop(unnumbered(self._names(spec)))
        super().discard(spec, snapshot)


def unnumbered(names: _Names) -> str:
    """The name under which the changes stand until they are numbered."""
    return names.changes[:-1] + "_raw`"


# Of each partition: its number, how many rows and bytes it has, when it was changed; NULL where that was just now.
MODIFIED = (
    "CASE WHEN last_modified_time < TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @mp_unsure SECOND) "
    "THEN UNIX_MICROS(last_modified_time) END"
)
PARTS = (
    "SELECT {number} AS {{bucket}}, SUM(total_rows) AS n, CASE WHEN count({modified}) = count(*) THEN "
    "MAX({modified}) END AS x, SUM(total_logical_bytes) AS bytes FROM {{place}} WHERE table_name = @mp_table GROUP BY 1"
)
# Of a table as a whole, also whether a partition went.
ALL = (
    "SELECT 0 AS {{bucket}}, SUM(total_rows) AS n, CASE WHEN count({modified}) = count(*) THEN BIT_XOR(FARM_FINGERPRINT("
    "CONCAT(COALESCE(partition_id, ''), ':', CAST(UNIX_MICROS(last_modified_time) AS STRING)))) END AS x, "
    "SUM(total_logical_bytes) AS bytes FROM {{place}} WHERE table_name = @mp_table HAVING count(*) > 0"
)
UNKNOWN = "SELECT 0 AS {bucket}, CAST(NULL AS INT64) AS n, CAST(NULL AS INT64) AS x, CAST(NULL AS INT64) AS bytes"


def whole_or_parts(parted: Partitioning | None) -> str:
    """A query for the metadata, by partition where those are the buckets."""
    if parted is None:
        return ALL.format(modified=MODIFIED)
    return PARTS.format(number=parted.number_of_id, modified=MODIFIED)
