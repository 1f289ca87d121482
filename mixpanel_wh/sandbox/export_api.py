"""GET /api/2.0/export: every copy of every event, as Mixpanel's raw export gives them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall
from mixpanel_wh.sandbox.credentials import require_service_account
from mixpanel_wh.sandbox.event_store import EventFilter
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.project import Project
from mixpanel_wh.sandbox.rates import Streamed


def get_export(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Newline-delimited JSON of the events from `from_date` to `to_date` (UTC, both included), never deduplicated."""
    require_service_account(call, project.options)
    if call.query.get("where"):
        raise RefusedCall(400, "the sandbox does not evaluate 'where': filter by event and dates")
    wanted = EventFilter(
        events=event_names(call.query.get("event")),
        from_ms=day_ms("from_date", call.query.get("from_date")),
        until_ms=day_ms("to_date", call.query.get("to_date"), days=1),
    )
    limit, quotas = _limit(call), project.quotas
    quotas.exports_a_second.take(1, "exports a second")
    quotas.exports.take(1, "exports an hour")
    quotas.exports_at_once.enter("exports")
    lines = Streamed(project.events.raw(wanted, call.query.get("time_in_ms") == "true", limit), quotas.exports_at_once)
    return Answer(200, lines, media="text/plain; charset=utf-8")


def day_ms(name: str, text: str | None, days: int = 0) -> int:
    """The start of the day `text` (YYYY-MM-DD, UTC) plus `days`, in milliseconds; a 400 for anything else."""
    try:
        day = date.fromisoformat(text or "") + timedelta(days=days)
    except ValueError:
        raise RefusedCall(400, f"{name} is required as YYYY-MM-DD, and this is '{text or ''}'") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000


def event_names(text: str | None) -> tuple[str, ...] | None:
    """Event names from a JSON list of them; None when none are given."""
    if not text:
        return None
    try:
        names: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RefusedCall(400, 'event must be a JSON list of event names, such as ["Signed up"]')
    return tuple(names)


def _limit(call: Call) -> int | None:
    text = call.query.get("limit")
    if text is None:
        return None
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise RefusedCall(400, "limit must be a number from 1 to 100000")
    return int(text)
