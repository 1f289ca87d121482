"""Syncs as assets: one asset a sync, with its check, moved by the IO manager of its mode."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from mixpanel_wh.defs.checks import answers_of_run, check_specs
from mixpanel_wh.defs.connections import MixpanelConnections, asset_of
from mixpanel_wh.defs.io_managers import io_manager_key
from mixpanel_wh.defs.partitions import is_partitioned
from mixpanel_wh.defs.relation import Relation
from mixpanel_wh.defs.running import SyncConfig
from mixpanel_wh.defs.schedules import plain_name
from mixpanel_wh.engine.spec import SyncSpec

MIXPANEL = "mixpanel"
Execute = Callable[[dg.AssetExecutionContext, SyncSpec, SyncConfig], Iterator[Any]]


def sync_asset(
    sync: SyncSpec, spec: dg.AssetSpec, execute: Execute, resources: frozenset[str] = frozenset()
) -> dg.AssetsDefinition:
    """The asset of a sync: `execute` yields what a run did, `resources` are the resource keys it needs.

    The asset may be left out of its own step, so that a dry run records no materialization and the check can be
    looked at alone. Its pool lets an instance keep two runs of one sync apart.
    """
    name = plain_name(spec.key)

    @dg.multi_asset(
        name=name,
        specs=[spec.replace_attributes(skippable=True)],
        check_specs=check_specs(spec.key),
        required_resource_keys=set(resources),
        can_subset=True,
        pool=name,
        backfill_policy=dg.BackfillPolicy.single_run() if spec.partitions_def else None,
    )
    def run(context: dg.AssetExecutionContext, config: SyncConfig) -> Iterator[Any]:
        yield from execute(context, sync, config)

    return run


def moved_by_io_manager(sync: SyncSpec, spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """The asset of a sync whose rows the IO manager of its mode moves.

    It needs the resource `mixpanel` and the IO managers under their usual keys.
    """
    return sync_asset(sync, spec.with_io_manager_key(io_manager_key(sync.mode)), hand_over, frozenset({MIXPANEL}))


def hand_over(context: dg.AssetExecutionContext, sync: SyncSpec, config: SyncConfig) -> Iterator[Any]:
    """Hand the IO manager the sync's table, then answer the check with what the IO manager reported.

    What an IO manager cannot express goes through the resource: a dry run, a sample, partitions each with numbers of
    its own, and a look at the check alone.
    """
    key = asset_of(context, sync)
    if not config.materializes or is_partitioned(context) or key not in context.selected_asset_keys:
        connections: MixpanelConnections = getattr(context.resources, MIXPANEL)
        yield from connections.sync(context, sync, config)
        return
    relation = Relation(sync=sync, options=config.options)
    yield dg.MaterializeResult(asset_key=key, value=relation)
    if relation.report.result:
        yield from answers_of_run(context, key, [relation.report.result])
