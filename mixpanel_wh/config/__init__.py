"""The project file: read, checked as a whole, and turned into syncs; every mistake is found at load, all at once."""

from mixpanel_wh.config.loading import (
    destination_from_values,
    load_project,
    project_from_values,
    sync_from_values,
    warehouse_from_values,
)
from mixpanel_wh.config.project import Project, WarehouseSettings

__all__ = [
    "Project",
    "WarehouseSettings",
    "destination_from_values",
    "load_project",
    "project_from_values",
    "sync_from_values",
    "warehouse_from_values",
]
