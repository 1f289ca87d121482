"""The snapshot of what was delivered, in the staging schema, and how it follows what becomes of a run.

For every delivered row it holds the bucket, the key, the 128-bit content hash and the identity fields under which the
row was delivered; beside it stand fingerprints of buckets and the tokens of partitions.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.dialect import Dialect
from mixpanel_wh.warehouses.present import BUCKET, HASH
from mixpanel_wh.warehouses.scanning import KeptTokens
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.tables import SqlTables

IDENTITY = (batches.EVENT, batches.TIME, batches.USER, batches.DEVICE)
OLD = {
    batches.KEY: batches.OLD_KEY,
    batches.EVENT: batches.OLD_EVENT,
    batches.TIME: batches.OLD_TIME,
    batches.USER: batches.OLD_USER,
    batches.DEVICE: batches.OLD_DEVICE,
}


@dataclass(frozen=True)
class Names:
    """The tables of one sync's snapshot."""

    snapshot: str
    fingerprints: str
    fresh: str
    changes: str


@dataclass
class KeptSnapshot:
    """A sync's snapshot in the staging schema, once changes were staged beside it."""

    tables: SqlTables

    @property
    def staging(self) -> Staging:
        """Where the snapshot stands."""
        return self.tables.staging

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to there."""
        return self.staging.dialect

    @property
    def tokens(self) -> KeptTokens:
        """The tokens of partitions that the last run kept."""
        return KeptTokens(self.staging)

    def _names(self, spec: SyncSpec) -> Names:
        kinds = ("snapshot", "fingerprints", "fresh", "changes")
        return Names(*(self.staging.table(kind, spec.name) for kind in kinds))

    def apply(self, spec: SyncSpec, pending: Pending, settle: bool = False) -> None:
        """Bring the snapshot to what was sent; with `settle`, only to what was surely delivered."""
        names = self._names(spec)
        answered = f"{self.dialect.row_number} < {pending.acknowledged}" if settle else "TRUE"
        if pending.rows and not (settle and not pending.acknowledged):
            self._apply_changes(spec, pending, answered, settle)
            if settle:
                self._execute(f"DELETE FROM {names.fingerprints} WHERE TRUE")
        if not settle:
            self._apply_fingerprints(names, pending.partial)
            self.tokens.apply(spec, pending.partial)
            self._look_again_at_rejected_deletes(spec, names, pending)
        self.discard(spec)

    def forget(self, spec: SyncSpec) -> None:
        """Make the next `stage` find every row changed, without losing what was delivered."""
        if self.staging.exists("snapshot", spec.name):
            self._execute(f"UPDATE {self._names(spec).snapshot} SET {HASH} = NULL WHERE TRUE")
            self._execute(f"DELETE FROM {self._names(spec).fingerprints} WHERE TRUE")

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too: its fingerprints first, since a run that found
        them without the rows that they stand for would take every row for sent."""
        names = self._names(spec)
        kept = (names.fingerprints, names.snapshot) if snapshot else ()
        for table in (names.changes, names.fresh, *kept, *self.tokens.tables(spec, kept=snapshot)):
            self.staging.session.finally_drop(table)

    def _execute(self, sql: str, parameters: dict[str, object] | None = None) -> None:
        self.staging.session.execute(sql, parameters)

    def _count(self, source: str) -> int:
        return int(self.staging.session.rows(f"SELECT count(*) FROM {source}")[0][0])

    def _changed_buckets(self, names: Names) -> str:
        return f"{BUCKET} IN (SELECT {BUCKET} FROM {names.fresh} WHERE changed)"

    def _apply_changes(self, spec: SyncSpec, pending: Pending, answered: str, settle: bool) -> None:
        """Replace the changed rows of the snapshot. A rejected row keeps the identity that Mixpanel still holds under
        its new hash, so that it comes again only once it changes; a rejected delete stays and comes again. A row with
        a fault leaves the snapshot as it was."""
        names = self._names(spec)
        refused = self._refused() if pending.rejected else "FALSE"
        held = refused if settle else f"({refused} AND {batches.OP} = 'delete')"
        wanted = f"{answered} AND {batches.FAULT} IS NULL AND NOT {held}"
        run: dict[str, object] = {"run_id": pending.run_id}
        if pending.updated or pending.deleted:
            touched = f"SELECT {batches.KEY} FROM {names.changes} WHERE {batches.OP} <> 'insert' AND {wanted}"
            near = f"({BUCKET} IN (SELECT {BUCKET} FROM {names.changes}) OR {self._changed_buckets(names)})"
            self._execute(f"DELETE FROM {names.snapshot} WHERE {near} AND {batches.KEY} IN ({touched})", run)
        columns = set(self.staging.columns("changes", spec.name))
        kept = [f"CASE WHEN {refused} THEN {OLD[alias]} ELSE {alias} END" if alias in columns else "NULL"
                for alias in IDENTITY]  # fmt: skip
        self._execute(
            f"INSERT INTO {names.snapshot} SELECT {BUCKET}, {batches.KEY}, {HASH}, {', '.join(kept)} "
            f"FROM {names.changes} WHERE {batches.OP} <> 'delete' AND {batches.KEY} IS NOT NULL AND {wanted}", run,
        )  # fmt: skip

    def _look_again_at_rejected_deletes(self, spec: SyncSpec, names: Names, pending: Pending) -> None:
        """The buckets of deletes that were not delivered get a fingerprint that none ever has, so that the next run
        looks into them even where they are empty."""
        if pending.rejected and pending.deleted:
            run: dict[str, object] = {"run_id": pending.run_id}
            held = f"{names.changes} WHERE {batches.OP} = 'delete' AND {self._refused()}"
            self._execute(f"DELETE FROM {names.fingerprints} WHERE {BUCKET} IN (SELECT {BUCKET} FROM {held})", run)
            odd = f"SELECT DISTINCT {BUCKET}, -1, CAST(NULL AS {self.dialect.fast_type}) FROM {held}"
            self._execute(f"INSERT INTO {names.fingerprints} {odd}", run)
            self.tokens.forget(spec)

    def _refused(self) -> str:
        """Whether a change was rejected in the run of parameter `run_id`."""
        mine = f"run_id = {self.dialect.parameter('run_id')} AND row_key IS NOT NULL"
        rejected = f"SELECT row_key FROM {self.staging.table('rejected_rows')} WHERE {mine}"
        return f"COALESCE({batches.KEY} IN ({rejected}), FALSE)"

    def _apply_fingerprints(self, names: Names, partial: bool) -> None:
        """Keep today's fingerprints of the buckets that differed. After a part, which leaves changes behind in its
        buckets, they get one that none ever has, so that the next run looks into them even where they are empty."""
        self._execute(f"DELETE FROM {names.fingerprints} WHERE {self._changed_buckets(names)}")
        if partial:
            odd = f"{BUCKET}, -1, CAST(NULL AS {self.dialect.fast_type})"
            self._execute(f"INSERT INTO {names.fingerprints} SELECT {odd} FROM {names.fresh} WHERE changed")
            return
        fresh = f"SELECT {BUCKET}, n, x FROM {names.fresh} WHERE changed AND n IS NOT NULL"
        self._execute(f"INSERT INTO {names.fingerprints} {fresh}")
