"""The warehouses: one file each for its dialect and its driver, over shared SQL for reading, snapshots and state."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from mixpanel_wh.engine.errors import ConfigError

if TYPE_CHECKING:
    from mixpanel_wh.engine.ports import Warehouse

EMBEDDED = "duckdb"
WAREHOUSES: dict[str, str] = {
    "bigquery": "mixpanel_wh.warehouses.bigquery",
    "databricks": "mixpanel_wh.warehouses.databricks",
    "duckdb": "mixpanel_wh.warehouses.duckdb",
    "postgres": "mixpanel_wh.warehouses.postgres",
    "redshift": "mixpanel_wh.warehouses.redshift",
    "snowflake": "mixpanel_wh.warehouses.snowflake",
}


def open_warehouse(kind: str, settings: dict[str, Any]) -> Warehouse:
    """The open warehouse of a kind; its module, and so its driver, is imported only now. With `staging_path` it is only
    read, and its staging schema stands in that DuckDB file.

    Raises ConfigError for an unknown kind, MissingDriver, WarehouseUnavailable or StagingError.
    """
    if kind not in WAREHOUSES:
        known = ", ".join(sorted(WAREHOUSES))
        raise ConfigError([f"unknown warehouse type {kind!r}: write one of {known}"])
    module = import_module(WAREHOUSES[kind])
    warehouse = module.connect(settings)
    if kind == EMBEDDED or not settings.get("staging_path"):
        return cast("Warehouse", warehouse)
    from mixpanel_wh.warehouses.staging_file import FileSnapshots, kept_in_file

    return kept_in_file(warehouse, settings, getattr(module, "IN_FILE", FileSnapshots))


OBSERVING: dict[str, Any] = {"observe": True, "lock_timeout": 1}
"""Settings that open a file for a look at the state only: nothing is written, nobody is kept out."""


def in_a_file(kind: str, settings: Mapping[str, Any]) -> bool:
    """Whether what a run writes stands in a file, which one process at a time can have open."""
    return kind == EMBEDDED or bool(settings.get("staging_path"))


def observe_warehouse(kind: str, settings: dict[str, Any], waits: dict[str, Any] | None = None) -> Warehouse:
    """The same for a look at its state: nothing is written and nothing is waited for long, unless `waits` says so."""
    return open_warehouse(kind, settings | OBSERVING | (waits or {}))
