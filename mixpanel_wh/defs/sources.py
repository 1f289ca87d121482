"""What is known of a sync's table when a code location loads, without waiting for the warehouse."""

from contextlib import closing
from pathlib import Path
from typing import Any

from mixpanel_wh.defs.connections import MixpanelConnections
from mixpanel_wh.defs.translator import Source
from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses import observe_warehouse

EMBEDDED = frozenset({"duckdb"})
"""Warehouses that are files on this machine."""

DATABASE_SETTINGS = ("database", "project", "catalog")
USUAL_SCHEMAS = {"duckdb": "main", "postgres": "public", "redshift": "public"}


def source_of(sync: SyncSpec, connections: MixpanelConnections) -> Source:
    """The kind of the warehouse, where unqualified names stand in it, and the columns where they are at hand."""
    settings = connections.warehouse_settings(sync)
    kind = str(settings["type"])
    schema = settings.get("schema") or USUAL_SCHEMAS.get(kind)
    return Source(kind, database_of(settings), schema, described(sync, settings))


def database_of(settings: dict[str, Any]) -> str | None:
    """The database that unqualified names are looked up in; for a DuckDB file its name without the suffix."""
    named = [settings[name] for name in DATABASE_SETTINGS if settings.get(name)]
    return str(named[0]) if named else Path(settings["path"]).stem if settings.get("path") else None


def described(sync: SyncSpec, settings: dict[str, Any]) -> Table | None:
    """The table as an embedded warehouse describes it; None while somebody else holds the file, and for every warehouse
    that would have to be asked over a network: the columns are known after the first run then."""
    if settings["type"] not in EMBEDDED:
        return None
    try:
        with closing(observe_warehouse(settings["type"], settings | {"lock_timeout": 0})) as warehouse:
            return warehouse.tables.describe(sync.table)
    except MixpanelWhError:
        return None


def unseen_source(kind: str) -> Source:
    """A source of which nothing but the kind of its warehouse is known."""
    return Source(kind, schema=USUAL_SCHEMAS.get(kind))
