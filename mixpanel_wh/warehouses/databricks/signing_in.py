"""OAuth between machines: a service principal's id and secret become tokens that last an hour, as documented at
docs.databricks.com under "Authorize service principal access with OAuth"."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import urllib3
from databricks.sql.auth.authenticators import CredentialsProvider

from mixpanel_wh.engine.errors import WarehouseUnavailable

MARGIN_SECONDS = 120.0
TIMEOUT_SECONDS = 30.0
Headers = Callable[[], dict[str, str]]


@dataclass
class ServicePrincipal(CredentialsProvider):
    """What the connector asks for headers. `address` is the workspace's, with its scheme."""

    address: str
    client_id: str
    client_secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def auth_type(self) -> str:
        """How the connector names this way."""
        return "oauth-m2m"

    def __call__(self, *args: object, **more: object) -> Headers:
        """What gives the headers of each request."""
        return self.headers

    def headers(self) -> dict[str, str]:
        """The headers of a request, with a token that is still good for a while."""
        with self.lock:
            if time.monotonic() > self.expires - MARGIN_SECONDS:
                self._renew()
            return {"Authorization": f"Bearer {self.token}"}

    def _renew(self) -> None:
        basic = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        asked = urlencode({"grant_type": "client_credentials", "scope": "all-apis"})
        try:
            with urllib3.PoolManager(timeout=TIMEOUT_SECONDS) as pool:
                answer = pool.request("POST", f"{self.address}/oidc/v1/token", headers=headers, body=asked)
        except urllib3.exceptions.HTTPError:
            raise WarehouseUnavailable(
                f"{self.address} gives no token: check server_hostname of the warehouse"
            ) from None
        if answer.status >= 500 or answer.status == 429:
            raise WarehouseUnavailable(f"{self.address} gives no token now ({answer.status}): run again later")
        if answer.status != 200:
            raise WarehouseUnavailable(
                f"{self.address} refused client_id {self.client_id} ({answer.status}): check client_id and "
                "client_secret of the warehouse"
            )
        try:
            told = json.loads(answer.data)
            token, lasts = str(told["access_token"]), float(told.get("expires_in", 3600))
        except (ValueError, KeyError, TypeError):
            raise WarehouseUnavailable(
                f"{self.address} does not answer as a workspace does: check server_hostname of the warehouse"
            ) from None
        self.token, self.expires = token, time.monotonic() + lasts
