"""The attributes of a component: the sections of a project file, with a template wherever a value stands."""

import os
from typing import Annotated, Any

from pydantic import WithJsonSchema

from mixpanel_wh.config.environment import expand
from mixpanel_wh.config.schema import project_schema
from mixpanel_wh.engine.errors import ConfigError

TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}


def section_type(section: str) -> Any:
    """The type of an attribute that holds a section: any mapping to pydantic, the section's schema to a reader."""
    return Annotated[dict[str, Any] | None, WithJsonSchema(templated_schema(section))]


def templated_schema(section: str) -> dict[str, Any]:
    """The schema of a section of project files, whole in itself."""
    whole = project_schema()
    shape: dict[str, Any] = _resolved(whole["properties"][section], whole["$defs"])
    return shape


def _resolved(schema: Any, known: dict[str, Any]) -> Any:
    """References replaced by what they name, and every value that is no mapping possibly a template."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved(known[schema["$ref"].rpartition("/")[2]] | rest, known)
    return {key: _inside(key, value, known) for key, value in schema.items()}


def _inside(key: str, value: Any, known: dict[str, Any]) -> Any:
    if key == "properties":
        return {name: _value(one, known) for name, one in value.items()}
    if key == "additionalProperties":
        return _value(value, known)
    if key in ("oneOf", "anyOf", "allOf"):
        return [_resolved(one, known) for one in value]
    return value


def _value(schema: Any, known: dict[str, Any]) -> Any:
    """A value, or a template where the value is no mapping."""
    resolved = _resolved(schema, known)
    if not isinstance(resolved, dict) or not resolved or resolved.get("type") == "object" or "oneOf" in resolved:
        return resolved
    about = {"description": resolved.pop("description")} if "description" in resolved else {}
    return {"anyOf": [resolved, TEMPLATE], **about}


def with_environment(values: Any, origin: str) -> Any:
    """The values with `${NAME}` and `${NAME:-default}` replaced as in a project file; ConfigError for one not set."""
    if isinstance(values, dict):
        return {name: with_environment(value, origin) for name, value in values.items()}
    if isinstance(values, list):
        return [with_environment(value, origin) for value in values]
    if not isinstance(values, str):
        return values
    expanded = expand(values, os.environ)
    if expanded.missing or expanded.malformed:
        missing = ", ".join(expanded.missing) or "a name that is malformed"
        raise ConfigError([f"{origin}: the environment variable {missing} is not set"])
    return expanded.text
