"""What `dg scaffold defs mixpanel_wh.MixpanelSyncs NAME` writes: a component with one sync to begin with."""

from typing import Any

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from pydantic import BaseModel, Field

EXAMPLE: dict[str, Any] = {
    "warehouse": {"type": "duckdb", "path": "warehouse.duckdb"},
    "destination": {
        "project_id": "{{ env.MIXPANEL_PROJECT_ID }}",
        "token": "{{ env.MIXPANEL_TOKEN }}",
        "region": "us",
    },
    "syncs": {
        "users": {
            "table": "main.users",
            "record": "user",
            "mode": "full",
            "distinct_id": "user_id",
            "schedule": "daily",
        },
    },
}


class SyncsParams(BaseModel):
    """What may be said on the command line."""

    project: str | None = Field(default=None, description="A project file; without one the syncs stand in defs.yaml.")


class SyncsScaffolder(dg.Scaffolder[SyncsParams]):
    """Writes the folder of a `MixpanelSyncs` component."""

    @classmethod
    def get_scaffold_params(cls) -> type[SyncsParams]:
        """The options of the command."""
        return SyncsParams

    def scaffold(self, request: dg.ScaffoldRequest[SyncsParams]) -> None:
        """Write the file."""
        project = request.params.project if request.params else None
        scaffold_component(request, {"project": project} if project else EXAMPLE)
