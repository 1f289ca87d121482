"""What the sandbox holds, and what the table says it should hold, brought to one form by plain Python.

Nothing here uses the package's own code: an expectation is made from the rows that DuckDB gives and from Mixpanel's
rules as they are written down.
"""

import base64
import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import requests

ADDED = ("$insert_id", "$warehouse_import_id", "$warehouse_type", "$warehouse_table", "ip", "$user_id", "$device_id")
JUNK = ("anonymous", "null", "0")
WIDEST = 2**53

Values = dict[str, Any]


def lines(url: str, path: str) -> list[Values]:
    """The JSON lines of one of the sandbox's own pages."""
    answer = requests.get(f"{url}/sandbox/{path}", timeout=60)
    answer.raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]


def summary(url: str) -> Values:
    """The sandbox's totals."""
    answer = requests.get(f"{url}/sandbox/summary", timeout=60)
    answer.raise_for_status()
    found: Values = answer.json()
    return found


def fault(url: str, kind: str, **more: object) -> None:
    """Ask for a fault."""
    requests.post(f"{url}/sandbox/faults", json={"kind": kind, **more}, timeout=60).raise_for_status()


def mend(url: str) -> None:
    """Remove every fault."""
    requests.delete(f"{url}/sandbox/faults", timeout=60).raise_for_status()


def events(url: str) -> Counter[str]:
    """How often each visible event is held, without what the engine adds to it."""
    return Counter(event_text(one["event"], one["properties"]) for one in lines(url, "events"))


def event_text(name: str, properties: Mapping[str, Any]) -> str:
    """An event as one text."""
    return json.dumps([name, {key: value for key, value in properties.items() if key not in ADDED}], sort_keys=True)


def profiles(url: str) -> dict[str, Values]:
    """The properties of each user profile."""
    return {one["$distinct_id"]: one["$properties"] for one in lines(url, "profiles")}


def groups(url: str, key: str) -> dict[str, Values]:
    """The properties of each group profile of one key."""
    return {one["$group_id"]: one["$properties"] for one in lines(url, "groups") if one["$group_key"] == key}


def lookup_rows(url: str, table: str) -> dict[str, dict[str, str]]:
    """The rows of a lookup table by their id; no row when the table was never sent."""
    answer = requests.get(f"{url}/sandbox/lookup-tables/{table}", timeout=60)
    if answer.status_code == 404:
        return {}
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    id_name = next(iter(rows[0])) if rows else ""
    return {row[id_name]: {name: value for name, value in row.items() if name != id_name} for row in rows}


def sent(row: Mapping[str, Any], leave_out: Iterable[str] = ()) -> Values:
    """The properties that a row of the table should have in Mixpanel."""
    found = {name: as_json(value) for name, value in row.items() if name not in set(leave_out)}
    return {name: value for name, value in found.items() if value is not None}


def as_json(value: Any) -> Any:
    """A value as Mixpanel should get it; None where it is absent."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= WIDEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, datetime):
        whole = value.astimezone(UTC) if value.tzinfo else value
        text = whole.replace(tzinfo=None).isoformat()
        return (text.rstrip("0") if "." in text else text) + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [as_json(one) for one in value]
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    return str(value)


def as_csv(value: Any) -> str:
    """A value as it should stand in a lookup table: decimals with every digit that they have."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    found = as_json(value)
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))


def expected_event(name: str, moment: datetime, user: str | None, properties: Values) -> str:
    """An event as one text, from a moment in UTC."""
    ms = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    return event_text(name, {"time": ms, "distinct_id": user or "", **properties})


def refusable(row: Mapping[str, Any]) -> bool:
    """Whether Mixpanel takes no event made of the row: no time, a time before 1971, or an id that stands for no one."""
    return row["at"] is None or row["at"].year < 1971 or row["who"] in JUNK
