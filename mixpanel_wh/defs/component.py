"""The component: `type: mixpanel_wh.MixpanelSyncs` in a defs.yaml makes the assets of syncs in any Dagster project."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import BaseModel, Field, create_model

from mixpanel_wh.config import Project, load_project, project_from_values
from mixpanel_wh.defs.assembly import Translated, schedules, sensors, translated
from mixpanel_wh.defs.assets import sync_asset
from mixpanel_wh.defs.connections import Happening, MixpanelConnections, ProjectConnections
from mixpanel_wh.defs.own_checks import checks_of
from mixpanel_wh.defs.running import SyncConfig
from mixpanel_wh.defs.scaffold import SyncsScaffolder
from mixpanel_wh.defs.schema import section_type, with_environment
from mixpanel_wh.defs.translator import MixpanelTranslator, Source
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import SyncSpec

INLINE = ("warehouse", "warehouses", "destination", "destinations", "syncs")


Section = Annotated[
    dict[str, Any] | None,
    dg.Resolver(lambda context, value: context.resolve_value(value), model_field_type=dict[str, Any]),
]
"""A section of a project file, with `{{ env.NAME }}` wherever a value stands."""


@dg.scaffold_with(SyncsScaffolder)
class MixpanelSyncs(dg.Component, dg.Model, dg.Resolvable):
    """Warehouse tables kept in step with Mixpanel, an asset a sync: of a project file, or written here.

    Subclass it and override `get_asset_spec` to change how syncs look, or `execute` to do more than run them.
    """

    project: str | None = Field(default=None, description="A project file, relative to the folder of this one.")
    warehouse: Section = Field(default=None, description="The warehouse that holds the tables.")
    warehouses: Section = Field(default=None, description="Several of them, by name.")
    destination: Section = Field(default=None, description="The Mixpanel project to send to.")
    destinations: Section = Field(default=None, description="Several of them, by name.")
    syncs: Section = Field(default=None, description="The tables to keep in step, by name.")
    select: list[str] | None = Field(default=None, description="The syncs of the project file to take; all by default.")
    change_sensors: bool = Field(default=True, description="Make a change sensor a sync, switched off.")

    @classmethod
    def model(cls) -> type[BaseModel]:
        """The attributes as `dg check yaml` checks them: the sections key by key, as `mixpanel-wh schema` has them."""
        derived = super().model()
        shaped: dict[str, Any] = {name: (section_type(name), derived.model_fields[name]) for name in INLINE}
        return create_model(derived.__name__, __base__=derived, **shaped)

    def get_translator(self) -> MixpanelTranslator:
        """What turns syncs into assets."""
        return MixpanelTranslator()

    def get_asset_spec(self, sync: SyncSpec, source: Source) -> dg.AssetSpec:
        """The asset of a sync."""
        return self.get_translator().get_asset_spec(sync, source)

    def execute(
        self,
        context: dg.AssetExecutionContext,
        sync: SyncSpec,
        config: SyncConfig,
        connections: MixpanelConnections,
    ) -> Iterator[Happening]:
        """Run a sync, and yield what Dagster is to record of it."""
        yield from connections.sync(context, sync, config)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks, schedules and change sensors; no resource, so that several components never collide."""
        project = self.checked(context.path)
        connections = ProjectConnections(project)
        found = list(translated(self._selected(project), connections, self.get_asset_spec))
        return dg.Definitions(
            assets=[self._asset(one, connections) for one in found],
            asset_checks=[check for one in found for check in checks_of(one.sync, one.spec.key, connections)],
            schedules=schedules(found),
            sensors=sensors(found, connections) if self.change_sensors else [],
        )

    def checked(self, folder: Path) -> Project:
        """The checked project; DagsterInvalidDefinitionError tells every mistake."""
        inline = {name: getattr(self, name) for name in INLINE if getattr(self, name) is not None}
        try:
            if self.project and inline:
                raise ConfigError([f"project names a project file, so {', '.join(inline)} must not stand here as well"])
            if self.project:
                return load_project(folder / self.project)
            origin = f"{folder.name}/defs.yaml"
            return project_from_values(with_environment(inline, origin), origin, folder / "defs.yaml")
        except ConfigError as error:
            raise dg.DagsterInvalidDefinitionError(f"the syncs have mistakes:\n{error}") from None

    def _selected(self, project: Project) -> list[SyncSpec]:
        return [project.sync(name) for name in self.select or project.names]

    def _asset(self, one: Translated, connections: MixpanelConnections) -> dg.AssetsDefinition:
        return sync_asset(one.sync, one.spec, partial(self._executed, connections))

    def _executed(
        self, connections: MixpanelConnections, context: dg.AssetExecutionContext, sync: SyncSpec, config: SyncConfig
    ) -> Iterator[Happening]:
        yield from self.execute(context, sync, config, connections)
