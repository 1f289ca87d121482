"""Sync settings on a person's own asset, as metadata that the IO managers read."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mixpanel_wh.engine.spec import Mode, SyncSpec

SYNC = "mixpanel_wh/sync"


def mixpanel_sync(record: str, **settings: Any) -> dict[str, Any]:
    """Metadata for `@dg.asset(io_manager_key="mirror_io_manager", metadata=mixpanel_sync(record="user", ...))`.

    The settings are those of a sync in a project file, without `table` and `mode`: the asset returns the one and its
    IO manager is the other. Raises ConfigError with every mistake, when the asset is defined.
    """
    given = {"record": record, **settings}
    return {SYNC: given}


def sync_from_metadata(name: str, mode: Mode, table: str | None, metadata: Mapping[str, Any]) -> SyncSpec:
    """The sync of an asset with `mixpanel_sync` metadata; ConfigError lists its mistakes."""
    from mixpanel_wh.engine.spec import RecordType, TableName
    given = dict(metadata[SYNC])
    return SyncSpec(name, TableName(tuple((table or name).split("."))), RecordType(given.pop("record")), mode, **given)
