"""A checked project: its warehouses, its destinations and its syncs, as frozen values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixpanel_wh.config.mistakes import did_you_mean
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.settings import ProjectSettings


@dataclass(frozen=True)
class WarehouseSettings:
    """A warehouse as the project file describes it; `settings` may hold a password, so it is never shown."""

    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The settings with the kind under `type`, as they stand in a project file; paths are absolute."""
        return {"type": self.kind, **self.settings}


@dataclass(frozen=True)
class Project:
    """Everything a project file says. Every sync names a warehouse and a destination that are there."""

    path: Path
    warehouses: dict[str, WarehouseSettings]
    destinations: dict[str, ProjectSettings]
    syncs: tuple[SyncSpec, ...]

    @property
    def names(self) -> list[str]:
        """The names of the syncs, in the order of the file."""
        return [spec.name for spec in self.syncs]

    def sync(self, name: str) -> SyncSpec:
        """The sync of that name; ConfigError when there is none."""
        for spec in self.syncs:
            if spec.name == name:
                return spec
        known = ", ".join(self.names) + did_you_mean(name, self.names)
        raise ConfigError([f"there is no sync '{name}' in {self.path}: write one of {known}"])

    def warehouse_of(self, spec: SyncSpec) -> WarehouseSettings:
        """The warehouse that the sync reads."""
        return self.warehouses[spec.warehouse]

    def destination_of(self, spec: SyncSpec) -> ProjectSettings:
        """The Mixpanel project that the sync sends to."""
        return self.destinations[spec.destination]
