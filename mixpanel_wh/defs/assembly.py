"""From checked syncs to Dagster definitions: assets, upstream tables, schedules and change sensors."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from mixpanel_wh.config import Project, load_project
from mixpanel_wh.defs.assets import MIXPANEL, moved_by_io_manager
from mixpanel_wh.defs.connections import MixpanelConnections, ProjectConnections
from mixpanel_wh.defs.io_managers import io_managers
from mixpanel_wh.defs.own_checks import checks_of
from mixpanel_wh.defs.resources import MixpanelProjectFile
from mixpanel_wh.defs.schedules import sync_schedule
from mixpanel_wh.defs.sensors import change_sensor
from mixpanel_wh.defs.sources import source_of
from mixpanel_wh.defs.translator import MixpanelTranslator, Source
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses import in_a_file

PROJECT_VARIABLE = "MIXPANEL_WH_PROJECT"
DEMO_PROJECT = Path(__file__).parents[1] / "demo" / "mixpanel_wh.yaml"


@dataclass(frozen=True)
class Translated:
    """A sync with its table and the asset that stands for it."""

    sync: SyncSpec
    source: Source
    spec: dg.AssetSpec


def translated(
    syncs: Iterable[SyncSpec],
    connections: MixpanelConnections,
    get_asset_spec: Callable[[SyncSpec, Source], dg.AssetSpec],
) -> Iterator[Translated]:
    """Each sync as an asset; a table that cannot be looked at without waiting has no columns yet."""
    for sync in syncs:
        source = source_of(sync, connections)
        yield Translated(sync, source, get_asset_spec(sync, source))


def source_specs(found: Iterable[Translated], translator: MixpanelTranslator) -> list[dg.AssetSpec]:
    """The source tables as external assets, each once, however many syncs read it."""
    specs = [translator.get_source_spec(one.sync, one.source) for one in found]
    return list({spec.key: spec for spec in specs}.values())


def schedules(found: Iterable[Translated]) -> list[dg.ScheduleDefinition]:
    """One a sync that has a schedule."""
    made = [sync_schedule(one.sync, one.spec.key) for one in found]
    return [schedule for schedule in made if schedule]


def sensors(found: Iterable[Translated], connections: MixpanelConnections) -> list[dg.SensorDefinition]:
    """One change sensor a sync, switched off."""
    return [change_sensor(one.sync, one.spec.key, connections) for one in found]


def project_definitions(
    project_file: str | Path | None = None, translator: MixpanelTranslator | None = None
) -> dg.Definitions:
    """A whole code location from a project file: by default the one that MIXPANEL_WH_PROJECT names, or the demo's.

    The rows are moved by the IO manager of each sync's mode. Where a warehouse is embedded, or its staging schema is in
    a file, steps run in the process of their run: a file can be open in one process at a time. Raises
    DagsterInvalidDefinitionError with every mistake of the project file.
    """
    path = Path(project_file or os.environ.get(PROJECT_VARIABLE) or DEMO_PROJECT).resolve()
    project, translator = checked_project(path), translator or MixpanelTranslator()
    connections = ProjectConnections(project)
    found = list(translated(project.syncs, connections, translator.get_asset_spec))
    mixpanel = MixpanelProjectFile(path=str(path))
    embedded = any(in_a_file(one.kind, one.settings) for one in project.warehouses.values())
    return dg.Definitions(
        assets=[
            *(moved_by_io_manager(one.sync, one.spec) for one in found),
            *source_specs(found, translator),
        ],
        asset_checks=[check for one in found for check in checks_of(one.sync, one.spec.key, connections)],
        schedules=schedules(found),
        sensors=sensors(found, connections),
        resources={MIXPANEL: mixpanel, **io_managers(mixpanel)},
        executor=dg.in_process_executor if embedded else None,
    )


def checked_project(path: Path) -> Project:
    """The project; its mistakes as Dagster shows them when a code location does not load."""
    try:
        return load_project(path)
    except ConfigError as error:
        raise dg.DagsterInvalidDefinitionError(f"the project file has mistakes:\n{error}") from None
