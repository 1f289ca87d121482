"""PUT /lookup-tables/{id} and GET /lookup-tables."""

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.bodies import plain_body
from mixpanel_wh.sandbox.calls import Answer, Call, FailedRecord, RefusedCall, json_answer
from mixpanel_wh.sandbox.credentials import require_service_account
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.lookup_rules import JudgedTable, judge_csv
from mixpanel_wh.sandbox.project import Project


def put_lookup_table(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Replaces a lookup table with the CSV, whole or not at all; a 400 lists at most the first 10 bad rows."""
    require_service_account(call, project.options)
    id = call.parameters["id"]
    if not project.options.create_lookup_tables and id not in project.lookups.counts():
        raise RefusedCall(404, f"there is no lookup table '{id}': it must be created in the project first")
    project.quotas.lookup_replacements.take(1, "lookup table replacements a day")
    body = plain_body(call, rules.LOOKUP_BYTES)
    judged = judge_csv(body)
    if judged.failed:
        return _refused_table(judged, len(body))
    project.lookups.replace(id, body, judged.rows, int(project.options.clock() * 1_000))
    return json_answer({"code": 200, "status": "OK"}, imported=judged.rows, size=len(body))


def get_lookup_tables(call: Call, project: Project, fault: Fault | None) -> Answer:
    """Lists the lookup tables."""
    require_service_account(call, project.options)
    tables = [{"id": id, "name": id} for id in project.lookups.counts()]
    return json_answer({"code": 200, "results": tables, "status": "OK"})


def _refused_table(judged: JudgedTable, size: int) -> Answer:
    shown = judged.failed[: rules.LOOKUP_ERRORS_SHOWN]
    content = {
        "code": 400,
        "error": f"the lookup table was not replaced: {shown[0][1].message}",
        "failed_records": [{"index": place, "message": refusal.message, "status": 0} for place, refusal in shown],
        "status": "Bad Request",
    }
    failed = tuple(FailedRecord(place, "", refusal) for place, refusal in shown)
    return json_answer(content, 400, failed=failed, error=content["error"], size=size)
