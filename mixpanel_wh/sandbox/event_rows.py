"""Turns a batch of events into rows to store: a quick reading for the plainly good, the exact rules for the rest."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.bodies import json_value
from mixpanel_wh.sandbox.calls import FailedRecord
from mixpanel_wh.sandbox.event_rules import Reading, first_refusal, time_in_ms
from mixpanel_wh.sandbox.plain_events import PlainReader, Row, SentEvent, computed_distinct_id


@dataclass(frozen=True)
class JudgedEvents:
    """What became of a batch: rows to store, and the records that broke a rule."""

    rows: list[Row]
    failed: tuple[FailedRecord, ...]


def judged(records: Iterable[Any], reading: Reading, plain: PlainReader, first: int = 0) -> JudgedEvents:
    """Each record as a row, or as a failure with the first rule it breaks; the first one is number `first`."""
    rows: list[Row] = []
    failed: list[FailedRecord] = []
    for index, record in enumerate(records, first):
        row = plain.row(record) if type(record) is SentEvent else None
        if row is None:
            record = parsed(record)
            refusal = first_refusal(record, reading)
            if refusal is not None:
                failed.append(FailedRecord(index, insert_id_of(record), refusal, record))
                continue
            row = _exact_row(record, reading)
        rows.append(row)
    return JudgedEvents(rows, tuple(failed))


def parsed(record: Any) -> Any:
    """The record as Python objects, whichever way it was read."""
    if not isinstance(record, SentEvent):
        return record
    return {"event": record.event, "properties": json_value(bytes(record.properties))}


def insert_id_of(record: Any) -> str:
    """The event's $insert_id as it was sent, for the answer; empty when there is none."""
    properties = record.get("properties") if isinstance(record, dict) else None
    value = properties.get("$insert_id") if isinstance(properties, dict) else None
    return "" if value is None else str(value)


def cut(value: Any) -> Any:
    """`value` with every string in it cut at 255 bytes, at a whole character."""
    if isinstance(value, str):
        short = len(value) <= rules.STRING_BYTES // 4
        return value if short else value.encode()[: rules.STRING_BYTES].decode(errors="ignore")
    if isinstance(value, list):
        return [cut(inner) for inner in value]
    if isinstance(value, dict):
        return {key: cut(inner) for key, inner in value.items()}
    return value


def _exact_row(record: dict[str, Any], reading: Reading) -> Row:
    properties = cut(record["properties"])
    time, distinct_id, insert_id = (properties.pop(key, None) for key in ("time", "distinct_id", "$insert_id"))
    if reading.identity == "simplified":
        distinct_id = computed_distinct_id(distinct_id, properties.get("$user_id"), properties.get("$device_id"))
    return (
        record["event"],
        distinct_id or "",
        time_in_ms(reading.now if time is None else time),
        insert_id or str(uuid.uuid4()),
        properties.get("_deleted") is True,
        False,
        orjson.dumps(properties),
    )
