"""Source tables where they differ: pseudo-columns as insert time, and conditions by which partitions are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Part, Table, Window
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.bigquery.catalogue import BigQueryCatalogue
from mixpanel_wh.warehouses.bigquery.partitions import PSEUDO_COLUMNS
from mixpanel_wh.warehouses.dialect import Kind
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.tables import Query, SqlTables

UNGROUPED = ("GEOGRAPHY", "JSON", "ARRAY")  # types by which no rows are grouped
DAY = timedelta(days=1)  # by more than this no two zones, nor two readings of an hour, differ


@dataclass(frozen=True)
class BigQueryProjection(Projection):
    """`Projection` over a table that may demand a condition on its partitions; `demanded` is one that all rows meet."""

    demanded: str | None = None

    @property
    def source(self) -> str:
        """The table, quoted; of one that demands a condition, its rows. A pseudo-column would be lost on the way, so
        where one is named the condition stands beside."""
        return super().source if self.beside else f"(SELECT * FROM {super().source} WHERE {self.demanded})"

    @property
    def beside(self) -> bool:
        """Whether the condition, if there is one, has to stand where rows are selected."""
        return self.demanded is None or self.spec.insert_time in PSEUDO_COLUMNS


@dataclass
class BigQueryTables(SqlTables):
    """`tables.SqlTables` on BigQuery."""

    def projection(self, spec: SyncSpec) -> BigQueryProjection:
        """The select expressions of a sync over its table as it is now. A pseudo-column is there for whoever names it
        as insert time, and is never sent."""
        found, spec = self.describe(spec.table), without_pseudo(spec)
        columns = [one for one in found.columns if one.name not in PSEUDO_COLUMNS or one.name == spec.insert_time]
        table = Table(found.name, tuple(columns), found.is_view, found.rows)
        made = BigQueryProjection(spec, table, self.dialect, self.metadata.demanded.get(spec.table))
        refuse_keys(made)
        return made

    @property
    def metadata(self) -> BigQueryCatalogue:
        """The catalogue with what is BigQuery's own."""
        assert isinstance(self.catalogue, BigQueryCatalogue)
        return self.catalogue

    def advice(self, spec: SyncSpec) -> list[str]:
        """What grants the Storage Read API, where rows come over REST without it."""
        return [
            f"rows come over REST, some ten times slower, since {why.partition(',  or set')[0]}"
            for why in self.metadata.slower(spec.table)
        ]

    def _range(self, projection: Projection, window: Window | Part | None) -> Query:
        """The same; the condition that a table demands where there is none yet."""
        where, parameters = super()._range(projection, window)
        return (demanded_beside(projection) or where if where == "TRUE" else where), parameters

    def _above(self, projection: Projection, after: str | None) -> Query:
        """In the partitions from the cursor on, or from `start_at` on, and among the rows without an insert time."""
        column, start_at = self._insert_time(projection), projection.spec.start_at
        if after is not None:
            return f" WHERE {column} >= {self._bound(projection, 'after')} OR {column} IS NULL", {"after": after}
        since, given = self._since(projection, start_at) if start_at else ("", {})
        if since:
            return f" WHERE {since} OR {column} IS NULL", given
        demanded = demanded_beside(projection)
        return (f" WHERE {demanded}" if demanded else ""), {}

    def _started(self, projection: Projection, start_at: datetime) -> Query:
        """The same, with a bound of the column itself, by which partitions are left out."""
        started, given = super()._started(projection, start_at)
        since, more = self._since(projection, start_at)
        return (f"{started} AND {since}" if since else started), given | more

    def _since(self, projection: Projection, start_at: datetime) -> Query:
        """The rows from `start_at` on and perhaps some before, as a condition on the column alone; "" where there is
        none."""
        local = start_at.astimezone(ZoneInfo(projection.spec.timezone)).replace(tzinfo=None) - DAY
        match self.dialect.kind(projection.column(str(projection.spec.insert_time))):
            case Kind.TIMESTAMP_TZ:
                text = start_at.astimezone(UTC).isoformat(" ", "microseconds")
            case Kind.TIMESTAMP:
                text = local.isoformat(" ", "microseconds")
            case Kind.DATE:
                text = local.date().isoformat()
            case _:
                return "", {}
        return f"{self._insert_time(projection)} >= {self._bound(projection, 'start')}", {"start": text}


def demanded_beside(projection: Projection) -> str | None:
    """The condition that the table demands and `source` does not hold."""
    assert isinstance(projection, BigQueryProjection)
    return projection.demanded if projection.beside else None


def refuse_keys(projection: Projection) -> None:
    """SourceError when a row key has a type that BigQuery does not group by, as telling repeated keys needs."""
    spec = projection.spec
    for name in spec.key_columns:
        type = projection.column(name).type
        if type.startswith(UNGROUPED):
            raise SourceError(
                f"sync {spec.name}: column {name} of {spec.table} is of type {type}, which BigQuery cannot compare: "
                "name other columns as row_key"
            )


def without_pseudo(spec: SyncSpec) -> SyncSpec:
    """The sync, which sends no pseudo-column; SourceError when it names one in another role than insert time."""
    wrong = [name for name in PSEUDO_COLUMNS if name in (*spec.role_columns, *spec.key_columns)]
    if wrong:
        raise SourceError(f"sync {spec.name}: {wrong[0]} is no column of the table, it can only be insert_time")
    if spec.insert_time not in PSEUDO_COLUMNS:
        return spec
    deny = (*spec.properties.deny, spec.insert_time)
    return replace(spec, properties=replace(spec.properties, deny=deny))
