"""Calls to a running sandbox, as a client of Mixpanel's would make them."""

import gzip
import json
import time
from typing import Any

import requests

from mixpanel_wh.sandbox import Sandbox

ACCOUNT = ("user", "secret")
PROJECT = {"project_id": "1"}
NOW_MS = int(time.time() * 1_000)

Json = dict[str, Any]


def event(name: str = "Signed up", insert_id: str = "first", **properties: Any) -> Json:
    """An event Mixpanel accepts, unless `properties` spoil it."""
    return event_of(properties, name, insert_id)


def event_of(properties: Json, name: str = "Signed up", insert_id: str = "first") -> Json:
    """The same with properties of any name; a property that is ... is left out."""
    good = {"time": NOW_MS, "distinct_id": "ada", "$insert_id": insert_id}
    chosen = {key: value for key, value in (good | properties).items() if value is not ...}
    return {"event": name, "properties": chosen}


def send(box: Sandbox, events: Any, strict: str = "1", **more: Any) -> requests.Response:
    """Posts events to /import."""
    arguments: dict[str, Any] = {"auth": ACCOUNT, "params": PROJECT | {"strict": strict}, "timeout": 30} | more
    return requests.post(f"{box.url}/import", json=events, **arguments)


def send_bytes(box: Sandbox, body: bytes, kind: str = "application/json", **headers: str) -> requests.Response:
    """Posts a body to /import as it is."""
    return requests.post(
        f"{box.url}/import",
        data=body,
        auth=ACCOUNT,
        params=PROJECT,
        headers={"Content-Type": kind, **headers},
        timeout=30,
    )


def zipped(content: Any) -> bytes:
    """`content` as gzipped JSON."""
    return gzip.compress(json.dumps(content).encode())


def refusal(box: Sandbox, record: Any) -> tuple[str, str]:
    """The field and message the sandbox refuses one event with."""
    answer = send(box, [record])
    assert answer.status_code == 400
    failed = answer.json()["failed_records"]
    assert len(failed) == 1
    return failed[0]["field"], failed[0]["message"]


def engage(box: Sandbox, *operations: Json, id: str = "ada", query: str = "verbose=1") -> requests.Response:
    """Posts one user profile update for each operation."""
    updates = [{"$token": "token", "$distinct_id": id, **operation} for operation in operations]
    return requests.post(f"{box.url}/engage?{query}", json=updates, timeout=30)


def group(box: Sandbox, *operations: Json, key: str = "company", id: str = "acme") -> requests.Response:
    """Posts one group profile update for each operation."""
    updates = [{"$token": "token", "$group_key": key, "$group_id": id, **operation} for operation in operations]
    return requests.post(f"{box.url}/groups?verbose=1", json=updates, timeout=30)


def replace_table(box: Sandbox, csv: bytes | str, id: str = "planes", **headers: str) -> requests.Response:
    """Puts a CSV in the place of a lookup table."""
    body = csv if isinstance(csv, bytes) else csv.encode()
    return requests.put(
        f"{box.url}/lookup-tables/{id}", data=body, auth=ACCOUNT, params=PROJECT, headers=headers, timeout=30
    )


def export(box: Sandbox, **query: str) -> list[Json]:
    """The raw export of all events."""
    dates = {"from_date": "1970-01-01", "to_date": "2100-01-01"}
    answer = requests.get(f"{box.url}/api/2.0/export", auth=ACCOUNT, params=PROJECT | dates | query, timeout=30)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def lines(box: Sandbox, verb: str, **query: str) -> list[Json]:
    """What one of the sandbox's own verbs answers, line by line."""
    answer = requests.get(f"{box.url}/sandbox/{verb}", params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def visible(box: Sandbox, **query: str) -> list[Json]:
    """The visible events."""
    return lines(box, "events", **query)


def summary(box: Sandbox) -> Json:
    """The totals."""
    answer: Json = requests.get(f"{box.url}/sandbox/summary", timeout=30).json()
    return answer


def properties(box: Sandbox) -> Json:
    """The properties of the only user profile."""
    (profile,) = lines(box, "profiles")
    found: Json = profile["$properties"]
    return found


def inject(box: Sandbox, **fault: Any) -> None:
    """Asks for one fault."""
    answer = requests.post(f"{box.url}/sandbox/faults", json=fault, timeout=30)
    assert answer.status_code == 200, answer.text
