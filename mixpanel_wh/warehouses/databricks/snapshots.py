"""Mirror of Delta tables with a snapshot in the workspace itself.

Databricks commits each statement by itself, so what `apply` does may be done twice: the change table, and the pending
run that names it, go last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.databricks.feed import UNKNOWN, FeedSnapshots
from mixpanel_wh.warehouses.kept import IDENTITY, OLD, Names
from mixpanel_wh.warehouses.present import BUCKET, HASH
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan

if TYPE_CHECKING:
    import pyarrow as pa

# Any name of a column goes into a table with column mapping.
MAPPED = "TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"


@dataclass
class DatabricksSnapshots(FeedSnapshots):
    """`ports.Snapshots` by hashes, of the rows that the change data feed names."""

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""
        names, row = self._names(spec), self.tables.dialect.row_number
        staged = self.tables.staging.columns("changes", spec.name)
        shown = ", ".join(self.tables.dialect.quote(name) for name in staged if name not in (BUCKET, HASH, row))
        after = self._row_at(names, pending.acknowledged) if pending.acknowledged else None
        if pending.acknowledged and after is None:
            return
        rest = f" WHERE {row} >= {after}" if after is not None else ""
        yield from self.tables.staging.session.stream(f"SELECT {shown} FROM {names.changes}{rest} ORDER BY {row}")

    def _row_at(self, names: Names, place: int) -> int | None:
        """The number of the staged change at a place, counted from 0; numbers rise, and leave gaps."""
        row = self.tables.dialect.row_number
        sql = f"SELECT {row} FROM {names.changes} ORDER BY {row} LIMIT 1 OFFSET {int(place)}"
        found = self.tables.staging.session.rows(sql)
        return int(found[0][0]) if found else None

    def apply(self, spec: SyncSpec, pending: Pending, settle: bool = False) -> None:
        """Bring the snapshot to what was sent; with `settle`, only to what was surely delivered."""
        names = self._names(spec)
        if pending.rows and not (settle and not pending.acknowledged):
            self._merge_changes(spec, names, pending, settle)
            if settle:
                self._execute(f"DELETE FROM {names.fingerprints} WHERE TRUE")
        if not settle:
            self._merge_fingerprints(names, pending, held=bool(pending.rejected and pending.deleted))
            if self._catches_up(pending):
                self.versions.commit(spec.name)
        self.discard(spec)

    def _merge_changes(self, spec: SyncSpec, names: Names, pending: Pending, settle: bool) -> None:
        """One statement, that changes nothing when it runs again. What becomes of a rejected row is told where the
        shared snapshots do the same."""
        held = "refused" if settle else f"(refused AND {batches.OP} = 'delete')"
        last = self._row_at(names, pending.acknowledged) if settle else None
        answered = f" AND {self.tables.dialect.row_number} < {last}" if last is not None else ""
        staged = self.staging.columns("changes", spec.name)
        kept = [f"CASE WHEN refused THEN {OLD[alias]} ELSE {alias} END AS {alias}" if alias in staged
                else f"CAST(NULL AS {'BIGINT' if alias == batches.TIME else 'STRING'}) AS {alias}"
                for alias in IDENTITY]  # fmt: skip
        columns = (BUCKET, batches.KEY, HASH, *IDENTITY)
        self._execute(
            f"MERGE INTO {names.snapshot} AS t USING (SELECT {batches.OP}, {BUCKET}, {batches.KEY}, {HASH}, "
            f"{', '.join(kept)} FROM ({self._answers(names)}) AS a WHERE {batches.KEY} IS NOT NULL "
            f"AND {batches.FAULT} IS NULL AND NOT {held}{answered}) AS s ON t.{batches.KEY} = s.{batches.KEY} "
            f"WHEN MATCHED AND s.{batches.OP} = 'delete' THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = s.{name}' for name in columns)} "
            f"WHEN NOT MATCHED AND s.{batches.OP} <> 'delete' THEN INSERT ({', '.join(columns)}) "
            f"VALUES ({', '.join(f's.{name}' for name in columns)})",
            {"run_id": pending.run_id},
        )

    def _answers(self, names: Names) -> str:
        """The staged changes, each with whether it was refused in the run of parameter `run_id`."""
        rejected = self.tables.staging.table("rejected_rows")
        mine = f"SELECT DISTINCT row_key FROM {rejected} WHERE run_id = :run_id AND row_key IS NOT NULL"
        return (
            f"SELECT c.*, r.row_key IS NOT NULL AS refused FROM {names.changes} AS c LEFT JOIN ({mine}) AS r "
            f"ON c.{batches.KEY} = r.row_key"
        )

    def _merge_fingerprints(self, names: Names, pending: Pending, held: bool) -> None:
        """Keep today's fingerprints of the buckets that differed. Those of a part, and those with a delete that was
        not delivered, are kept as unknown: the next comparison of all buckets looks into them."""
        count, parameters = (UNKNOWN if pending.partial else "n"), dict[str, object](run_id=pending.run_id)
        fresh = f"SELECT {BUCKET}, {count} AS n, COALESCE(x, 0) AS x FROM {names.fresh} WHERE changed"
        if held and not pending.partial:
            again = f"SELECT DISTINCT {BUCKET} AS again FROM ({self._answers(names)}) AS a WHERE refused "
            fresh = (
                f"SELECT {BUCKET}, CASE WHEN again IS NULL THEN n ELSE {UNKNOWN} END AS n, COALESCE(x, 0) AS x "
                f"FROM {names.fresh} LEFT JOIN ({again}AND {batches.OP} = 'delete') AS h ON {BUCKET} = again "
                f"WHERE changed"
            )
        self._execute(
            f"MERGE INTO {names.fingerprints} AS t USING ({fresh}) AS s ON t.{BUCKET} = s.{BUCKET} "
            f"WHEN MATCHED AND s.n IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.n, x = s.x "
            f"WHEN NOT MATCHED AND s.n IS NOT NULL THEN INSERT ({BUCKET}, n, x) VALUES (s.{BUCKET}, s.n, s.x)",
            parameters,
        )

    def _assign_buckets(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Give every row of an older snapshot its bucket under today's fast hash."""
        self.versions.forget(projection.spec.name)
        present = self._current(projection, scan, "TRUE", payload=False)
        one = f"SELECT {batches.KEY}, max({BUCKET}) AS {BUCKET} FROM ({present}) AS p GROUP BY {batches.KEY}"
        self._execute(
            f"MERGE INTO {names.snapshot} AS t USING ({one}) AS s ON t.{batches.KEY} = s.{batches.KEY} "
            f"WHEN MATCHED THEN UPDATE SET {BUCKET} = s.{BUCKET}",
            dict(projection.parameters),
        )

    def _number(self, before: str = "0") -> str:
        """What numbers rows as they are written: numbers that rise without all rows passing through one task."""
        return f", {before} + monotonically_increasing_id() AS {self.tables.dialect.row_number}"

    def _write_changes(self, projection: Projection, names: Names, scan: Scan, where: str, part: Part | None) -> None:
        """Inserts and updates with their payload, then deletes. What is read at no version may have moved on since its
        keys were looked at, and no MERGE takes a key twice."""
        super()._write_changes(projection, names, scan, where, part)
        spec = projection.spec
        if projection.key is None or self.tables.pins[spec.table][1] is not None:
            return
        sound = f"{batches.KEY} IS NOT NULL AND {batches.FAULT} IS NULL"
        twice = f"SELECT 1 FROM {names.changes} WHERE {sound} GROUP BY {batches.KEY} HAVING count(*) > 1"
        if self._count(f"({twice}) AS r"):
            raise SourceError(
                f"sync {spec.name}: {spec.table} changed while it was read, and a row key came twice: run again"
            )

    def _inserts(
        self, projection: Projection, names: Names, current: str, where: str, first: bool, inside: str
    ) -> str:
        sql = super()._inserts(projection, names, current, where, first, inside)
        return sql.replace(f"CREATE TABLE {names.changes} AS", f"CREATE TABLE {names.changes} {MAPPED} AS", 1)

    def _deletes(self, projection: Projection, names: Names, present: str, where: str, inside: str) -> str:
        """Rows that are gone. A view may have moved on since the other changes were written: no key comes twice."""
        row = self.tables.dialect.row_number
        last = f"(SELECT COALESCE(max({row}) + 1, 0) FROM {names.changes})"
        columns = f"{batches.OP}, {BUCKET}, {batches.KEY}, {', '.join(OLD.values())}, {row}"
        known = f"SELECT {batches.KEY} FROM ({present}) AS p UNION ALL SELECT {batches.KEY} FROM {names.changes}"
        return (
            f"INSERT INTO {names.changes} ({columns}) "
            f"SELECT 'delete', s.{BUCKET}, s.{batches.KEY}{self._old()}{self._number(last)} "
            f"FROM {names.snapshot} AS s LEFT ANTI JOIN ({known}) AS p ON p.{batches.KEY} = s.{batches.KEY} "
            f"WHERE {where} AND {inside.format('s')}"
        )
