"""The kinds of value that a field can hold: each reads a node, tells what is wrong with it, and describes itself as
JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mixpanel_wh.config.mistakes import Place, did_you_mean
from mixpanel_wh.config.source import Entries, Items, Node, Scalar

Schema = dict[str, Any]
LONGEST_SHOWN = 60
REFERENCE = {"type": "string", "pattern": r"\$\{"}


class Kind(Protocol):
    """One kind of value. `read` returns None after telling a mistake."""

    def read(self, node: Node, place: Place, secret: bool = False) -> Any:
        """The value; a mistake is told to `place`, without the value itself when it is secret."""

    def schema(self) -> Schema:
        """The values it takes, as JSON schema."""


def shown(node: Node, secret: bool = False) -> str:
    """What stands in the file, for the beginning of a sentence."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Entries):
        return "a mapping"
    text = node.shown if len(node.shown) <= LONGEST_SHOWN else node.shown[:LONGEST_SHOWN] + "…"
    return "the value" if secret else f"'{text}'"


def is_empty(node: Node) -> bool:
    """Whether nothing was written, or a reference to the environment came out empty."""
    return isinstance(node, Scalar) and node.text is None and not node.lost


def is_lost(node: Node) -> bool:
    """Whether the mistake about this value was told already."""
    return isinstance(node, Scalar) and node.lost


@dataclass(frozen=True)
class Parsed:
    """A single value that a function of `syntax` reads; `what` names the kind: 'is not a span of time'."""

    parse: Callable[[str], Any]
    what: str
    json: Schema

    def read(self, node: Node, place: Place, secret: bool = False) -> Any:
        """What the function makes of the text."""
        if is_lost(node):
            return None
        if not isinstance(node, Scalar) or node.text is None:
            place.wrong(node.line, f"{shown(node, secret) if not is_empty(node) else 'nothing'} is not {self.what}")
            return None
        try:
            return self.parse(node.text)
        except ValueError as error:
            place.wrong(node.line, f"{shown(node, secret)} is not {self.what}; {error}")
            return None

    def schema(self) -> Schema:
        """Its own schema, or a reference to the environment."""
        return self.json if self.json.get("type") == "string" else {"anyOf": [self.json, REFERENCE]}


def text(what: str = "text", **json: Any) -> Parsed:
    """Any text as it stands."""
    return Parsed(str.strip, what, {"type": "string", "minLength": 1, **json})


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: Sequence[str]
    what: str

    def read(self, node: Node, place: Place, secret: bool = False) -> str | None:
        """The word."""
        if is_lost(node):
            return None
        word = node.text if isinstance(node, Scalar) else None
        if word in self.words:
            return word
        meant = did_you_mean(word, self.words) if word else ""
        found = "nothing" if is_empty(node) else shown(node)
        place.wrong(node.line, f"{found} is not {self.what}; write one of {', '.join(self.words)}{meant}")
        return None

    def schema(self) -> Schema:
        """An enumeration."""
        return {"anyOf": [{"enum": list(self.words)}, REFERENCE]}


@dataclass(frozen=True)
class ListOf:
    """Several values of one kind without repeats; a single one needs no brackets."""

    kind: Kind

    def read(self, node: Node, place: Place, secret: bool = False) -> tuple[Any, ...] | None:
        """The values, in order."""
        nodes = node.nodes if isinstance(node, Items) else (node,)
        found = [self.kind.read(one, place, secret) for one in nodes]
        for n, value in enumerate(found):
            if value is not None and value in found[:n]:
                place.wrong(nodes[n].line, f"{shown(nodes[n], secret)} stands in the list twice; keep one")
        return None if None in found else tuple(dict.fromkeys(found))

    def schema(self) -> Schema:
        """A list, or one value."""
        one = self.kind.schema()
        return {"anyOf": [{"type": "array", "items": one, "uniqueItems": True}, one]}


@dataclass(frozen=True)
class MapOf:
    """Names of one's own choice, each with a value of one kind."""

    kind: Kind
    what: str

    def read(self, node: Node, place: Place, secret: bool = False) -> dict[str, Any] | None:
        """The values by name."""
        if is_lost(node):
            return None
        if not isinstance(node, Entries):
            found = "nothing" if is_empty(node) else shown(node)
            place.wrong(node.line, f"{found} is not {self.what}")
            return None
        values = {name: self.kind.read(one, place.under(name), secret) for name, one in node.nodes.items()}
        return None if None in values.values() else values

    def schema(self) -> Schema:
        """An object."""
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True)
class ByShape:
    """A value that may be written in two ways: as a single value, or as a mapping that another kind reads."""

    single: Kind
    mapping: Kind

    def read(self, node: Node, place: Place, secret: bool = False) -> Any:
        """What the kind that fits makes of it."""
        return (self.mapping if isinstance(node, Entries) else self.single).read(node, place, secret)

    def schema(self) -> Schema:
        """Either of them."""
        return {"anyOf": [self.single.schema(), self.mapping.schema()]}
