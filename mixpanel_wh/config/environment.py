"""References to the environment inside values: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<colon>:-(?P<default>[^}]*))?\}|(?P<bad>\$\{)")


@dataclass(frozen=True)
class Expansion:
    """A text with its references replaced. `missing` are variables that are not set and have no default."""

    text: str
    missing: tuple[str, ...] = ()
    malformed: bool = False


def expand(text: str, environ: Mapping[str, str]) -> Expansion:
    """Replace every reference; a default also stands in for a variable that is set to nothing, as in a shell."""
    missing: list[str] = []
    malformed = False

    def value(found: re.Match[str]) -> str:
        nonlocal malformed
        if found["bad"]:
            malformed = True
            return ""
        if not found["name"]:
            return "${"
        if found["name"] not in environ and not found["colon"]:
            missing.append(found["name"])
        return environ.get(found["name"], "") or found["default"] or ""

    return Expansion(REFERENCE.sub(value, text), tuple(missing), malformed) if "${" in text else Expansion(text)
