"""Snowflake's errors as ours: one sentence that says what to do, with the statement that grants a missing privilege,
and never a password, a key or a token."""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowflake.connector import errors

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.warehouses.snowflake.writing import quoted

NOT_THERE = (2003, 2043)  # it does not exist, or this role may not know
DENIED = 3001
NO_WAREHOUSE = 606


@dataclass(frozen=True)
class Place:
    """Where a connection leads, for messages: nothing in it is secret. `role` is the one that the session has."""

    account: str
    user: str
    role: str
    warehouse: str
    database: str
    staging: tuple[str, ...]

    @property
    def grantee(self) -> str:
        """Whom a privilege is granted to."""
        return f"ROLE {quoted(self.role)}" if self.role else "ROLE the user's role"


def first_line(error: BaseException) -> str:
    """The server's message without its numbers, its query id and its details, which may show values of rows."""
    text = str(getattr(error, "raw_msg", None) or getattr(error, "msg", None) or error)
    text = re.sub(r"^\d{6}(: \d+)? \(\w+\): ", "", text.strip())
    text = re.sub(r"^[0-9a-f-]{36}: ", "", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(("error:", "error")):
        return f"{lines[0].rstrip(':')}: {lines[1]}"
    return lines[0] if lines else type(error).__name__


def refused(error: Exception, place: Place) -> MixpanelWhError:
    """Why no connection came about."""
    text, line = str(error), first_line(error)
    for sign, sentence in _REFUSALS:
        if re.search(sign, text, re.IGNORECASE):
            return WarehouseUnavailable(sentence.format(place=place))
    return WarehouseUnavailable(f"Snowflake account {place.account} does not take the connection: {line}")


_REFUSALS = (
    (r"JWT|public key|private key",
     "Snowflake account {place.account} refused the key of user {place.user}: run  ALTER USER {place.user} SET "
     "RSA_PUBLIC_KEY = '...'  with the public half of private_key, and check account and user of the warehouse"),
    (r"OAuth|access token|invalid token|token.*(expired|invalid)",
     "Snowflake account {place.account} refused the token of user {place.user}: get a new one, and check user and role "
     "of the warehouse"),
    (r"Incorrect username or password|authentication failed|390100",
     "Snowflake account {place.account} refused user {place.user}: check user and password of the warehouse"),
    (r"Role .* (does not exist|is not granted)|requested role|390189",
     "user {place.user} may not use role {place.role}: check role of the warehouse, or run  GRANT ROLE {place.role} TO "
     "USER {place.user}"),
    (r"is not allowed to access Snowflake|network policy",
     "a network policy of Snowflake account {place.account} keeps this machine out: have its address allowed"),
    (r"404|could not find|Name or service not known|nodename nor servname|getaddrinfo|NameResolution|resolve",
     "there is no Snowflake account {place.account}: check account of the warehouse, as in orgname-accountname"),
    (r"Connection refused|Failed to connect|250001|250003|251007|timed? ?out|unreachable|Max retries",
     "Snowflake account {place.account} does not answer: check account of the warehouse, and the way out of this "
     "network"),
)  # fmt: skip


def explained(error: errors.Error, place: Place, sql: str) -> MixpanelWhError:
    """A failed statement's error."""
    line, number = first_line(error), error.errno or 0
    if number == NO_WAREHOUSE or "No active warehouse" in line:
        return WarehouseUnavailable(
            f"no warehouse runs the statements of role {place.role}: set warehouse, or run  GRANT USAGE ON WAREHOUSE "
            f"{quoted(place.warehouse or '...')} TO {place.grantee}"
        )
    if number == DENIED or "Insufficient privileges" in line:
        return _denied(line, place, sql)
    if number in NOT_THERE:
        return _missing(line, place, sql)
    if isinstance(error, errors.ProgrammingError):
        return SourceError(f"Snowflake refused a statement on the source table: {line}")
    return WarehouseUnavailable(f"Snowflake account {place.account}: {line}")


def _stages(place: Place, sql: str) -> bool:
    """Whether the statement writes in the staging schema."""
    staging = ".".join(quoted(part) for part in place.staging)
    return bool(re.match(rf"\s*(CREATE|DROP|INSERT|UPDATE|DELETE|ALTER)\b[^(]*?{re.escape(staging)}", sql))


def _denied(line: str, place: Place, sql: str) -> MixpanelWhError:
    """Which privilege is missing, and what grants it."""
    staging = ".".join(quoted(part) for part in place.staging)
    if re.match(r"\s*CREATE SCHEMA\b", sql):
        return StagingError(
            f"role {place.role} may not make the staging schema {place.staging[-1]}: run  CREATE SCHEMA {staging}  "
            f"and  GRANT OWNERSHIP ON SCHEMA {staging} TO {place.grantee}"
        )
    if _stages(place, sql):
        return StagingError(
            f"role {place.role} may not write in the staging schema {place.staging[-1]}: run  GRANT USAGE, CREATE "
            f"TABLE, CREATE STREAM ON SCHEMA {staging} TO {place.grantee}"
        )
    found = re.search(r"on (?P<kind>\w+) '(?P<name>[^']+)'", line)
    what = f"{found['kind'].lower()} {found['name']}" if found else "the table"
    return SourceError(f"role {place.role} may not read {what}: run  GRANT SELECT ON {what} TO {place.grantee}")


def _missing(line: str, place: Place, sql: str) -> MixpanelWhError:
    if _stages(place, sql):
        staging = ".".join(quoted(part) for part in place.staging)
        return StagingError(
            f"the staging schema {place.staging[-1]} is not there for role {place.role} ({line}): run  GRANT USAGE, "
            f"CREATE TABLE, CREATE STREAM ON SCHEMA {staging} TO {place.grantee}"
        )
    return SourceError(f"Snowflake refused a statement on the source table: {line}")
