"""Small pieces of SQL text: literals, identifiers and one `concat` that grows piece by piece."""

from dataclasses import dataclass, field

import orjson


def literal(text: str) -> str:
    """A SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def json_literal(value: object) -> str:
    """The JSON text of a plain value, not yet quoted for SQL."""
    return orjson.dumps(value).decode()


def is_fixed(part: str) -> bool:
    """Whether a piece of SQL is one text literal without quotes inside."""
    return len(part) >= 2 and part[0] == part[-1] == "'" and "'" not in part[1:-1]


def fixed_text(part: str) -> str:
    """The text of such a literal."""
    return part[1:-1]


def every(conditions: list[str]) -> str:
    """All of the conditions; TRUE when there are none."""
    return " AND ".join(f"({condition})" for condition in conditions) or "TRUE"


@dataclass
class Concat:
    """The arguments of one `concat(...)`, which leaves NULL arguments out; neighbouring literals become one."""

    _parts: list[tuple[bool, str]] = field(default_factory=list)

    def text(self, text: str) -> "Concat":
        """Append fixed text."""
        if self._parts and self._parts[-1][0]:
            text = self._parts.pop()[1] + text
        self._parts.append((True, text))
        return self

    def sql(self, expression: str) -> "Concat":
        """Append an expression; nothing where it is NULL."""
        self._parts.append((False, expression))
        return self

    def pair(self, before: str, parts: tuple[str, ...], nullable: bool) -> "Concat":
        """Append fixed text and the parts of an expression; nothing where a nullable one is NULL.

        Parts go in one by one where they can, which spares the copy that `||` would make.
        """
        if nullable:
            return self.sql(" || ".join((literal(before), *parts)))
        self.text(before)
        for part in parts:
            self.text(fixed_text(part)) if is_fixed(part) else self.sql(part)
        return self

    def join(self, other: "Concat") -> "Concat":
        """Append everything of another."""
        for is_text, part in other._parts:
            self.text(part) if is_text else self.sql(part)
        return self

    def render(self) -> str:
        """The SQL expression."""
        parts = [literal(part) if is_text else part for is_text, part in self._parts]
        return f"concat({', '.join(parts)})" if parts else "''"
