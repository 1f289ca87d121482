"""Hash snapshots: which rows changed since the last committed run, found in the warehouse.

A snapshot holds, for every delivered row, its bucket, key, 128-bit content hash and the identity fields it was
delivered under. Beside it stands one fingerprint a bucket, made of fast hashes. A run compares fingerprints first and
hashes rows only in buckets that differ. Fast hashes hold within one release of the warehouse; under another release,
or when the sync itself says something else is sent, every bucket is hashed again and the 128-bit hashes decide.

The changed rows are copied, whole, into the change table of the sync in the same transaction that writes the pending
run, so that a crash can neither lose nor alter what is to be sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.kept import IDENTITY, OLD, KeptSnapshot, Names
from mixpanel_wh.warehouses.present import BUCKET, HASH, Present
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan, usable

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BUCKET = 40
LARGEST_BUCKETS = 1 << 20


def bucket_count(rows: int) -> int:
    """A power of two with about `ROWS_PER_BUCKET` rows in each bucket."""
    wanted = max(16, rows // ROWS_PER_BUCKET)
    return int(min(LARGEST_BUCKETS, 1 << (wanted - 1).bit_length()))


@dataclass
class HashSnapshots(KeptSnapshot):
    """`ports.Snapshots` by hashes kept in the staging schema; works for every table and view."""

    follows_moves: ClassVar[bool] = False
    """Whether a row that moves to another partition, though nothing of it that is sent changes, is noted there."""

    def stage(self, spec: SyncSpec, pending: Pending, part: Part | None = None) -> Pending:
        """Write the changes to the change table of the sync; returns `pending` with its counts."""
        pending = replace(pending, staged=True, partial=part is not None)
        # Asked first: what is read must be no older than the tokens of the partitions that it stands in.
        partitions = self.tables.catalogue.partitions(spec.table)
        projection, names = self.tables.projection(spec), self._names(spec)
        partitions = usable(partitions, projection, self.follows_moves)
        buckets, trusted = self._prepare(projection, names, partitions)
        scan = self._scan(projection, partitions, buckets, trusted)
        self._fingerprint(projection, names, scan)
        if scan.looked_at is not None and self._holds_keys_of_others(projection, names, scan):
            scan, trusted = replace(scan, source=self._whole(projection, partitions), looked_at=None, note=""), False
        pending = replace(pending, note=scan.note)
        where = self._changed_buckets(names) if trusted else "TRUE"
        if trusted and not self._count(f"{names.fresh} WHERE changed"):
            self._write_no_changes(names)
            return pending
        self._write_changes(projection, names, scan, where, part)
        return self._counted(names, pending)

    def _scan(self, projection: Projection, partitions: Partitions | None, buckets: int, trusted: bool) -> Scan:
        if partitions is None:
            return Scan(projection.source, buckets)
        return self.tokens.scan(projection.spec, partitions, buckets, trusted)

    def _whole(self, projection: Projection, partitions: Partitions | None) -> str:
        return partitions.source(None) if partitions else projection.source

    def _holds_keys_of_others(self, projection: Projection, names: Names, scan: Scan) -> bool:
        """Whether a row key in the partitions in question was delivered from another one that is not looked at."""
        spec = projection.spec
        if projection.key is None or self.tables.catalogue.is_unique(spec.table, spec.key_columns):
            return False
        present = self._current(projection, scan, self._changed_buckets(names), payload=False)
        found = self.staging.session.rows(
            f"SELECT 1 FROM ({present}) AS p JOIN {names.snapshot} AS s ON p.{batches.KEY} = s.{batches.KEY} "
            f"WHERE NOT {scan.holds(f's.{BUCKET}')} LIMIT 1", dict(projection.parameters),
        )  # fmt: skip
        return bool(found)

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""
        projection, dialect = self.tables.projection(spec), self.dialect
        staged = self.staging.columns("changes", spec.name)
        shown = ", ".join(dialect.quote(name) for name in staged if name not in (BUCKET, HASH, dialect.row_number))
        ordered = "" if dialect.numbers_rows else f" ORDER BY {dialect.row_number}"
        rest = f"WHERE {dialect.row_number} >= {pending.acknowledged}{ordered}"
        sql = f"SELECT {shown} FROM {self._names(spec).changes} {rest}"
        yield from self.staging.session.stream(sql, projection.parameters)

    def _prepare(self, projection: Projection, names: Names, partitions: Partitions | None) -> tuple[int, bool]:
        """Clear debris, make the snapshot tables where missing; the number of buckets, and whether the kept
        fingerprints may be compared."""
        for debris in (names.changes, names.fresh, *self.tokens.tables(projection.spec, kept=False)):
            self._execute(f"DROP TABLE IF EXISTS {debris}")
        dialect, text = self.dialect, self.dialect.text_type
        self._execute(
            f"CREATE TABLE IF NOT EXISTS {names.snapshot} ({BUCKET} BIGINT, {batches.KEY} {text}, "
            f"{HASH} {dialect.hash_type}, {batches.EVENT} {text}, {batches.TIME} BIGINT, {batches.USER} {text}, "
            f"{batches.DEVICE} {text})"
        )
        self._execute(
            f"CREATE TABLE IF NOT EXISTS {names.fingerprints} ({BUCKET} BIGINT, n BIGINT, x {dialect.fast_type})"
        )
        return self._keep_description(projection, names, partitions)

    def _wanted_buckets(self, projection: Projection, partitions: Partitions | None, kept: int) -> int:
        """How many buckets there should be, in each partition where there are any; as many as before where only a scan
        of partitions that nobody would read otherwise could tell."""
        if partitions is None:
            return bucket_count(self.tables.count(projection.spec))
        if partitions.rows is None and kept:
            return kept
        rows = self.tables.count(projection.spec) if partitions.rows is None else partitions.rows
        return bucket_count(rows // len(partitions.tokens))

    def _keep_description(
        self, projection: Projection, names: Names, partitions: Partitions | None
    ) -> tuple[int, bool]:
        """Compare what the snapshot was made with; where it differs, no kept fingerprint can be trusted."""
        session, spec = self.staging.session, projection.spec
        described = self.staging.table("snapshots")
        mine = f"WHERE sync = {self.dialect.parameter('sync')}"
        found = session.rows(f"SELECT buckets, signature, release FROM {described} {mine}", {"sync": spec.name})
        release = self._release()
        kept = int(found[0][0]) if found else 0
        wanted = self._wanted_buckets(projection, partitions, kept)
        signature = f"{'divided ' if partitions else ''}{projection.signature}"
        buckets = kept if kept and wanted // 8 <= kept <= wanted * 8 else wanted
        if found and tuple(found[0]) == (buckets, signature, release):
            return buckets, bool(self._count(names.fingerprints))
        self._execute(f"DELETE FROM {names.fingerprints} WHERE TRUE")
        self._execute(f"DELETE FROM {described} {mine}", {"sync": spec.name})
        scan = Scan(self._whole(projection, partitions), buckets, divided=partitions is not None)
        self._assign_buckets(projection, names, scan)
        # Last: where statements are not committed together, what stands half done must be done again.
        row = {"sync": spec.name, "buckets": buckets, "signature": signature, "release": release}
        parameter = self.dialect.parameter
        values = f"{parameter('sync')}, CAST({parameter('buckets')} AS BIGINT), {parameter('signature')}"
        self._execute(f"INSERT INTO {described} VALUES ({values}, {parameter('release')})", row)
        return buckets, False

    def _release(self) -> str:
        """The release within which the fast hashes of the source hold."""
        return str(self.tables.staging.session.rows(f"SELECT {self.tables.dialect.release}")[0][0])

    def _assign_buckets(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Give every row of an older snapshot its bucket under today's fast hash."""
        if not self._count(f"(SELECT 1 FROM {names.snapshot} LIMIT 1) AS s"):
            return
        present = self._current(projection, scan, "TRUE", payload=False)
        self._execute(
            f"UPDATE {names.snapshot} AS s SET {BUCKET} = p.{BUCKET} FROM ({present}) AS p "
            f"WHERE s.{batches.KEY} = p.{batches.KEY}", dict(projection.parameters),
        )  # fmt: skip

    def _fingerprint(self, projection: Projection, names: Names, scan: Scan) -> None:
        """One fingerprint a bucket of the table as it is now, marked where it differs from the kept one."""
        self._execute(
            f"CREATE TABLE {names.fresh} AS SELECT COALESCE(f.{BUCKET}, o.{BUCKET}) AS {BUCKET}, f.n, f.x, "
            f"NOT COALESCE(f.n = o.n AND f.x = o.x, FALSE) AS changed FROM "
            f"({self._fingerprints(projection, scan)}) AS f FULL OUTER JOIN "
            f"(SELECT * FROM {names.fingerprints} WHERE {scan.holds(BUCKET)}) AS o ON f.{BUCKET} = o.{BUCKET}",
            dict(projection.parameters),
        )
        self._settle_table(names.fresh)

    def _fingerprints(self, projection: Projection, scan: Scan) -> str:
        """The fingerprints of now, as a query that runs where the snapshot stands."""
        return self._present(projection, scan).fingerprints()

    def _settle_table(self, table: str, ordered: bool = False) -> None:
        """What the warehouse wants done to a table that was written just now."""
        for statement in self.dialect.made(table, ordered):
            self._execute(statement)

    def _present(self, projection: Projection, scan: Scan) -> Present:
        """What is looked at of the source."""
        return Present(self.tables, projection, scan)

    def _current(self, projection: Projection, scan: Scan, where: str, payload: bool) -> str:
        """The table's rows in the buckets in question, as a query that runs where the snapshot stands."""
        return self._present(projection, scan).rows(where, payload)

    def _refuse_bad_keys(self, projection: Projection, scan: Scan, where: str) -> None:
        """DuplicateKeys when a key is NULL or repeated in the buckets in question, before anything is sent."""
        self._present(projection, scan).refuse_bad_keys(where)

    def _write_no_changes(self, names: Names) -> None:
        """A change table without changes."""
        numbered = "" if self.dialect.numbers_rows else f", {self.dialect.row_number} BIGINT"
        self._execute(f"CREATE TABLE {names.changes} ({batches.KEY} {self.dialect.text_type}{numbered})")

    def _write_changes(self, projection: Projection, names: Names, scan: Scan, where: str, part: Part | None) -> None:
        """Inserts and updates with their payload, then deletes, into the change table."""
        first = not self._count(f"(SELECT 1 FROM {names.snapshot} LIMIT 1) AS s")
        self._refuse_bad_keys(projection, scan, where)
        inside, bounds = self._inside(projection.spec, part)
        parameters = {**projection.parameters, **bounds}
        current = self._current(projection, scan, where, payload=True)
        self._execute(self._inserts(projection, names, current, where, first, inside), parameters)
        if not first:
            present = self._current(projection, scan, where, payload=False)
            self._execute(self._deletes(projection, names, present, where, inside), parameters)
        self._settle_table(names.changes, ordered=True)

    def _number(self, before: str = "0") -> str:
        """What numbers the rows of a table as they are written, as a part of a select list; nothing where the warehouse
        does so by itself."""
        dialect = self.dialect
        return "" if dialect.numbers_rows else f", {before} + row_number() OVER () - 1 AS {dialect.row_number}"

    def _inside(self, spec: SyncSpec, part: Part | None) -> tuple[str, dict[str, object]]:
        """A condition on a table `{0}` that holds inside the part, with its parameters."""
        if part is None:
            return "TRUE", {}
        if part.column != spec.time_column:
            raise SourceError(f"sync {spec.name}: mirror is cut into parts by its time column, {spec.time_column}")
        given: dict[str, object] = {"since": part.since, "before": part.before}
        parameter = self.dialect.parameter
        moment = f"{{0}}.{batches.TIME}"
        since, before = (f"CAST({parameter(name)} AS BIGINT)" for name in given)
        return f"{moment} >= {since} AND {moment} < {before}", given

    def _inserts(self, projection: Projection, names: Names, current: str, where: str, first: bool, inside: str) -> str:
        shown = "".join(f", c.{alias}" for alias, _ in projection.identity) + projection.select_payload("c.")
        if first:
            text = self.dialect.text_type
            old = "".join(f", CAST(NULL AS {'BIGINT' if a == batches.TIME else text}) AS {o}" for a, o in OLD.items())
            return (
                f"CREATE TABLE {names.changes} AS SELECT 'insert' AS {batches.OP}, c.{batches.FAULT}, c.{BUCKET}, "
                f"c.{HASH}, c.{batches.KEY}{old}{shown}{self._number()} FROM ({current}) AS c "
                f"WHERE {inside.format('c')}"
            )
        op = f"CASE WHEN s.{batches.KEY} IS NULL THEN 'insert' ELSE 'update' END"
        return (
            f"CREATE TABLE {names.changes} AS SELECT {op} AS {batches.OP}, c.{batches.FAULT}, c.{BUCKET}, c.{HASH}, "
            f"c.{batches.KEY}{self._old()}{shown}{self._number()} FROM ({current}) AS c LEFT JOIN "
            f"(SELECT * FROM {names.snapshot} WHERE {where}) AS s ON c.{batches.KEY} = s.{batches.KEY} "
            f"WHERE (s.{batches.KEY} IS NULL OR s.{HASH} IS NULL OR c.{HASH} <> s.{HASH}) AND {inside.format('c')}"
        )

    def _old(self) -> str:
        """Under which identity the row was delivered; all NULL where it never was."""
        delivered = f"s.{batches.USER} IS NOT NULL OR s.{batches.TIME} IS NOT NULL"
        key = f"CASE WHEN {delivered} THEN s.{batches.KEY} END AS {batches.OLD_KEY}"
        return f", {key}" + "".join(f", s.{alias} AS {OLD[alias]}" for alias in IDENTITY)

    def _deletes(self, projection: Projection, names: Names, present: str, where: str, inside: str) -> str:
        numbered = "" if self.dialect.numbers_rows else f", {self.dialect.row_number}"
        columns = f"{batches.OP}, {BUCKET}, {batches.KEY}, {', '.join(OLD.values())}{numbered}"
        number = self._number(f"(SELECT count(*) FROM {names.changes})")
        return (
            f"INSERT INTO {names.changes} ({columns}) "
            f"SELECT 'delete', s.{BUCKET}, s.{batches.KEY}{self._old()}{number} "
            f"FROM {names.snapshot} AS s WHERE {where} AND {inside.format('s')} AND NOT EXISTS "
            f"(SELECT 1 FROM ({present}) AS p WHERE p.{batches.KEY} = s.{batches.KEY})"
        )

    def _counted(self, names: Names, pending: Pending) -> Pending:
        sql = f"SELECT {batches.OP}, count(*) FROM {names.changes} GROUP BY 1"
        counts = {str(op): int(count) for op, count in self.staging.session.rows(sql)}
        inserted, updated, deleted = (counts.get(op, 0) for op in ("insert", "update", "delete"))
        total = inserted + updated + deleted
        return replace(pending, staged=True, rows=total, inserted=inserted, updated=updated, deleted=deleted)
