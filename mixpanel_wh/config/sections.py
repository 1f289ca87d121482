"""Sections of the project file: mappings with known keys, read with every mistake in them told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixpanel_wh.config.kinds import Kind, Schema, is_empty, is_lost, shown
from mixpanel_wh.config.mistakes import Place, did_you_mean
from mixpanel_wh.config.source import Entries, Node


@dataclass(frozen=True)
class Field:
    """A key of a section: what its value is, and what it is for (shown in the JSON schema)."""

    kind: Kind
    about: str
    required: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Section:
    """What a section says: `values` of the keys that were read well, `lines` of every key that was given."""

    place: Place
    line: int | None
    values: dict[str, Any]
    lines: dict[str, int | None]

    def get(self, name: str, otherwise: Any = None) -> Any:
        """The value of a key, or `otherwise` when it was not given or is wrong."""
        return self.values.get(name, otherwise)

    def given(self, name: str) -> bool:
        """Whether the key stands there, with a good value or not."""
        return name in self.lines

    @property
    def is_whole(self) -> bool:
        """Whether every key that stands there, at any depth, is known and was read well."""
        inner = (value for value in self.values.values() if isinstance(value, Section))
        return set(self.lines) == set(self.values) and all(section.is_whole for section in inner)

    def wrong(self, name: str, message: str) -> None:
        """Tell a mistake about a key, or about the section where the key is missing."""
        self.place.under(name).wrong(self.lines.get(name, self.line), message)


@dataclass(frozen=True)
class SectionOf:
    """The kind of value that is a section with these fields; `what` names it: 'is not a destination'."""

    fields: Mapping[str, Field]
    what: str

    def read(self, node: Node, place: Place, secret: bool = False) -> Section | None:
        """The section; None when it is no mapping at all."""
        if is_lost(node):
            return None
        if not isinstance(node, Entries):
            found = "nothing" if is_empty(node) else shown(node, secret)
            keys = ", ".join(name for name, field in self.fields.items() if field.required)
            place.wrong(node.line, f"{found} is not {self.what}; write a mapping" + (f" with {keys}" if keys else ""))
            return None
        return read_section(node, self.fields, place, self.what)

    def schema(self) -> Schema:
        """An object with these properties and no others."""
        return object_schema(self.fields)


def read_section(node: Entries, fields: Mapping[str, Field], place: Place, what: str) -> Section:
    """Read every key; tell unknown, empty and missing ones."""
    section = Section(place, node.line, {}, {})
    for name, one in node.nodes.items():
        field = fields.get(name)
        if field is None:
            section.lines[name] = node.lines[name]
            section.wrong(name, _unknown(name, fields, what))
        elif not is_empty(one):
            _take(section, name, field, one, node.lines[name])
        elif field.required:
            section.lines[name] = node.lines[name]
            section.wrong(name, f"nothing stands here; {what} needs it: {field.about}")
    for name, field in fields.items():
        if field.required and name not in node.nodes:
            section.wrong(name, f"missing; {what} needs it: {field.about}")
    return section


def _take(section: Section, name: str, field: Field, node: Node, line: int | None) -> None:
    section.lines[name] = line
    value = field.kind.read(node, section.place.under(name), field.secret)
    if value is not None:
        section.values[name] = value


def _unknown(name: str, fields: Mapping[str, Field], what: str) -> str:
    meant = did_you_mean(name, fields)
    return f"{what} has no such key{meant}" if meant else f"{what} has no such key; it takes {', '.join(fields)}"


def object_schema(fields: Mapping[str, Field]) -> Schema:
    """The JSON schema of a mapping with these fields and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {name: field.kind.schema() | {"description": field.about} for name, field in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, field in fields.items() if field.required]
    return schema | ({"required": required} if required else {})
