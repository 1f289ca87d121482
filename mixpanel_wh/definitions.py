"""The Dagster code location: the syncs of the project file that MIXPANEL_WH_PROJECT names, by default the demo's."""

from mixpanel_wh.defs.assembly import project_definitions

defs = project_definitions()
