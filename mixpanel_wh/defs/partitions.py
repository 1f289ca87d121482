"""Day and hour partitions: which rows of a sync a partition holds, and a backfill of many of them in one run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dagster as dg

from mixpanel_wh.defs.running import Outcome, move
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.run import RunOptions
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject

KINDS: dict[str, Callable[..., dg.TimeWindowPartitionsDefinition]] = {
    "day": dg.DailyPartitionsDefinition,
    "hour": dg.HourlyPartitionsDefinition,
}


def partitions_definition(sync: SyncSpec) -> dg.TimeWindowPartitionsDefinition | None:
    """The partitions of a sync that has any, in the sync's time zone."""
    if sync.partitions is None:
        return None
    kind = KINDS[sync.partitions.every]
    return kind(start_date=sync.partitions.start, timezone=sync.timezone)


def is_partitioned(context: dg.AssetExecutionContext) -> bool:
    """Whether a run is about partitions. A run of a partitioned asset without any (of its schedule, its sensor or
    declarative automation) goes on from the sync's own state, as it does for every other sync."""
    return bool(context.has_partition_key or context.has_partition_key_range)


def parts(context: dg.AssetExecutionContext, sync: SyncSpec) -> Iterator[tuple[str, Part]]:
    """The keys of the run's partitions, with the rows of each."""
    definition = partitions_definition(sync)
    if definition is None or sync.partitions is None:
        raise dg.Failure(f"sync {sync.name} has no partitions and its asset has: build the asset from the sync",
                         allow_retries=False)  # fmt: skip
    for key in context.partition_keys:
        window = definition.time_window_for_partition_key(key)
        since, before = (int(moment.timestamp() * 1000) for moment in (window.start, window.end))
        yield key, Part(sync.partitions.column, since, before)


def backfill(
    context: dg.AssetExecutionContext,
    asset: dg.AssetKey,
    sync: SyncSpec,
    warehouse: Warehouse,
    mixpanel: MixpanelProject,
    options: RunOptions,
) -> dict[str, Outcome]:
    """Run the sync for each partition of the run in turn; what each did, by its key.

    When one cannot be finished, those before it are recorded as materialized, and the rest can be run again.
    """
    done: dict[str, Outcome] = {}
    try:
        for key, part in parts(context, sync):
            context.log.info(f"{sync.name}: partition {key}")
            done[key] = move(context.log, sync, warehouse, mixpanel, replace(options, part=part))
    except BaseException:
        for key, outcome in done.items():
            finished = dg.AssetMaterialization(asset, partition=key, metadata=partition_metadata(sync, outcome))
            context.log_event(finished)
        raise
    return done


def partition_metadata(sync: SyncSpec, outcome: Outcome) -> dict[str, Any]:
    """The numbers of one partition."""
    total = "dagster/row_count"
    numbers = {name: value for name, value in outcome.metadata(sync).items() if name != total}
    return numbers | {"dagster/partition_row_count": outcome.result.rows_read}
