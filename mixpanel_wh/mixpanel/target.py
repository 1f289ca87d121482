"""One record type's endpoint in one project: its address, headers and credentials, with no secret in its text."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.endpoints import ENDPOINTS, Endpoint, Purpose, Read, base_url, path_of

if TYPE_CHECKING:
    from mixpanel_wh.mixpanel.settings import ProjectSettings


@dataclass(frozen=True)
class Target:
    """Where requests go and what they carry. `shown` is the address as a person may see it."""

    endpoint: Endpoint
    url: str = field(repr=False)
    shown: str
    project_id: str
    by_account: bool
    headers: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    lookup_table_id: str | None = None

    def scrubbed(self, text: str) -> str:
        """The text without any secret of the project in it."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def target_for(
    settings: ProjectSettings, record: RecordType, lookup_table_id: str | None = None, by_account: bool | None = None
) -> Target:
    """The target for records of one type. `by_account` False uses the token although there is a service account."""
    endpoint = ENDPOINTS[record]
    account = bool(settings.service_account) if by_account is None else by_account
    base = base_url(Purpose.INGESTION, settings.region, settings.url)
    path = path_of(endpoint, lookup_table_id)
    query = {**endpoint.query, **({"project_id": settings.project_id} if endpoint.signed and account else {})}
    return Target(
        endpoint=endpoint,
        url=f"{base}{path}" + (f"?{urlencode(query)}" if query else ""),
        shown=without_credentials(base) + path,
        project_id=settings.project_id,
        by_account=account and endpoint.signed,
        headers=_headers(settings, endpoint, account),
        secrets=tuple(secret for secret in (settings.service_secret, settings.token) if secret),
        lookup_table_id=lookup_table_id,
    )


def target_to_read(settings: ProjectSettings, read: Read) -> Target:
    """The target from which something is read back, which takes a service account."""
    base = base_url(read.purpose, settings.region, settings.url)
    path = read.endpoint.path.replace("{project}", settings.project_id)
    return Target(
        endpoint=read.endpoint,
        url=f"{base}{path}",
        shown=without_credentials(base) + path,
        project_id=settings.project_id,
        by_account=True,
        headers=_headers(settings, read.endpoint, account=True),
        secrets=tuple(secret for secret in (settings.service_secret, settings.token) if secret),
    )


def without_credentials(url: str) -> str:
    """The address without the user, password and query that may stand in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def user_agent() -> str:
    """How the client names itself to Mixpanel."""
    try:
        return f"mixpanel_wh/{version('mixpanel-wh')}"
    except PackageNotFoundError:
        return "mixpanel_wh"


def _headers(settings: ProjectSettings, endpoint: Endpoint, account: bool) -> dict[str, str]:
    headers = {"Content-Type": endpoint.content_type, "Accept": "application/json", "User-Agent": user_agent()}
    return headers | ({"Authorization": _basic(settings, account)} if endpoint.signed else {})


def _basic(settings: ProjectSettings, account: bool) -> str:
    user, password = (settings.service_account, settings.service_secret) if account else (settings.token, "")
    return "Basic " + b64encode(f"{user or ''}:{password or ''}".encode()).decode()
