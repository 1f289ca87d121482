"""Postgres' errors as ours: one sentence that says what to do, with the statement that grants a missing privilege, and
never a password."""

from __future__ import annotations

import re

import psycopg

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.warehouses.denials import Place, denied, quoted


def first_line(error: BaseException) -> str:
    """The server's message without its details, which may show values of rows."""
    lines = str(error).strip().splitlines()
    return lines[0].removeprefix("ERROR:").strip() if lines else type(error).__name__


def refused(error: psycopg.Error, place: Place) -> MixpanelWhError:
    """Why no connection came about."""
    text = str(error)
    for sign, sentence in _REFUSALS:
        if re.search(sign, text):
            return WarehouseUnavailable(sentence.format(server=place.server, place=place))
    reason = re.sub(r"^connection (to server )?[^:]*: ", "", text.strip().splitlines()[-1] if text.strip() else "")
    return WarehouseUnavailable(f"Postgres at {place.server} does not take the connection: {reason}")


_REFUSALS = (
    (r"password authentication failed|no password supplied|role .* does not exist",
     "Postgres at {server} refused user {place.user}: check user and password of the warehouse"),
    (r"database .* does not exist",
     "there is no database {place.database} at {server}: check database of the warehouse"),
    (r"resolve|translate host name|Name or service not known|nodename nor servname",
     "there is no host {place.host}: check host of the warehouse"),
    (r"Connection refused|No route to host|Network is unreachable",
     "nothing answers at {server}: check host and port of the warehouse, and that Postgres listens there"),
    (r"timeout|timed out",
     "Postgres at {server} does not answer: check host and port of the warehouse, and the firewall between"),
    (r"no pg_hba\.conf entry",
     "Postgres at {server} admits no connection of user {place.user} to database {place.database} from here: add a "
     "line for it to pg_hba.conf, or set sslmode: require if it wants encryption"),
    (r"server does not support SSL|SSL|certificate",
     "the encrypted connection to Postgres at {server} failed: check sslmode of the warehouse, and its certificate"),
    (r"too many clients|remaining connection slots",
     "Postgres at {server} has no free connection: wait, or raise max_connections"),
    (r"starting up|shutting down", "Postgres at {server} is starting or shutting down: wait, and run again"),
    (r"permission denied for database",
     "user {place.user} may not connect to database {place.database}: run  GRANT CONNECT ON DATABASE "
     '"{place.database}" TO "{place.user}"'),
)  # fmt: skip


def explained(error: psycopg.Error, place: Place, sql: str) -> MixpanelWhError:
    """A failed statement's error."""
    state, line = error.sqlstate or "", first_line(error)
    if state == "42501":
        return _denied(line, place, sql)
    if state == "25006":
        return StagingError(f"Postgres at {place.server} is read-only ({line}): name the primary server, not a standby")
    if state[:2] in ("22", "42", "3F", "0A", "44", "P0", "38", "39", "2F"):
        return SourceError(f"Postgres refused a statement on the source table: {line}")
    return WarehouseUnavailable(f"Postgres at {place.server}: {line}")


def _denied(line: str, place: Place, sql: str) -> MixpanelWhError:
    """Which privilege is missing, and what grants it."""
    if "row-level security" in line:
        return SourceError(
            f"{line}: rows that are hidden would look deleted; run  ALTER ROLE {quoted(place.user)} BYPASSRLS,  or "
            "sync a view of the rows that are meant"
        )
    found = re.search(r"permission denied for (?:foreign |materialized )?(database|schema|table|view|sequence) (.+)$",
                      line)  # fmt: skip
    return denied(found[1], found[2].strip('"'), place, sql) if found else SourceError(
        f"Postgres refused a statement: {line}"
    )
