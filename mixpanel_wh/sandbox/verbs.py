"""The sandbox's own verbs under /sandbox: look at what it holds, ask for faults, start over."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall, json_answer
from mixpanel_wh.sandbox.event_store import EventFilter
from mixpanel_wh.sandbox.export_api import day_ms
from mixpanel_wh.sandbox.faults import faults_from
from mixpanel_wh.sandbox.overview import overview_content, summary_content
from mixpanel_wh.sandbox.project import Project

Verb = Callable[[Call, Project], Answer]

_NDJSON = "application/x-ndjson; charset=utf-8"


def get_summary(call: Call, project: Project) -> Answer:
    """Totals of everything held, exact at the moment of the call."""
    return json_answer(summary_content(project))


def get_overview(call: Call, project: Project) -> Answer:
    """What the page shows; `{"unchanged": true}` when nothing happened since the version given as `since`."""
    since = call.query.get("since", "")
    return Answer(200, overview_content(project, since))


def get_events(call: Call, project: Project) -> Answer:
    """Visible events as JSON lines with times in ms.

    Filters: event, distinct_id, insert_id, from_date and to_date (UTC days), include_tombstones=1; `limit` gives the
    latest ones ingested, newest first.
    """
    ask = call.query
    wanted = EventFilter(
        events=(ask["event"],) if "event" in ask else None,
        distinct_id=ask.get("distinct_id"),
        insert_id=ask.get("insert_id"),
        from_ms=day_ms("from_date", ask["from_date"]) if "from_date" in ask else None,
        until_ms=day_ms("to_date", ask["to_date"], days=1) if "to_date" in ask else None,
    )
    return _lines(project.events.visible(wanted, _limit(call), ask.get("include_tombstones") == "1"))


def get_profiles(call: Call, project: Project) -> Answer:
    """User profiles as JSON lines, in the order of their ids."""
    return _lines(project.profiles.users(_limit(call)))


def get_groups(call: Call, project: Project) -> Answer:
    """Group profiles as JSON lines, in the order of their keys and ids."""
    return _lines(project.profiles.groups(_limit(call)))


def get_lookup_table(call: Call, project: Project) -> Answer:
    """The CSV of one lookup table, as it was sent."""
    csv = project.lookups.csv(call.parameters["id"])
    if csv is None:
        raise RefusedCall(404, f"there is no lookup table '{call.parameters['id']}'")
    return Answer(200, csv, media="text/csv; charset=utf-8")


def get_requests(call: Call, project: Project) -> Answer:
    """The latest requests as JSON lines, newest first."""
    return _objects(project.journal.latest_requests(_limit(call) or 1_000))


def get_rejections(call: Call, project: Project) -> Answer:
    """The latest refused records with their reasons as JSON lines, newest first."""
    return _objects(project.journal.latest_rejections(_limit(call) or 1_000))


def post_faults(call: Call, project: Project) -> Answer:
    """Adds one fault or a list of them; answers with all that stand."""
    try:
        content = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise RefusedCall(400, f"the body is not valid JSON: {error}") from None
    project.faults.add(faults_from(content))
    return json_answer(project.faults.content())


def get_faults(call: Call, project: Project) -> Answer:
    """The standing faults with how many requests each has met."""
    return json_answer(project.faults.content())


def delete_faults(call: Call, project: Project) -> Answer:
    """Removes every fault."""
    project.faults.clear()
    return json_answer([])


def post_reset(call: Call, project: Project) -> Answer:
    """Forgets everything: records, requests, faults and what counts towards limits."""
    project.empty()
    return json_answer({"code": 200, "status": "OK"})


def _limit(call: Call) -> int | None:
    text = call.query.get("limit")
    if text is not None and not text.isdigit():
        raise RefusedCall(400, "limit must be a number")
    return None if text is None else int(text)


def _lines(lines: Iterable[bytes]) -> Answer:
    return Answer(200, lines, media=_NDJSON)


def _objects(objects: list[dict[str, Any]]) -> Answer:
    return _lines([orjson.dumps(one) + b"\n" for one in objects])
