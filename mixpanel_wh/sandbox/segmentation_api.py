"""GET /api/query/segmentation: how many events of a name are visible on each day, as Mixpanel's reports count them."""

import re
from datetime import UTC, datetime

import orjson

from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall, json_answer
from mixpanel_wh.sandbox.credentials import require_service_account
from mixpanel_wh.sandbox.event_store import EventFilter
from mixpanel_wh.sandbox.export_api import day_ms
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.project import Project

_DAY_MS = 86_400_000
_EQUAL = re.compile(r'\s*properties\["([^"\\]+)"\]\s*==\s*("(?:[^"\\]|\\.)*")\s*')


def query_segmentation(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Visible events of `event` by day (UTC) from `from_date` to `to_date`, both included.

    The sandbox evaluates one kind of `where`: a property that equals a text. Segments (`on`), other units than days and
    other types than `general` are refused.
    """
    require_service_account(call, project.options)
    for name, usual in (("on", ""), ("unit", "day"), ("type", "general"), ("interval", "")):
        if call.query.get(name, usual) != usual:
            raise RefusedCall(400, f"the sandbox does not evaluate {name}={call.query[name]}")
    event = call.query.get("event")
    if not event:
        raise RefusedCall(400, "event is required: the name of one event")
    since = day_ms("from_date", call.query.get("from_date"))
    until = day_ms("to_date", call.query.get("to_date"), days=1)
    if since >= until:
        raise RefusedCall(400, "from_date must not be later than to_date")
    equal = _equal(call.query.get("where"))
    project.quotas.queries.take(1, "queries an hour")
    with project.quotas.queries_at_once.through("queries"):
        found = project.events.by_day(EventFilter((event,), from_ms=since, until_ms=until), equal)
    days = {_day(ms): found.get(ms, 0) for ms in range(since, until, _DAY_MS)}
    return json_answer({"data": {"series": list(days), "values": {event: days}}, "legend_size": 1})


def _equal(where: str | None) -> tuple[str, str] | None:
    """The property and the text it must equal."""
    if not where:
        return None
    found = _EQUAL.fullmatch(where)
    if not found:
        raise RefusedCall(400, 'the sandbox evaluates a where such as properties["plan"] == "free" and no other')
    return found[1], str(orjson.loads(found[2]))


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
