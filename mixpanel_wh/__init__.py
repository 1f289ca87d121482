"""mixpanel_wh keeps Mixpanel equal to a data warehouse: every table to sync is a Dagster asset.

What a Dagster project uses is here by name (`mixpanel_wh.MixpanelSyncs`) and is imported when it is asked for: Dagster
takes a second to import, and the terminal does without it.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "MixpanelSyncs": "component",
    "MixpanelResource": "resources",
    "MixpanelProjectFile": "resources",
    "MixpanelTranslator": "translator",
    "Relation": "relation",
    "SyncConfig": "running",
    "io_managers": "io_managers",
    "mixpanel_sync": "settings",
    "mixpanel_sync_assets": "decorator",
    "mixpanel_sync_checks": "own_checks",
    "project_definitions": "assembly",
    "sync_spec": "settings",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"mixpanel_wh.defs.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
