"""How the SQL that all warehouses share is written for Snowflake.

In shared SQL the words in lower case are names of ours. Snowflake folds names without quotes to upper case, and rows
must arrive under the names that the engine knows; so these words are quoted. Parameters become places that the server
binds. A row number needs an order in Snowflake, even where any order will do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PREFIX = ":mp_"
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
PIECES = re.compile(
    r"(?P<text>'(?:[^'\\]|''|\\.)*')"
    r'|(?P<quoted>"(?:[^"]|"")*")'
    r"|:mp_(?P<parameter>\w+)"
    r"|row_number\(\) OVER \((?P<window>[^()]*)\)"
    r"|(?<![\w$])(?P<name>[a-z_][a-z0-9_]*)(?![\w$])(?!\s*\()"
)
# What Snowflake takes no bound values in, and what ends a transaction.
DEFINING = re.compile(r"\s*(CREATE|DROP|ALTER|USE|COMMENT|GRANT)\b", re.IGNORECASE)


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """A name as Snowflake takes it without quotes."""
    return name.upper() if PLAIN_NAME.fullmatch(name) else name


def literal(text: str) -> str:
    """A text literal; a backslash would begin an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def written(sql: str, parameters: Mapping[str, Any] | None = None) -> tuple[str, list[str | None]]:
    """A statement as it is sent, with the values of its `?` in order, as text.

    Statements that define something get their values as literals: what may be bound there is not documented.
    """
    given, values = dict(parameters or {}), list[str | None]()
    inline = defines(sql)

    def piece(found: re.Match[str]) -> str:
        if (name := found["parameter"]) is not None:
            value = None if given[name] is None else str(given[name])
            if inline:
                return "NULL" if value is None else literal(value)
            values.append(value)
            return "?"
        if (window := found["window"]) is not None:
            return f"ROW_NUMBER() OVER ({PIECES.sub(piece, window)}{' ' if window else ''}ORDER BY 1)"
        return quoted(found["name"]) if found["name"] is not None else found[0]

    return PIECES.sub(piece, sql), values


def defines(sql: str) -> bool:
    """Whether the statement changes what there is, which commits the transaction that is open."""
    return bool(DEFINING.match(sql))
