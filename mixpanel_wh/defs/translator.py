"""How a sync looks in Dagster: its key, group, kinds, tags, description and upstream tables. Subclass to change it."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from mixpanel_wh.defs.freshness import freshness_policy
from mixpanel_wh.defs.metadata import definition_metadata
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import RecordType, SyncSpec, TableName

SENT_AS = {
    RecordType.EVENT: "events",
    RecordType.USER: "user profiles",
    RecordType.GROUP: "group profiles",
    RecordType.LOOKUP: "a lookup table",
    RecordType.HISTORY: "profile history",
}


@dataclass(frozen=True)
class Source:
    """Where a sync's table stands: the kind of its warehouse, the database that unqualified names are looked up in
    (None where the warehouse has none), and what the warehouse said of the table (None where it was not asked)."""

    kind: str
    database: str | None = None
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
        """When declarative automation runs the sync; never by default."""
        return None

    def get_source_key(self, sync: SyncSpec, source: Source) -> dg.AssetKey:
        """The key of the table that the sync reads: its name as the sync writes it."""
        return dg.AssetKey(list(sync.table.parts))

    def get_table_name(self, sync: SyncSpec, source: Source) -> str:
        """The table's full name, as dagster-dbt, Sling and dlt write it into `dagster/table_name`."""
        return full_name(sync.table, source.database)

    def get_source_dep(self, sync: SyncSpec, source: Source) -> dg.AssetDep:
        """The table as an upstream asset; an asset of another integration with the same table name takes its place."""
        name = self.get_table_name(sync, source)
        return dg.AssetDep(self.get_source_key(sync, source), metadata={"dagster/table_name": name})

    def get_source_spec(self, sync: SyncSpec, source: Source) -> dg.AssetSpec:
        """The source table as an external asset, for a code location in which nothing else makes it."""
        return dg.AssetSpec(
            self.get_source_key(sync, source),
            description=f"The table `{sync.table}` in the warehouse.",
            metadata={"dagster/table_name": self.get_table_name(sync, source)},
            group_name="warehouse",
            kinds={source.kind},
        )


def full_name(table: TableName, database: str | None) -> str:
    """`database.schema.table`; a name that already has three parts, or no known database, stays as it is."""
    parts = table.parts if len(table.parts) > 2 or not database else (database, *table.parts)
    return ".".join(parts)
