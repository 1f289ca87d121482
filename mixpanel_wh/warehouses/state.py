"""Checkpoints, pending runs, leases, rejections and run results, as tables of the staging schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.state import Checkpoint, Lease, Pending, SyncState
from mixpanel_wh.warehouses.staging import Staging

if TYPE_CHECKING:
    import pyarrow as pa


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class SqlState:
    """`ports.StateStore` over a SQL session."""

    staging: Staging

    def load(self, sync: str) -> SyncState:
        """The state of a sync; an empty one when there is none."""
        checkpoint, pending = self._one("checkpoints", sync), self._one("pending_runs", sync)
        return SyncState(
            Checkpoint.from_dict(json.loads(checkpoint)) if checkpoint else Checkpoint(),
            Pending.from_dict(json.loads(pending)) if pending else None,
        )

    def save_pending(self, sync: str, pending: Pending) -> None:
        """Write the pending run."""
        self._replace("pending_runs", sync, json.dumps(pending.as_dict()), _now())

    def commit(self, sync: str, checkpoint: Checkpoint) -> None:
        """Write the checkpoint and clear the pending run."""
        self._replace("checkpoints", sync, json.dumps(checkpoint.as_dict()), _now())
        self.clear_pending(sync)

    def clear_pending(self, sync: str) -> None:
        """Forget the pending run."""
        self._delete("pending_runs", sync)

    def reject(self, sync: str, run_id: str, rejected: pa.RecordBatch) -> None:
        """Add rejections: `row_key`, `column`, `reason`, `origin` (text)."""
        import pyarrow as pa

        from mixpanel_wh.engine.texts import text

        rows = rejected.num_rows
        fixed = {"sync": sync, "run_id": run_id, "rejected_at": _now()}
        columns = {name: pa.repeat(text(value), rows) for name, value in fixed.items()}
        columns |= {name: rejected.column(name) for name in ("row_key", "column", "reason", "origin")}
        self.staging.session.insert(self.staging.table("rejected_rows"), [pa.record_batch(columns)])

    def acquire(self, lease: Lease) -> Lease | None:
        """Take or renew the lease; None when taken, else the lease that somebody else holds."""
        self.staging.ensure()
        with self.staging.session.alone():
            found = self._row("leases", lease.sync)
            held = Lease(lease.sync, str(found[1]), datetime.fromisoformat(str(found[2]))) if found else None
            if held and held.holder != lease.holder and held.expires_at > datetime.now(UTC):
                return held
            self._replace("leases", lease.sync, lease.holder, lease.expires_at.isoformat())
        return None

    def release(self, sync: str, holder: str) -> None:
        """Give the lease back."""
        parameter = self.staging.dialect.parameter
        self.staging.session.execute(
            f"DELETE FROM {self.staging.table('leases')} WHERE sync = {parameter('sync')} "
            f"AND holder = {parameter('holder')}",
            {"sync": sync, "holder": holder},
        )

    def record(self, result: dict[str, Any], started_at: str) -> None:
        """Add the result of a run to the history."""
        table, parameter = self.staging.table("run_results"), self.staging.dialect.parameter
        row = {"sync": result["sync"], "run_id": result["run_id"], "started_at": started_at,
               "result": json.dumps(result, default=str)}  # fmt: skip
        values = ", ".join(parameter(name) for name in row)
        self.staging.session.execute(f"INSERT INTO {table} VALUES ({values})", row)

    def last_result(self, sync: str) -> dict[str, Any] | None:
        """The result of the newest run of a sync, with its `started_at`."""
        if not self.staging.exists("run_results"):
            return None
        parameter = self.staging.dialect.parameter("sync")
        found = self.staging.session.rows(
            f"SELECT started_at, result FROM {self.staging.table('run_results')} WHERE sync = {parameter} "
            "ORDER BY started_at DESC LIMIT 1",
            {"sync": sync},
        )
        return {"started_at": found[0][0], **json.loads(found[0][1])} if found else None

    def rejections(self, sync: str, run_id: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest rejections of a sync (of one run when `run_id` is given), at most `limit`."""
        if not self.staging.exists("rejected_rows"):
            return []
        parameter = self.staging.dialect.parameter
        names = ("run_id", "rejected_at", "row_key", "column", "reason", "origin")
        mine = f"sync = {parameter('sync')}" + (f" AND run_id = {parameter('run_id')}" if run_id else "")
        found = self.staging.session.rows(
            f"SELECT {', '.join(self.staging.dialect.quote(name) for name in names)} "
            f"FROM {self.staging.table('rejected_rows')} WHERE {mine} ORDER BY rejected_at DESC LIMIT {int(limit)}",
            {"sync": sync} | ({"run_id": run_id} if run_id else {}),
        )
        return [dict(zip(names, row, strict=True)) for row in found]

    def _row(self, table: str, sync: str) -> tuple[Any, ...] | None:
        if not self.staging.exists(table):
            return None
        found = self.staging.session.rows(
            f"SELECT * FROM {self.staging.table(table)} WHERE sync = {self.staging.dialect.parameter('sync')}",
            {"sync": sync},
        )
        return found[0] if found else None

    def _one(self, table: str, sync: str) -> str | None:
        found = self._row(table, sync)
        return str(found[1]) if found else None

    def _delete(self, table: str, sync: str) -> None:
        parameter = self.staging.dialect.parameter("sync")
        self.staging.session.execute(
            f"DELETE FROM {self.staging.table(table)} WHERE sync = {parameter}", {"sync": sync}
        )

    def _replace(self, table: str, sync: str, value: str, at: str) -> None:
        parameter = self.staging.dialect.parameter
        with self.staging.session.transaction():
            self._delete(table, sync)
            self.staging.session.execute(
                f"INSERT INTO {self.staging.table(table)} VALUES "
                f"({parameter('sync')}, {parameter('value')}, {parameter('at')})",
                {"sync": sync, "value": value, "at": at},
            )
