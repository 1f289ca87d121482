"""SQL printed for people: a line for each clause and each column; what stands in parentheses or quotes stays whole."""

import re
from collections.abc import Iterator, Mapping

_TOKENS = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)"""
    r"""|(?P<open>\()|(?P<close>\))|(?P<comma>,\s*)|(?P<clause>\s+(?=(?:FROM|WHERE|LEFT\ JOIN|LIMIT)\b))|(?P<rest>.)""",
    re.DOTALL,
)
_BREAKS = {"comma": ",\n    ", "clause": "\n"}


def laid_out(sql: str) -> str:
    """The statement over several lines; nothing but white space outside of quotes and parentheses is changed."""
    return "".join(_pieces(sql))


def _pieces(sql: str) -> Iterator[str]:
    depth = 0
    for token in _TOKENS.finditer(sql):
        kind = str(token.lastgroup)
        depth += (kind == "open") - (kind == "close")
        yield token.group() if depth else _BREAKS.get(kind, token.group())


def as_comments(parameters: Mapping[str, object]) -> str:
    """Parameters with their values as comments before a statement, one a line."""
    lines = (f"-- {name} = {value}" for name, value in parameters.items())
    return "".join(line.replace("\n", " ") + "\n" for line in lines)
