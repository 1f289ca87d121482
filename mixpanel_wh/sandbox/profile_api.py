"""POST /engage and POST /groups: user and group profiles.

A record that fails never changes the status: it is 200, and the body tells, in the form the query string asks for.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.bodies import json_records, plain_body
from mixpanel_wh.sandbox.calls import Answer, Call, FailedRecord
from mixpanel_wh.sandbox.credentials import require_token
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.profile_rules import update_refusal
from mixpanel_wh.sandbox.profile_store import key_of
from mixpanel_wh.sandbox.project import Project

_BODY_LIMIT = rules.LOOKUP_BYTES


def post_engage(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Applies updates of user profiles."""
    return _apply(call, project, group=False)


def post_groups(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Applies updates of group profiles."""
    return _apply(call, project, group=True)


def _apply(call: Call, project: Project, group: bool) -> Answer:
    body = plain_body(call, _BODY_LIMIT)
    updates = json_records(call, body)
    _require_tokens(updates, project)
    failed = _applied(updates, project, group)
    content = _content(call, len(updates) - len(failed), failed)
    return Answer(
        200,
        orjson.dumps(content),
        imported=len(updates) - len(failed),
        failed=tuple(failed),
        error=_first_error(failed),
        size=len(body),
    )


def _require_tokens(updates: Sequence[Any], project: Project) -> None:
    tokens = {update.get("$token") for update in updates if isinstance(update, dict)}
    for token in tokens:
        if isinstance(token, str) and token:
            require_token(token, project.options)


def _applied(updates: Sequence[Any], project: Project, group: bool) -> list[FailedRecord]:
    known = project.options.known_group_keys
    refusals = {place: update_refusal(update, group, known) for place, update in enumerate(updates)}
    good = [place for place, refusal in refusals.items() if refusal is None]
    late = project.profiles.apply([(key_of(updates[place], group), updates[place]) for place in good])
    refusals |= {good[order]: refusal for order, refusal in late.items()}
    return [
        FailedRecord(place, _id(updates[place], group), refusal, updates[place])
        for place, refusal in refusals.items()
        if refusal
    ]


def _content(call: Call, imported: int, failed: list[FailedRecord]) -> Any:
    verbose, strict = call.query.get("verbose") == "1", call.query.get("strict") == "1"
    if not verbose and not strict:
        return 0 if failed else 1
    error = _first_error(failed) or None
    told = {"status": 0 if failed else 1, "error": error} if verbose else {}
    return (_strict_content(imported, failed) if strict else {}) | told


def _strict_content(imported: int, failed: list[FailedRecord]) -> dict[str, Any]:
    if not failed:
        return {"code": 200, "num_records_imported": imported, "status": "OK"}
    return {
        "code": 400,
        "error": _first_error(failed),
        "failed_records": [
            {"index": one.index, "id": one.id, "field": one.refusal.field, "message": one.refusal.message}
            for one in failed
        ],
        "num_records_imported": imported,
        "status": "Bad Request",
    }


def _first_error(failed: Sequence[FailedRecord]) -> str:
    if not failed:
        return ""
    more = f" (and {len(failed) - 1} more failed)" if len(failed) > 1 else ""
    return f"record {failed[0].index}: {failed[0].refusal.message}{more}"


def _id(update: Any, group: bool) -> str:
    value = update.get("$group_id" if group else "$distinct_id") if isinstance(update, dict) else None
    return "" if value is None else str(value)
