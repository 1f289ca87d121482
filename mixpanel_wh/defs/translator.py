"""How a sync looks in Dagster: its key, group, kinds, tags, description and upstream tables. Subclass to change it."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from mixpanel_wh.defs.freshness import freshness_policy
from mixpanel_wh.defs.metadata import definition_metadata
from mixpanel_wh.defs.partitions import partitions_definition
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import RecordType, SyncSpec, TableName

AFTER_UPSTREAM: "dg.AutomationCondition[Any]" = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)
"""Once for every update of the table, when neither it nor the sync is being run."""

SENT_AS = {
    RecordType.EVENT: "events",
    RecordType.USER: "user profiles",
    RecordType.GROUP: "group profiles",
    RecordType.LOOKUP: "a lookup table",
    RecordType.HISTORY: "profile history",
}


@dataclass(frozen=True)
class Source:
    """Where a sync's table stands: the kind of its warehouse, the database and the schema that unqualified names are
    looked up in (None where nobody knows), and what the warehouse said of the table (None where it was not asked)."""

    kind: str
    database: str | None = None
    schema: str | None = None
    table: Table | None = None


class MixpanelTranslator:
    """Turns a sync into a `dagster.AssetSpec`; override one verb, or `get_asset_spec` for everything."""

    def get_asset_spec(self, sync: SyncSpec, source: Source) -> dg.AssetSpec:
        """The asset of a sync."""
        return dg.AssetSpec(
            self.get_asset_key(sync),
            deps=[self.get_source_dep(sync, source)],
            description=self.get_description(sync),
            metadata=self.get_metadata(sync, source),
            group_name=sync.group or "mixpanel",
            kinds={"mixpanel", source.kind},
            owners=list(sync.owners),
            tags=dict(sync.tags),
            automation_condition=self.get_automation_condition(sync),
            freshness_policy=freshness_policy(sync.schedule),
            partitions_def=partitions_definition(sync),
        )

    def get_asset_key(self, sync: SyncSpec) -> dg.AssetKey:
        """`mixpanel/<sync>`: the prefix keeps it apart from an asset that makes the table of the same name."""
        return dg.AssetKey(["mixpanel", sync.name])

    def get_description(self, sync: SyncSpec) -> str:
        """The sync's own description, else a sentence made from its settings."""
        made = f"`{sync.table}` sent to Mixpanel as {SENT_AS[sync.record]}, mode `{sync.mode}`."
        return sync.description or made

    def get_metadata(self, sync: SyncSpec, source: Source) -> dict[str, Any]:
        """What is known of the sync before it ever ran."""
        return definition_metadata(sync, source.table)

    def get_automation_condition(self, sync: SyncSpec) -> "dg.AutomationCondition[dg.AssetKey] | None":
        """When declarative automation runs the sync: after its table was updated, where the sync asks for it."""
        return AFTER_UPSTREAM if sync.after_upstream else None

    def get_source_key(self, sync: SyncSpec, source: Source) -> dg.AssetKey:
        """The key of the table that the sync reads: its name as the sync writes it, after the name of the warehouse
        where a project has several."""
        warehouse = [] if sync.warehouse == "main" else [sync.warehouse]
        return dg.AssetKey([*warehouse, *sync.table.parts])

    def get_table_name(self, sync: SyncSpec, source: Source) -> str | None:
        """The table's full name, as dagster-dbt, Sling and dlt write it into `dagster/table_name`; None where it is not
        known, since half a name fits nothing."""
        return full_name(sync.table, source)

    def get_source_dep(self, sync: SyncSpec, source: Source) -> dg.AssetDep:
        """The table as an upstream asset; an asset of another integration with the same table name takes its place."""
        return dg.AssetDep(self.get_source_key(sync, source), metadata=self._named(sync, source))

    def get_source_spec(self, sync: SyncSpec, source: Source) -> dg.AssetSpec:
        """The source table as an external asset, for a code location in which nothing else makes it."""
        return dg.AssetSpec(
            self.get_source_key(sync, source),
            description=f"The table `{sync.table}` in the warehouse.",
            metadata=self._named(sync, source),
            group_name="warehouse",
            kinds={source.kind},
        )

    def _named(self, sync: SyncSpec, source: Source) -> dict[str, Any]:
        name = self.get_table_name(sync, source)
        return {"dagster/table_name": name} if name else {}


def full_name(table: TableName, source: Source) -> str | None:
    """`database.schema.table`: parts that the sync does not write are the warehouse's own; None when one is unknown."""
    parts = table.parts
    if len(parts) == 1 and source.schema:
        parts = (source.schema, *parts)
    if len(parts) == 2 and source.database:
        parts = (source.database, *parts)
    return ".".join(parts) if len(parts) == 3 else None
