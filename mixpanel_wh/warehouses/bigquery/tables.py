"""Source tables where they differ: pseudo-columns as insert time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.bigquery.catalogue import BigQueryCatalogue
from mixpanel_wh.warehouses.bigquery.partitions import PSEUDO_COLUMNS
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.tables import SqlTables


@dataclass
class BigQueryTables(SqlTables):
    """`tables.SqlTables` on BigQuery."""

    def projection(self, spec: SyncSpec) -> Projection:
        """The select expressions of a sync over its table as it is now. A pseudo-column is there for whoever names it
        as insert time, and is never sent."""
        found, spec = self.describe(spec.table), without_pseudo(spec)
        columns = [one for one in found.columns if one.name not in PSEUDO_COLUMNS or one.name == spec.insert_time]
        return Projection(spec, Table(found.name, tuple(columns), found.is_view, found.rows), self.dialect)

    @property
    def metadata(self) -> BigQueryCatalogue:
        """The catalogue with what is BigQuery's own."""
        assert isinstance(self.catalogue, BigQueryCatalogue)
        return self.catalogue


def without_pseudo(spec: SyncSpec) -> SyncSpec:
    """The sync, which sends no pseudo-column; SourceError when it names one in another role than insert time."""
    wrong = [name for name in PSEUDO_COLUMNS if name in (*spec.role_columns, *spec.key_columns)]
    if wrong:
        raise SourceError(f"sync {spec.name}: {wrong[0]} is no column of the table, it can only be insert_time")
    if spec.insert_time not in PSEUDO_COLUMNS:
        return spec
    deny = (*spec.properties.deny, spec.insert_time)
    return replace(spec, properties=replace(spec.properties, deny=deny))
