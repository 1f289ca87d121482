"""YAML as a tree in which every value knows its line, with references to the environment replaced.

Scalars stay text until a field says what they are, so a column may be called `no` or `on`, and a token made of digits
keeps its leading zeros. YAML's reader is imported on use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixpanel_wh.config.environment import expand
from mixpanel_wh.config.mistakes import Mistakes, Place
from mixpanel_wh.engine.errors import ConfigError

if TYPE_CHECKING:
    import yaml

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
SHAPE = "a project file is a mapping with version, warehouse, destination and syncs"


@dataclass(frozen=True)
class Scalar:
    """A single value. `text` is None when it is empty; `shown` is what the file says, which no environment value is
    part of; `lost` says that its mistake was told already."""

    line: int | None
    text: str | None = field(repr=False)
    shown: str = field(default="", repr=False)
    lost: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    line: int | None
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Entries:
    """A mapping; `lines` holds the line of each key."""

    line: int | None
    nodes: dict[str, Node]
    lines: dict[str, int | None]


Node = Scalar | Items | Entries


def read_project_source(path: Path, mistakes: Mistakes, environ: Mapping[str, str]) -> Entries:
    """The file as a tree; ConfigError at once when there is none, or nothing in it can be read."""
    origin = mistakes.origin
    root = _composed(_text(path, origin), origin)
    if root is None:
        raise ConfigError([f"{origin}: the file is empty: {SHAPE}"])
    node = _Reader(mistakes, environ).node(root, Place(mistakes))
    if isinstance(node, Entries):
        return node
    found = "a list" if isinstance(node, Items) else "a single value"
    raise ConfigError([f"{origin}:{node.line}: the file holds {found}: {SHAPE}"])


def _text(path: Path, origin: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([
            f"there is no project file {origin}: name one with --project FILE or in MIXPANEL_WH_PROJECT, or write one"
        ]) from None  # fmt: skip
    except IsADirectoryError:
        raise ConfigError([f"{origin} is a folder: name the project file in it"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{origin}: the file is not UTF-8 text: save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{origin} cannot be read: {error.strerror or type(error).__name__}"]) from None


def _composed(text: str, origin: str) -> yaml.Node | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{origin}:{line}: this is not valid YAML: {_problem(error.problem or '')}"]) from None
    except yaml.YAMLError:
        raise ConfigError([f"{origin}: the file holds characters that YAML does not allow: take them out"]) from None
    return None if node is None or node.tag == NULL else node


ADVICE = {
    "tab character": "indent with spaces instead of tabs",
    "cannot start any token": "indent with spaces instead of tabs, and put text that begins with @, % or ` in quotes",
    "mapping values are not allowed": "look for a missing line break, or put text that holds ': ' in quotes",
    "could not find expected ':'": "look for a key without a colon",
    "undefined alias": "put text that begins with * in quotes",
    "another document": "keep one project in a file, without a line of ---",
    "did not find expected": "look at the indentation, and for a bracket or quote that is not closed",
    "unexpected end": "look for a bracket or quote that is not closed",
}


def _problem(problem: str) -> str:
    """The parser's words without what it quotes from the file, which may be a secret, and what to look for."""
    plain = re.sub(r"\s*(['\"])(?:(?!\1).){2,}\1", "", problem)
    advice = next((advice for sign, advice in ADVICE.items() if sign in problem), "")
    return f"{plain}; {advice}" if advice else plain


@dataclass
class _Reader:
    """Turns YAML's nodes into ours. A node that several places share through an alias is read once for each."""

    mistakes: Mistakes
    environ: Mapping[str, str]
    open_nodes: set[int] = field(default_factory=set)

    def node(self, node: yaml.Node, place: Place) -> Node:
        """The node, or a lost scalar where it makes no sense."""
        line = node.start_mark.line + 1
        if node.tag.startswith("!"):
            place.wrong(line, "YAML tags (a word with ! in front) mean nothing here; put the value in quotes")
            return Scalar(line, None, lost=True)
        if id(node) in self.open_nodes:
            place.wrong(line, "this alias points to what it stands in; write the value out")
            return Scalar(line, None, lost=True)
        self.open_nodes.add(id(node))
        try:
            return self._inside(node, line, place)
        finally:
            self.open_nodes.discard(id(node))

    def _inside(self, node: Any, line: int, place: Place) -> Node:
        if node.id == "mapping":
            return self._entries(node, line, place)
        if node.id == "sequence":
            return Items(line, tuple(self.node(one, place.under(str(n))) for n, one in enumerate(node.value, 1)))
        return self._scalar(node, line, place)

    def _scalar(self, node: yaml.ScalarNode, line: int, place: Place) -> Scalar:
        if node.tag == NULL:
            return Scalar(line, None)
        expanded = expand(node.value, self.environ)
        if expanded.malformed:
            place.wrong(line, "this is no reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${")
        for name in expanded.missing:
            place.wrong(line, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        lost = expanded.malformed or bool(expanded.missing)
        return Scalar(line, expanded.text or None, node.value, lost)

    def _entries(self, node: yaml.MappingNode, line: int, place: Place) -> Entries:
        nodes: dict[str, Node] = {}
        lines: dict[str, int | None] = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            if key.tag == MERGE:
                self._merge(value, nodes, lines, place)
            elif key.id != "scalar":
                place.wrong(at, "a key must be a single word")
            elif lines.get(key.value) is not None and key.value in nodes:
                place.under(key.value).wrong(at, f"this key stands here twice, first in line {lines[key.value]}")
            else:
                nodes[key.value], lines[key.value] = self.node(value, place.under(key.value)), at
        return Entries(line, nodes, {name: lines[name] or line for name in nodes})

    def _merge(self, value: Any, nodes: dict[str, Node], lines: dict[str, int | None], place: Place) -> None:
        """What `<<: *shared` brings, below whatever the mapping says itself; a line of None may be overwritten."""
        for one in value.value if value.id == "sequence" else [value]:
            shared = self.node(one, place)
            if not isinstance(shared, Entries):
                place.wrong(shared.line, "<< takes an alias of a mapping")
                continue
            for name, node in shared.nodes.items():
                if name not in nodes:
                    nodes[name], lines[name] = node, None


def tree_of(value: Any) -> Node:
    """Plain Python values as a tree without lines."""
    if isinstance(value, Mapping):
        return Entries(None, {str(key): tree_of(one) for key, one in value.items()}, {str(key): None for key in value})
    if isinstance(value, list | tuple | set | frozenset):
        return Items(None, tuple(tree_of(one) for one in value))
    if value is None:
        return Scalar(None, None)
    text = _text_of(value)
    return Scalar(None, text or None, text)


def _text_of(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f} seconds"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
