"""GET and POST /api/query/engage (also /api/2.0/engage): profiles, 1,000 a page; and the list of group keys."""

import uuid
import zlib
from typing import Any
from urllib.parse import parse_qsl

import orjson

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall, json_answer
from mixpanel_wh.sandbox.credentials import require_service_account
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.project import Project

_SESSION = "session-"
_UNSUPPORTED = ("where", "filter_by_cohort", "behaviors", "as_of_timestamp")


def query_engage(call: Call, project: Project, fault: Fault | None) -> Answer:
    """One page of profiles in the order of their ids; pages after the first need the first one's session_id.

    They are of users, or of the groups whose key has the number `data_group_id`.
    """
    require_service_account(call, project.options)
    asked = dict(call.query) | _form(call)
    unsupported = next((name for name in _UNSUPPORTED if asked.get(name)), None)
    if unsupported:
        raise RefusedCall(400, f"the sandbox does not evaluate '{unsupported}': read every page and filter")
    page, ids = _page(asked), _ids(asked)
    project.quotas.queries.take(1, "queries an hour")
    with project.quotas.queries_at_once.through("queries"):
        key = _group_key(asked.get("data_group_id"), project)
        profiles = project.profiles.page(page, rules.ENGAGE_PAGE, ids, key)
        total = project.profiles.counts().get(key, 0) if ids is None else len(profiles)
    return json_answer(
        {
            "page": page,
            "page_size": rules.ENGAGE_PAGE,
            "session_id": asked.get("session_id") or f"{_SESSION}{uuid.uuid4().hex}",
            "status": "ok",
            "total": total,
            "results": [{"$distinct_id": id, "$properties": properties} for id, properties in profiles],
        }
    )


def list_groups(call: Call, project: Project, fault: Fault | None) -> Answer:
    """GET /api/app/projects/{id}/data-groups/: the group keys, each with its number."""
    require_service_account(call, project.options)
    keys = [key for key in project.profiles.counts() if key]
    found = [{"property_name": key, "data_group_id": str(group_number(key))} for key in keys]
    return json_answer({"status": "ok", "results": found})


def group_number(key: str) -> int:
    """The number of a group key, the same for as long as there is the key."""
    return zlib.crc32(key.encode())


def _group_key(number: str | None, project: Project) -> str:
    """The group key of a number, '' for users; a 400 for a number that none has."""
    if not number:
        return ""
    found = next((key for key in project.profiles.counts() if key and str(group_number(key)) == number), None)
    if found is None:
        raise RefusedCall(400, f"there is no group key with data_group_id {number}")
    return found


def _form(call: Call) -> dict[str, str]:
    kind = call.headers.get("content-type", "")
    return dict(parse_qsl(call.body.decode(errors="replace"))) if kind.startswith("application/x-www-form") else {}


def _page(asked: dict[str, str]) -> int:
    text = asked.get("page", "0")
    if not text.isdigit():
        raise RefusedCall(400, "page must be a number, 0 for the first")
    if int(text) and not asked.get("session_id", "").startswith(_SESSION):
        raise RefusedCall(400, "a page after the first needs the session_id that came with the first")
    return int(text)


def _ids(asked: dict[str, str]) -> list[str] | None:
    if asked.get("distinct_id"):
        return [asked["distinct_id"]]
    if not asked.get("distinct_ids"):
        return None
    try:
        ids: Any = orjson.loads(asked["distinct_ids"])
    except orjson.JSONDecodeError:
        ids = None
    if not isinstance(ids, list):
        raise RefusedCall(400, "distinct_ids must be a JSON list of ids")
    return [str(id) for id in ids]
