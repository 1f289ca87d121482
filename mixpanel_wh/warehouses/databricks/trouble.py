"""Databricks' errors as ours: one sentence that says what to do, with the statement that grants a missing privilege,
and never a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable

CLASS = re.compile(r"\[([A-Z][A-Z0-9_]+)(?:\.[A-Z0-9_]+)*\]")
# What stands before a message, on clusters several times: who passes it on, its class, the Java class that was thrown.
BEFORE = re.compile(
    r"^(?:Error (?:during request to server|running query): ?|\[[A-Z][\w.]*\] ?|"
    r"(?:[a-z][\w$]*\.)+[\w$]+(?:Exception|Error): ?)+"
)
STATE = re.compile(r"\s*\(?SQLSTATE: ?\w+\)?.*$", re.DOTALL)
# A statement that lost against another one was not committed, and may run again.
LOST = re.compile(r"DELTA_CONCURRENT_\w+|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|Concurrent\w+Exception")
# What a cluster of an older runtime tells without a class.
THROWN = re.compile(r"(?:Parse|Analysis|FileRead|FileNotFound)Exception")
MISSING = {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "CATALOG_NOT_FOUND"}
# Not of an operation that is not known any more: its statement may have done what it was to do.
ENDED = re.compile(
    r"Invalid SessionHandle|INVALID_HANDLE(?!\.OPERATION)|[Ss]ession \S* ?(?:is closed|has expired|does not exist)"
)
DENIED = re.compile(
    r"does not have (?:permission )?(?P<right>[A-Z][A-Z ]+?(?:(?: and |, ?)[A-Z][A-Z ]+?)*) (?:privileges? )?on "
    r"(?P<kind>\w+) ['`\"]?(?P<name>[^'\"\s]+)"
)


@dataclass(frozen=True)
class Place:
    """Where a connection leads, for messages: nothing in it is secret."""

    host: str
    path: str
    catalog: str
    staging: tuple[str, ...]
    user: str = ""


def error_class(error: BaseException) -> str:
    """The name that Databricks gives an error, such as TABLE_OR_VIEW_NOT_FOUND; empty where it has none."""
    found = CLASS.search(str(error))
    return found[1] if found else ""


def lost_against_another(error: BaseException) -> bool:
    """Whether a statement changed nothing because another one changed the same table first."""
    return bool(LOST.search(str(error)))


def session_ended(error: BaseException) -> bool:
    """Whether the server no longer knows the session."""
    return bool(ENDED.search(str(error)))


def first_sentence(error: BaseException) -> str:
    """The server's message on one line, without its class, its state and the statement that it repeats."""
    whole = re.sub(r"\s+", " ", STATE.sub("", str(error).split("== SQL")[0])).strip()
    return BEFORE.sub("", whole).rstrip(". ") or type(error).__name__


def refused(error: BaseException, place: Place) -> MixpanelWhError:
    """Why no connection came about."""
    own = next((one for one in _behind(error) if isinstance(one, MixpanelWhError)), None)
    if own is not None:
        return own
    text = _with_status(error)
    denied = DENIED.search(text)
    if denied:
        return _denied_by(denied, place)
    for sign, sentence in _REFUSALS:
        if re.search(sign, text):
            return WarehouseUnavailable(sentence.format(place=place))
    return WarehouseUnavailable(f"Databricks at {place.host} does not take the connection: {first_sentence(error)}")


_REFUSALS = (
    (r"\b401\b|\b403\b|[Uu]nauthorized|[Ff]orbidden|[Ii]nvalid access token|invalid_client",
     "Databricks at {place.host} refused the credentials: check access_token, or client_id and client_secret, of the "
     "warehouse, and that they may use {place.path}"),
    (r"\b503\b|max retry duration|TEMPORARILY_UNAVAILABLE",
     "the SQL warehouse or cluster {place.path} at {place.host} did not start in time: start it, and see why it does "
     "not start by itself"),
    (r"\b404\b|RESOURCE_DOES_NOT_EXIST|ENDPOINT_NOT_FOUND",
     "there is no SQL warehouse or cluster {place.path} at {place.host}: check http_path of the warehouse"),
    (r"resolve|Name or service not known|nodename nor servname|No address associated",
     "there is no host {place.host}: check server_hostname of the warehouse"),
    (r"refused|unreachable|timed out|TimeoutError|Max retries exceeded",
     "nothing answers at {place.host}: check server_hostname of the warehouse, and the network between"),
    (r"NO_SUCH_CATALOG|CATALOG_NOT_FOUND|Catalog .* (?:does not exist|not found)",
     "there is no catalog {place.catalog} at {place.host}: check catalog of the warehouse"),
    (r"certificate|SSL", "the encrypted connection to {place.host} failed: check its certificate"),
)  # fmt: skip


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it. The connector keeps what it met in a mapping of its own."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        met = (getattr(error, "context", None) or {}).get("original-exception")
        error = met if isinstance(met, BaseException) else error.__cause__ or error.__context__


def _with_status(error: BaseException) -> str:
    """The messages of an error and of what led to it, with the status of the HTTP answer: to look at, not to show."""
    statuses = [str((getattr(one, "context", None) or {}).get("http-code") or "") for one in _behind(error)]
    return " ".join([*map(str, _behind(error)), *statuses])


def explained(error: BaseException, place: Place) -> MixpanelWhError:
    """A failed statement's error."""
    text = str(error)
    denied = DENIED.search(text)
    if denied:
        return _denied_by(denied, place)
    found = error_class(error)
    if session_ended(error):
        return WarehouseUnavailable(f"Databricks at {place.host} ended the session: run again")
    if not found and re.search(r"\b401\b|\b403\b|\b503\b|[Uu]nauthorized|gives no token", _with_status(error)):
        return refused(error, place)
    if found or "SQLSTATE" in text or THROWN.search(text):
        return SourceError(f"Databricks refused a statement: {first_sentence(error)}")
    return WarehouseUnavailable(f"Databricks at {place.host}: {first_sentence(error)}")


def quoted(name: str) -> str:
    """A name of up to three parts, each quoted."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def grant(right: str, kind: str, name: str, user: str) -> str:
    """The statement that gives a right."""
    whose = "`" + (user or "user").replace("`", "``") + "`"
    return f"GRANT {right} ON {kind.upper()} {quoted(name)} TO {whose}"


def _denied_by(denied: re.Match[str], place: Place) -> MixpanelWhError:
    right = denied["right"].replace(" and ", ", ")
    return _denied(right, denied["kind"], denied["name"].strip("`'\".").replace("`", ""), place)


def _denied(right: str, kind: str, name: str, place: Place) -> MixpanelWhError:
    """Which privilege is missing, and what grants it."""
    kind = {"view": "table"}.get(kind.lower(), kind.lower())
    who = f"user {place.user}" if place.user else "this user"
    what = f"{who} lacks {right} on {kind} {name}: run  {grant(right, kind, name, place.user)}"
    staging = ".".join(place.staging).lower()
    if {"CREATE SCHEMA", "CREATE TABLE", "MODIFY"} & set(right.split(", ")) or name.lower().startswith(f"{staging}."):
        return StagingError(what)
    return StagingError(what) if name.lower() == staging else SourceError(what)
