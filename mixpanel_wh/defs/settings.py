"""Sync settings in code: on a person's own asset as metadata that the IO managers read, or as a sync of its own."""

from collections.abc import Mapping
from typing import Any

from mixpanel_wh.config import sync_from_values
from mixpanel_wh.engine.spec import Mode, SyncSpec

SYNC = "mixpanel_wh/sync"


def mixpanel_sync(record: str, **settings: Any) -> dict[str, Any]:
    """Metadata for `@dg.asset(io_manager_key="mirror_io_manager", metadata=mixpanel_sync(record="user", ...))`.

    The settings are those of a sync in a project file, without `table` and `mode`: the asset returns the one and its
    IO manager is the other. Mistakes are told, all of them, when the asset runs.
    """
    return {SYNC: {"record": record, **settings}}


def sync_spec(name: str, **settings: Any) -> SyncSpec:
    """A sync in code: `sync_spec("planes", table="main.planes", record="user", mode="full", distinct_id="tailnum")`.

    The settings are those of a sync in a project file. Raises ConfigError with every mistake.
    """
    return sync_from_values(name, settings, f"sync {name}")


def sync_from_metadata(name: str, mode: Mode, table: str | None, metadata: Mapping[str, Any]) -> SyncSpec:
    """The sync of an asset with `mixpanel_sync` metadata; ConfigError lists its mistakes."""
    given = metadata[SYNC]
    settings: dict[str, Any] = dict(getattr(given, "value", given))
    return sync_from_values(name, {**settings, "table": table or name, "mode": mode.value}, f"asset {name}")
