"""Mixpanel's endpoints as values: hosts by region, and the path, limits and habits of each record type's endpoint.

The numbers come from Mixpanel's pages "Import Events", "User Profiles", "Group Profiles" and "Lookup Tables". A
megabyte is 1,048,576 bytes, as in the 413 example of Mixpanel's OpenAPI file; where a limit is smaller, a 413 tells.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from mixpanel_wh.engine.spec import RecordType

MEGABYTE = 1_048_576
BATCH_RECORDS = 2_000
BATCH_BYTES = 10 * MEGABYTE
LOOKUP_BYTES = 100 * MEGABYTE
NO_RECORD_LIMIT = 1 << 62
SMALLEST_BYTE_LIMIT = 65_536
"""A 413 never makes the byte limit smaller than this: above it the fault lies with one record, not with the batch."""


class Purpose(StrEnum):
    """What a host is for."""

    INGESTION = "ingestion"
    EXPORT = "export"
    APP = "app"


REGIONS = ("us", "eu", "in")

HOSTS: dict[Purpose, dict[str, str]] = {
    Purpose.INGESTION: {
        "us": "https://api.mixpanel.com",
        "eu": "https://api-eu.mixpanel.com",
        "in": "https://api-in.mixpanel.com",
    },
    Purpose.EXPORT: {
        "us": "https://data.mixpanel.com",
        "eu": "https://data-eu.mixpanel.com",
        "in": "https://data-in.mixpanel.com",
    },
    Purpose.APP: {
        "us": "https://mixpanel.com",
        "eu": "https://eu.mixpanel.com",
        "in": "https://in.mixpanel.com",
    },
}


class Answers(StrEnum):
    """How an endpoint tells which records failed; `answers` reads each. READ: it takes none, and is only read."""

    IMPORT = "import"
    PROFILES = "profiles"
    LOOKUP = "lookup"
    READ = "read"


@dataclass(frozen=True)
class Endpoint:
    """Where records of one type go.

    `signed` endpoints take HTTP basic credentials; the others find the token inside each record. `rated` ones count
    against the project's events and bytes a minute. `gzip` says that compressed bodies are documented. `timeout` is
    the longest silence, in seconds, before an answer.
    """

    path: str
    content_type: str
    answers: Answers
    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    max_records: int = BATCH_RECORDS
    max_bytes: int = BATCH_BYTES
    gzip: bool = True
    signed: bool = True
    rated: bool = False
    whole: bool = False
    timeout: float = 60.0


_EVENTS = Endpoint("/import", "application/x-ndjson", Answers.IMPORT, query={"strict": "1"}, rated=True)
# `strict` names the records that failed and `verbose` says why when it does not: both are asked for, since Mixpanel
# documents each alone and answers 200 whatever happened.
_TOLD = {"strict": "1", "verbose": "1"}

ENDPOINTS: dict[RecordType, Endpoint] = {
    RecordType.EVENT: _EVENTS,
    # Profile history is an experimental path that Mixpanel takes without strict validation only.
    RecordType.HISTORY: Endpoint("/import", "application/x-ndjson", Answers.IMPORT, query={"strict": "0"}, rated=True),
    RecordType.USER: Endpoint("/engage", "application/json", Answers.PROFILES, query=_TOLD, gzip=False, signed=False),
    RecordType.GROUP: Endpoint("/groups", "application/json", Answers.PROFILES, query=_TOLD, gzip=False, signed=False),
    RecordType.LOOKUP: Endpoint(
        "/lookup-tables/{id}",
        "text/csv",
        Answers.LOOKUP,
        method="PUT",
        max_records=NO_RECORD_LIMIT,
        max_bytes=LOOKUP_BYTES,
        whole=True,
        timeout=300.0,
    ),
}


class ReadBack(StrEnum):
    """What can be read back from a project."""

    EVENTS = "events"
    COUNTS = "counts"
    PROFILES = "profiles"
    GROUPS = "groups"
    LOOKUP_TABLES = "lookup tables"


@dataclass(frozen=True)
class Read:
    """Where something is read back, and how many requests an hour and a second a project gets for it; requests of one
    `quota` count together."""

    endpoint: Endpoint
    purpose: Purpose
    quota: str
    an_hour: int
    a_second: int


# Mixpanel's pages "Raw Export API" (60 requests an hour, 3 a second) and "Query API" (60 an hour, 5 at a time).
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_QUERY_HOURLY, _QUERY_AT_ONCE = 60, 5
PROFILES_A_PAGE = 1_000

READS: dict[ReadBack, Read] = {
    ReadBack.EVENTS: Read(
        Endpoint("/api/2.0/export", _JSON, Answers.READ, method="GET", query={"time_in_ms": "true"}, timeout=300.0),
        Purpose.EXPORT, "export", an_hour=60, a_second=3,
    ),
    ReadBack.COUNTS: Read(
        Endpoint("/api/query/segmentation", _JSON, Answers.READ, method="GET", query={"type": "general"}),
        Purpose.APP, "query", an_hour=_QUERY_HOURLY, a_second=_QUERY_AT_ONCE,
    ),
    ReadBack.PROFILES: Read(
        Endpoint("/api/2.0/engage", _FORM, Answers.READ, method="POST"),
        Purpose.APP, "query", an_hour=_QUERY_HOURLY, a_second=_QUERY_AT_ONCE,
    ),
    ReadBack.GROUPS: Read(
        Endpoint("/api/app/projects/{project}/data-groups/", _JSON, Answers.READ, method="GET"),
        Purpose.APP, "groups", an_hour=_QUERY_HOURLY, a_second=_QUERY_AT_ONCE,
    ),
    ReadBack.LOOKUP_TABLES: Read(
        Endpoint("/lookup-tables", _JSON, Answers.READ, method="GET"),
        Purpose.INGESTION, "lookup tables", an_hour=_QUERY_HOURLY, a_second=_QUERY_AT_ONCE,
    ),
}  # fmt: skip


def base_url(purpose: Purpose, region: str, override: str | None = None) -> str:
    """The address, without a final slash, of the host for `purpose`; `override` stands for every host."""
    return override.rstrip("/") if override else HOSTS[purpose][region]


def path_of(endpoint: Endpoint, lookup_table_id: str | None) -> str:
    """The endpoint's path, with the lookup table's id in its place."""
    return endpoint.path.replace("{id}", quote(lookup_table_id or "", safe=""))
