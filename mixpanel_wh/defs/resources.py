"""Resources: a project file by its path, or a Mixpanel project and a warehouse as fields in code."""

from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from mixpanel_wh.config import Project, destination_from_values, load_project, warehouse_from_values
from mixpanel_wh.defs.connections import MixpanelConnections
from mixpanel_wh.defs.giving import kind_given, settings_given
from mixpanel_wh.defs.schema import with_environment
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.settings import ProjectSettings

ORIGIN = "MixpanelResource"
SECRET: dict[str, Any] = {"dagster__is_secret": True}
"""What makes Dagster show asterisks in the place of a field's value."""


class MixpanelProjectFile(MixpanelConnections, dg.ConfigurableResource[None]):
    """The warehouses and destinations of a project file, read anew in every process, so that no secret is kept."""

    path: str = Field(description="The project file.")
    _project: Project | None = PrivateAttr(default=None)

    @property
    def project(self) -> Project:
        """The checked project; ConfigError lists its mistakes."""
        self._project = self._project or load_project(self.path)
        return self._project

    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """What the project file says of the sync's warehouse."""
        return self.project.warehouse_of(sync).as_dict()

    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """What the project file says of the sync's destination."""
        return self.project.destination_of(sync)


class MixpanelResource(MixpanelConnections, dg.ConfigurableResource[None]):
    """A Mixpanel project and the warehouse its syncs read, as fields: `token=dg.EnvVar("MIXPANEL_TOKEN")`.

    `warehouse` holds what a project file says under `warehouse:`, for example
    `{"type": "duckdb", "path": "warehouse.duckdb"}`; assets that return rows need none. A value of it may be a
    `dg.EnvVar` or a text with `${NAME}` in it, which is looked up in the process that uses it. The UI shows neither the
    warehouse nor the secrets of the project.

    `warehouse_resource` takes a resource of one of Dagster's integrations that says how to connect, for example
    `RedshiftClientResource(...)`; what `warehouse` says beside it stands above it.
    """

    project_id: str = Field(description="The number of the Mixpanel project.")
    token: str = Field(json_schema_extra=SECRET, description="The project's token.")
    service_account: str | None = Field(default=None, description="A service account's user name.")
    service_secret: str | None = Field(
        default=None, json_schema_extra=SECRET, description="The service account's secret."
    )
    region: str = Field(default="us", description="Where the project lives: us, eu or in.")
    url: str | None = Field(default=None, description="Stands for every host of Mixpanel's: a proxy, or the sandbox.")
    identity: str = Field(default="simplified", description="simplified or original; what the project was made with.")
    events_per_second: int | None = Field(default=30_000, description="Mixpanel's limit; None is off.")
    bytes_per_minute: int | None = Field(default=2_000_000_000, description="Uncompressed; None is off.")
    warehouse: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra=SECRET, description="The warehouse's type and settings."
    )
    warehouse_resource: dg.ResourceDependency[Any] = None  # type: ignore[assignment]  # `warehouse` says everything

    def __init__(self, **values: Any) -> None:
        named = {"warehouse": references(values["warehouse"])} if "warehouse" in values else {}
        super().__init__(**(values | named))

    def warehouse_settings(self, sync: SyncSpec) -> dict[str, Any]:
        """The one warehouse of this resource; ConfigError when it has none or it has mistakes."""
        given = settings_given(self.warehouse_resource) if self.warehouse_resource is not None else {}
        if not self.warehouse and not given:
            raise ConfigError([
                f"sync {sync.name} reads {sync.table}, and its MixpanelResource has no warehouse: write "
                'warehouse={"type": ..., ...}'
            ])  # fmt: skip
        return warehouse_from_values(given | with_environment(self.warehouse, ORIGIN), ORIGIN).as_dict()

    def warehouse_kind(self, sync: SyncSpec) -> str:
        """The kind of the warehouse; rows in memory go through an embedded one."""
        given = kind_given(self.warehouse_resource) if self.warehouse_resource is not None else "duckdb"
        return str(self.warehouse.get("type", given))

    def project_settings(self, sync: SyncSpec) -> ProjectSettings:
        """The one project of this resource; ConfigError lists its mistakes."""
        named = ("project_id", "token", "service_account", "service_secret", "region", "url", "identity")
        given = {name: getattr(self, name) for name in named if getattr(self, name) is not None}
        rate = {"events_per_second": self.events_per_second, "bytes_per_minute": self.bytes_per_minute}
        rated = {name: "off" if value is None else value for name, value in rate.items()}
        return destination_from_values({**given, "rate": rated}, ORIGIN)


def references(values: Any) -> Any:
    """The values with `${NAME}` where a `dg.EnvVar` stands: Dagster resolves those of fields, not those inside them."""
    if isinstance(values, dict):
        return {name: references(value) for name, value in values.items()}
    if isinstance(values, list):
        return [references(value) for value in values]
    if isinstance(values, dg.EnvVar):
        return f"${{{values.env_var_name}}}"
    number = getattr(values, "name", None) if isinstance(values, int) else None  # dg.EnvVar.int("NAME")
    return f"${{{number}}}" if number else values
