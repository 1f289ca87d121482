"""The decorator: assets of syncs around a function of one's own, as other Dagster integrations have it."""

from collections.abc import Callable, Iterable
from typing import Any

import dagster as dg

from mixpanel_wh.defs.checks import check_specs
from mixpanel_wh.defs.sources import unseen_source
from mixpanel_wh.defs.translator import MixpanelTranslator
from mixpanel_wh.engine.spec import SyncSpec


def mixpanel_sync_assets(
    *,
    syncs: Iterable[SyncSpec],
    warehouse: str = "duckdb",
    name: str | None = None,
    translator: MixpanelTranslator | None = None,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset a sync, run by the function: `yield from mixpanel.sync(context, syncs)` with a `MixpanelResource`.

    `warehouse` is the kind of warehouse that the tables stand in, for the assets' icons. Any of the assets can be
    materialized alone. Syncs of one step run one after the other; `pool` keeps two runs of the step apart.
    """
    chosen, look = list(syncs), translator or MixpanelTranslator()
    specs = [look.get_asset_spec(sync, unseen_source(warehouse)) for sync in chosen]
    decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.multi_asset(
        name=name,
        specs=[spec.replace_attributes(skippable=True) for spec in specs],
        check_specs=[check for spec in specs for check in check_specs(spec.key)],
        can_subset=True,
        pool=pool,
        backfill_policy=dg.BackfillPolicy.single_run() if any(spec.partitions_def for spec in specs) else None,
    )
    return decorate
