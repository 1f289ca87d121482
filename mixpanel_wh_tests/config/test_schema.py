"""The JSON schema of project files, which is made from the same fields as the checks."""

import json
from typing import Any

from mixpanel_wh.config.fields import DESTINATION_FIELDS, PROPERTY_FIELDS, SYNC_FIELDS, WAREHOUSE_FIELDS
from mixpanel_wh.config.roles import NEEDED, PLACES
from mixpanel_wh.config.schema import project_schema
from mixpanel_wh.engine.spec import RecordType

SCHEMA = project_schema()


def condition(key: str, value: str) -> dict[str, Any]:
    """What the schema says of syncs whose `key` is `value`."""
    rules = SCHEMA["$defs"]["sync"]["allOf"]
    merged: dict[str, Any] = {"required": [], "properties": {}}
    for rule in rules:
        if rule["if"]["properties"] == {key: {"const": value}}:
            merged["required"] += rule["then"].get("required", [])
            merged["properties"] |= rule["then"].get("properties", {})
    return merged


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_key_of_every_section_has_a_description() -> None:
    sections = [SCHEMA, SCHEMA["$defs"]["destination"], SCHEMA["$defs"]["sync"], *SCHEMA["$defs"]["warehouse"]["oneOf"]]
    silent = [
        key for section in sections for key, about in section["properties"].items() if not about.get("description")
    ]
    assert silent == []
    fields = [*DESTINATION_FIELDS.values(), *SYNC_FIELDS.values(), *PROPERTY_FIELDS.values()]
    assert all(field.about for field in fields)
    assert set(SCHEMA["$defs"]["sync"]["properties"]) == set(SYNC_FIELDS)
    assert len(SCHEMA["$defs"]["warehouse"]["oneOf"]) == len(WAREHOUSE_FIELDS)


def test_the_schema_asks_for_what_each_record_type_needs_and_forbids_what_it_does_not_take() -> None:
    for record in (RecordType.EVENT, RecordType.USER, RecordType.GROUP, RecordType.LOOKUP):
        said = condition("record", record)
        assert said["required"] == list(NEEDED[record])
        forbidden = {key for key, schema in said["properties"].items() if schema is False}
        assert forbidden == {key for key, fits in PLACES.items() if record not in fits.records}


def test_the_schema_knows_the_combinations_and_what_append_needs() -> None:
    assert condition("record", "event")["properties"]["mode"]["enum"] == ["mirror", "append", "one_time"]
    assert condition("mode", "append")["required"] == ["insert_time"]
    assert condition("mode", "full")["properties"]["insert_time"] is False
