"""The rows that runs rejected, read from the state in the warehouses; nothing is written and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mixpanel_wh.config.wiring import Connections

if TYPE_CHECKING:
    from mixpanel_wh.config.project import Project


@dataclass(frozen=True)
class RejectedRow:
    """One row that a run did not deliver. `origin` is `rules` where it broke one of Mixpanel's rules before anything
    was sent, `mixpanel` where Mixpanel itself refused it. `row_key` is None for a row without one, `column` where the
    whole row is at fault; `rejected_at` is ISO 8601 in UTC."""

    sync: str
    rejected_at: str
    row_key: str | None
    column: str | None
    reason: str
    origin: str
    run_id: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def rejected_rows(project: Project, syncs: Sequence[str], most: int) -> list[RejectedRow]:
    """The newest rejections, at most `most` of each sync, those of a sync together; all syncs where none is named.

    Raises ConfigError for a sync that is not in the project, WarehouseUnavailable for a warehouse that cannot be read.
    """
    specs = [project.sync(name) for name in syncs or project.names]
    with Connections(project, observe=True) as connections:
        return [
            RejectedRow(spec.name, **row)
            for spec in specs
            for row in connections.warehouse(spec).state.rejections(spec.name, limit=most)
        ]
