"""Change sensors, one a sync, switched off by default: a run when the source table's change token differs."""

import json
import time
from contextlib import closing
from typing import Any

import dagster as dg

from mixpanel_wh.defs.checks import run_selection
from mixpanel_wh.defs.connections import MixpanelConnections
from mixpanel_wh.defs.schedules import plain_name
from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.spec import SyncSpec

LOOK_EVERY_SECONDS = 60


def change_sensor(sync: SyncSpec, asset: dg.AssetKey, connections: MixpanelConnections) -> dg.SensorDefinition:
    """A sensor that asks the warehouse for the table's change token once a minute and runs the sync when it moved."""

    @dg.sensor(
        name=f"{plain_name(asset)}__change_sensor",
        target=run_selection(asset),
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Runs the sync {sync.name} when {sync.table} has changed.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            with closing(connections.observe_warehouse(sync)) as warehouse:
                token = warehouse.tables.change_token(sync.table)
        except MixpanelWhError as error:
            return dg.SkipReason(str(error))
        return answer(context.cursor, token, sync, time.time())

    return look


def answer(cursor: str | None, token: str, sync: SyncSpec, now: float) -> dg.SensorResult | dg.SkipReason:
    """A run request when the token moved; the first look always asks for one.

    Run keys are deduplicated for ever, so they hold both tokens, a count, and when the sensor began (`now`, seconds
    since the epoch): a table that goes from A to B, back to A and to B again is run each time, also after the cursor
    was reset. An evaluation that is repeated before its cursor was saved asks for nothing new.
    """
    seen: dict[str, Any] = json.loads(cursor) if cursor else {"token": None, "moves": 0, "since": round(now)}
    if seen["token"] == token:
        return dg.SkipReason(f"{sync.table} has not changed")
    moves = int(seen["moves"]) + 1
    key = f"{sync.name}:{seen['since']}:{moves}:{seen['token']}->{token}"
    return dg.SensorResult([dg.RunRequest(run_key=key)], cursor=json.dumps({**seen, "token": token, "moves": moves}))
