"""Guards: which limits on deletes, changes and rejections a run passes."""

from collections.abc import Iterator
from dataclasses import dataclass

from mixpanel_wh.engine.ports import Tables
from mixpanel_wh.engine.spec import Limit, SyncSpec
from mixpanel_wh.engine.state import Pending


@dataclass(frozen=True)
class Passed:
    """A guard that is passed: by `rows` of `total`."""

    guard: str
    rows: int
    total: int


def passed_by_changes(spec: SyncSpec, tables: Tables, pending: Pending) -> Iterator[Passed]:
    """The guards on deletes and changes that a plan passes. The table is counted only where there is such a guard."""
    guards = (
        ("max_deletes", spec.max_deletes, pending.deleted),
        ("max_changes", spec.max_changes, pending.updated + pending.deleted),
    )
    if all(limit == Limit() for _, limit, _ in guards):
        return
    total = max(1, tables.count(spec))
    for name, limit, rows in guards:
        if not limit.allows(rows, total):
            yield Passed(name, rows, total)
