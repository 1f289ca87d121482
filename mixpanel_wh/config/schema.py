"""The JSON schema of project files, for editors and for people: made from the same fields as the checks."""

from typing import Any

from mixpanel_wh.config.combinations import NOT_YET, modes_of
from mixpanel_wh.config.fields import DESTINATION_FIELDS, SYNC_FIELDS, WAREHOUSE_FIELDS
from mixpanel_wh.config.roles import ENGINES, NEEDED, PLACES
from mixpanel_wh.config.sections import object_schema
from mixpanel_wh.config.syntax import NAME
from mixpanel_wh.engine.spec import Mode, RecordType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ABOUT = {
    "version": "the version of the file's format",
    "warehouse": "the warehouse that holds the tables; its name is main",
    "warehouses": "several warehouses, each under a name that syncs refer to",
    "destination": "the Mixpanel project to send to; its name is main",
    "destinations": "several Mixpanel projects, each under a name that syncs refer to",
    "syncs": "the tables to keep in step, each under a name of its own",
}


def project_schema() -> dict[str, Any]:
    """The schema of a whole project file."""
    shapes = {
        "version": {"const": 1},
        "warehouse": _ref("warehouse"),
        "warehouses": _by_name("warehouse"),
        "destination": _ref("destination"),
        "destinations": _by_name("destination"),
        "syncs": _by_name("sync"),
    }
    return {
        "$schema": DIALECT,
        "title": "mixpanel_wh project file",
        "description": "Keeps Mixpanel in step with a data warehouse. ${NAME} and ${NAME:-default} stand for "
        "environment variables, anywhere a value stands.",
        "type": "object",
        "required": ["version", "syncs"],
        "allOf": [{"oneOf": [{"required": [key]}, {"required": [f"{key}s"]}]} for key in ("warehouse", "destination")],
        "properties": {key: shape | {"description": ABOUT[key]} for key, shape in shapes.items()},
        "patternProperties": {"^x-": {"description": "anything, for YAML anchors"}},
        "additionalProperties": False,
        "$defs": {
            "warehouse": {"oneOf": [object_schema(fields) for fields in WAREHOUSE_FIELDS.values()]},
            "destination": object_schema(DESTINATION_FIELDS),
            "sync": _sync(),
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _by_name(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": _ref(name),
    }


def _sync() -> dict[str, Any]:
    """A sync, with what each record type and mode needs and does not take."""
    schema = object_schema(SYNC_FIELDS)
    properties = schema["properties"]
    properties["record"] |= {"enum": [record.value for record in RecordType if record not in NOT_YET]}
    properties["engine"] |= {"enum": [ENGINES[0]]}
    append = _when("mode", Mode.APPEND, {"required": ["insert_time"]})
    return schema | {"allOf": [*map(_record, (one for one in RecordType if one not in NOT_YET)), append, *_modes()]}


def _record(record: RecordType) -> dict[str, Any]:
    foreign = {name: False for name, fits in PLACES.items() if record not in fits.records}
    modes = {"mode": {"enum": [mode.value for mode in modes_of(record)]}}
    return _when("record", record, {"required": list(NEEDED[record]), "properties": modes | foreign})


def _modes() -> list[dict[str, Any]]:
    foreign = {mode: {name: False for name, fits in PLACES.items() if mode not in fits.modes} for mode in Mode}
    return [_when("mode", mode, {"properties": names}) for mode, names in foreign.items() if names]


def _when(key: str, value: str, then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {key: {"const": str(value)}}, "required": [key]}, "then": then}
