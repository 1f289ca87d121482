"""The warehouses: one file each for its dialect and its driver, over shared SQL for reading, snapshots and state."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError

if TYPE_CHECKING:
    from mixpanel_wh.engine.ports import Warehouse

WAREHOUSES: dict[str, str] = {
    "bigquery": "mixpanel_wh.warehouses.bigquery",
    "databricks": "mixpanel_wh.warehouses.databricks",
    "duckdb": "mixpanel_wh.warehouses.duckdb",
    "postgres": "mixpanel_wh.warehouses.postgres",
    "redshift": "mixpanel_wh.warehouses.redshift",
    "snowflake": "mixpanel_wh.warehouses.snowflake",
}


def open_warehouse(kind: str, settings: dict[str, Any]) -> Warehouse:
    """The open warehouse of a kind; its module, and so its driver, is imported only now.

    Raises ConfigError for an unknown kind, MissingDriver, WarehouseUnavailable or StagingError.
    """
    if kind not in WAREHOUSES:
        known = ", ".join(sorted(WAREHOUSES))
        raise ConfigError([f"unknown warehouse type {kind!r}: write one of {known}"])
    module = import_module(WAREHOUSES[kind])
    warehouse: Warehouse = module.connect(settings)
    return warehouse


OBSERVING: dict[str, dict[str, Any]] = {
    "duckdb": {"observe": True, "lock_timeout": 1},
}
"""Settings, by kind, that open a warehouse for a look at its state only: nothing is written, nobody is kept out."""


def observe_warehouse(kind: str, settings: dict[str, Any], waits: dict[str, Any] | None = None) -> Warehouse:
    """The same for a look at its state: nothing is written and nothing is waited for long, unless `waits` says so."""
    return open_warehouse(kind, settings | OBSERVING.get(kind, {}) | (waits or {}))
