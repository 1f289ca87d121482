"""How every sync of a project stands, read from the state in the warehouses; nothing is written and nothing is sent.

This is on the way of `mixpanel-wh status`, which must start at once: only the warehouse's driver is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mixpanel_wh.config.syntax import in_zone
from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.spec import Mode
from mixpanel_wh.warehouses import observe_warehouse

if TYPE_CHECKING:
    from mixpanel_wh.config.project import Project
    from mixpanel_wh.engine.ports import StateStore
    from mixpanel_wh.engine.spec import SyncSpec
    from mixpanel_wh.engine.state import Pending

NUMBERS = (
    "run_id", "started_at", "status", "message", "rows_read", "inserted", "updated", "deleted", "accepted", "rejected",
    "requests", "bytes_sent", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class SyncStatus:
    """How one sync stands.

    `state` is `never ran`, `succeeded`, `failed`, `stopped`, `unfinished` (a run left something pending) or `unknown`
    (its warehouse cannot be read; `message` says why). `last_run` holds the numbers of the newest run. `lag_seconds` is
    the age of the newest row that was sent (append) or of the last commit (other modes).
    """

    sync: str
    record: str
    mode: str
    table: str
    warehouse: str
    destination: str
    state: str
    message: str = ""
    last_run: dict[str, Any] | None = None
    committed_at: str | None = None
    cursor: str | None = None
    pending: dict[str, Any] | None = None
    lag_seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def status(project: Project, now: datetime | None = None) -> list[SyncStatus]:
    """One status a sync, in the order of the file; a warehouse that cannot be read makes its syncs `unknown`."""
    found = {one.sync: one for name in project.warehouses for one in _of_warehouse(project, name, now)}
    return [found[name] for name in project.names]


def _of_warehouse(project: Project, name: str, now: datetime | None) -> Iterator[SyncStatus]:
    specs = [spec for spec in project.syncs if spec.warehouse == name]
    if not specs:
        return
    chosen = project.warehouses[name]
    try:
        with closing(observe_warehouse(chosen.kind, dict(chosen.settings))) as warehouse:
            yield from [_of_sync(spec, warehouse.state, now or datetime.now(UTC)) for spec in specs]
    except MixpanelWhError as error:
        yield from (_made(spec, state="unknown", message=str(error)) for spec in specs)


def _made(spec: SyncSpec, **more: Any) -> SyncStatus:
    return SyncStatus(
        spec.name, spec.record.value, spec.mode.value, str(spec.table), spec.warehouse, spec.destination, **more
    )


def _of_sync(spec: SyncSpec, store: StateStore, now: datetime) -> SyncStatus:
    remembered, last = store.load(spec.name), store.last_result(spec.name)
    checkpoint, pending = remembered.checkpoint, remembered.pending
    newest = checkpoint.cursor if spec.mode is Mode.APPEND else checkpoint.committed_at
    return _made(
        spec,
        state="unfinished" if pending and not pending.stopped else str(last["status"]) if last else "never ran",
        message=str(last.get("message") or "") if last else "",
        last_run={name: last.get(name) for name in NUMBERS} if last else None,
        committed_at=checkpoint.committed_at,
        cursor=checkpoint.cursor,
        pending=_pending(pending) if pending else None,
        lag_seconds=age(newest, spec.timezone, now),
    )


def _pending(pending: Pending) -> dict[str, Any]:
    names = ("run_id", "started_at", "rows", "acknowledged", "accepted", "rejected", "after", "upto", "stopped")
    return {name: getattr(pending, name) for name in names}


def age(moment: str | None, timezone: str, now: datetime) -> float | None:
    """Seconds from a moment, ISO 8601 text, to now; None when the text is no moment (a cursor may be a number)."""
    try:
        then = datetime.fromisoformat(moment or "")
    except ValueError:
        return None
    return round((now - in_zone(then, timezone)).total_seconds(), 1)
