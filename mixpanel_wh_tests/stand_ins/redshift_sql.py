"""Redshift's SQL as Postgres takes it, and a refusal of what Redshift has not."""

import re
from collections.abc import Callable

QUOTED = re.compile(r"('(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\2\$)", re.S)
# What Postgres has and Redshift lacks; a statement of ours that holds one of these is a mistake.
LACKING = (
    r"IS\s+(NOT\s+)?DISTINCT\s+FROM", r"ON\s+CONFLICT", r"\bLATERAL\b", r"CREATE\s+(UNIQUE\s+)?INDEX", r"\bUUID\b",
    r"\bBYTEA\b", r"\bJSONB?\b(?!_)", r"\bRETURNING\b", r"\bbit_xor\s*\(", r"\bhash_record\w*\s*\(", r"\bset_config\s*\(",
    r"\bpg_advisory\w*\s*\(", r"\btrim_scale\s*\(", r"\bisfinite\s*\(", r"\bto_jsonb?\s*\(", r"\bgenerate_series\s*\(",
    r"\bFILTER\s*\(", r"\bCREATE\s+SEQUENCE\b", r"\bSERIAL\b", r"\bCOPY\b.*\bSTDIN\b", r"\bCOLLATE\s+\"C\"", r"\bARRAY\s*\[",
    r"::regclass", r"\bunnest\s*\(", r"\bMATERIALIZED\b", r"\bEXCLUDE\b", r"\bCONCAT\s*\([^()]*,[^()]*,", r"\bgen_random",
    r"\bDEFERRABLE\b", r"\bREPEATABLE\s+READ\b",
)  # fmt: skip
BINDABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
Change = tuple[str, str | Callable[[re.Match[str]], str]]
CHANGES: tuple[Change, ...] = (
    (r"\b(DATEADD|DATEDIFF)\s*\(\s*(\w+)\s*,", r"\1('\2',"),
    (r"\bJSON_SERIALIZE\s*\(", "rs_json_serialize("),
    (r"\bVARCHAR\s*\(\s*MAX\s*\)", "VARCHAR(65535)"),
    (r"\b(VARCHAR|CHARACTER\s+VARYING|NVARCHAR|TEXT)\b(?!\s*\()", "VARCHAR(256)"),  # 256 bytes there
    (r"\b(NUMERIC|DECIMAL)\b(?!\s*\()", "NUMERIC(18,0)"),
    (r"\bVARBYTE\s*\(\s*\d+\s*\)", "VARBYTE"),
    (r"\bTIMESTAMPTZ\b", "TIMESTAMP WITH TIME ZONE"),
    (r"\s(DISTSTYLE\s+\w+|DISTKEY\b\s*(\([^)]*\))?|((COMPOUND|INTERLEAVED)\s+)?SORTKEY\b\s*(\([^)]*\))?|ENCODE\s+\w+)", " "),
    (r"\bWITH\s+NO\s+SCHEMA\s+BINDING\b", ""),
    (r"\bPASSWORD\s+DISABLE\b", ""),
    (r"\bMINUS\b", "EXCEPT"),
    (r"\bSYSDATE\b", "getdate()"),
    (r"\bQUOTE_IDENT\b", "quote_ident"),
)  # fmt: skip
SETTINGS = r"^\s*SET\s+(enable_case_sensitive_identifier|query_group|statement_timeout|describe_field_name_in_uppercase)\b"
NOTHING = "DO $nothing$ BEGIN NULL; END $nothing$"


class NotInRedshift(Exception):
    """Redshift would refuse the statement."""


def code_of(sql: str) -> str:
    """The statement without what stands in quotes."""
    return QUOTED.sub("''", sql)


def refuse(sql: str, bound: bool = False) -> None:
    """NotInRedshift where Redshift has no such thing; `bound` statements read parameters of the driver."""
    code = code_of(sql)
    for pattern in LACKING:
        if found := re.search(pattern, code, re.I | re.S):
            raise NotInRedshift(f"syntax error: Redshift has no {found[0].strip()}")
    if bound and re.search(r"\$\d", code) and code.split(maxsplit=1)[0].upper() not in BINDABLE:
        raise NotInRedshift("there is no parameter $1: only SELECT, INSERT, UPDATE and DELETE take parameters")


def rewritten(sql: str) -> str:
    """The statement as Postgres takes it."""
    if re.search(SETTINGS, sql, re.I):
        return re.sub(r"^(\s*SET\s+)", r"\1redshift.", sql, flags=re.I)
    if re.match(r"\s*GRANT\s+ASSUMEROLE\b", sql, re.I):
        return NOTHING
    if found := re.match(r"\s*CREATE\s+EXTERNAL\s+TABLE\s+(\S+)\s*(\(.*\))\s*STORED\s", sql, re.I | re.S):
        return rewritten(f"CREATE TABLE {found[1]} {found[2]}; COMMENT ON TABLE {found[1]} IS 'external'")
    parts = QUOTED.split(sql)
    # The pattern has two groups: code, what is quoted, the tag of a dollar quote, code, …
    return "".join(_changed(part) if n % 3 == 0 else part for n, part in enumerate(parts) if n % 3 != 2)


def _changed(code: str) -> str:
    for pattern, change in CHANGES:
        code = re.sub(pattern, change, code, flags=re.I)
    return code
