"""POST /import: events."""

from collections.abc import Mapping, Sequence
from typing import Any

from mixpanel_wh.sandbox.bodies import is_ndjson, json_records, plain_body, within_batch
from mixpanel_wh.sandbox.calls import Answer, Call, FailedRecord, Refusal, RefusedCall, json_answer
from mixpanel_wh.sandbox.credentials import require_importer
from mixpanel_wh.sandbox.event_rows import JudgedEvents, insert_id_of, judged, parsed
from mixpanel_wh.sandbox.event_rules import Reading
from mixpanel_wh.sandbox.faults import Fault, Shape
from mixpanel_wh.sandbox.plain_events import PlainReader, sent_events
from mixpanel_wh.sandbox.project import Project

_INJECTED = Refusal("event", "refused by an injected fault")


def post_import(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Stores the good events of a batch, whatever becomes of the others.

    200 with the number stored; 400 with `failed_records` when strict and any event breaks a rule; 400 with nothing
    stored when the body cannot be read; 413 over the byte limit or 2,000 events; 429 over the rate limits.
    """
    require_importer(call, project.options)
    strict = _strict(call)
    body = plain_body(call, project.options.byte_limit)
    records = _records(call, body)
    project.quotas.bytes.take(len(body), "bytes a minute")
    project.quotas.events.take(len(records), "events a minute")
    reading = Reading(project.options.identity, strict, project.options.clock())
    outcome = _judged(records, reading, PlainReader(reading, body), fault)
    project.events.add(outcome.rows)
    kept: dict[str, Any] = {"imported": len(outcome.rows), "failed": outcome.failed, "size": len(body)}
    if outcome.failed and (strict or _spoils(fault)):
        return json_answer(failures(outcome, fault.shape if fault else "$insert_id"), 400, error=_FAILED, **kept)
    return json_answer({"code": 200, "num_records_imported": len(outcome.rows), "status": "OK"}, **kept)


_FAILED = "some data points in the request failed validation"


def failures(outcome: JudgedEvents, shape: Shape) -> dict[str, Any]:
    """The body of a 400: what failed and why, and how many events were stored all the same."""
    return {
        "code": 400,
        "error": _FAILED,
        "failed_records": [_failed_record(failed, shape) for failed in outcome.failed],
        "num_records_imported": len(outcome.rows),
        "status": "Bad Request",
    }


def _failed_record(failed: FailedRecord, shape: Shape) -> Mapping[str, Any] | str:
    refusal = failed.refusal
    if shape == "string":
        return f"{refusal.message} ($insert_id {failed.id})"
    return {"index": failed.index, shape: failed.id, "field": refusal.field, "message": refusal.message}


def _strict(call: Call) -> bool:
    strict = call.query.get("strict", "1")
    if strict not in ("0", "1"):
        raise RefusedCall(400, "strict must be 0 or 1")
    return strict == "1"


def _records(call: Call, body: bytes) -> Sequence[Any]:
    sent = sent_events(body, is_ndjson(call))
    return json_records(call, body) if sent is None else within_batch(sent)


def _judged(records: Sequence[Any], reading: Reading, plain: PlainReader, fault: Fault | None) -> JudgedEvents:
    spoiled = min(len(records), fault.records) if fault and _spoils(fault) else 0
    outcome = judged(records[spoiled:], reading, plain, spoiled)
    refused = [parsed(record) for record in records[:spoiled]]
    failed = tuple(FailedRecord(i, insert_id_of(record), _INJECTED, record) for i, record in enumerate(refused))
    return JudgedEvents(outcome.rows, failed + outcome.failed)


def _spoils(fault: Fault | None) -> bool:
    return fault is not None and fault.kind == "partial_400"
