"""One HTTP exchange over requests: a kept-alive connection for each thread, and what broke in plain words."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from mixpanel_wh.mixpanel.bodies import Body
from mixpanel_wh.mixpanel.retry import asked_pause
from mixpanel_wh.mixpanel.sockets import Sockets, WatchedAdapter
from mixpanel_wh.mixpanel.target import Target

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `asked_pause` is its Retry-After in seconds."""

    status: int
    body: bytes
    asked_pause: float | None = None


class Broken(Exception):
    """No whole answer came. `lasting` says that trying again cannot help (an untrusted certificate)."""

    def __init__(self, why: str, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


class Wire:
    """Connections to one base address.

    requests' adapter is used without its session: no redirect is followed with credentials, no cookie is kept, and
    the environment's proxies and certificates are read once and not with each request.
    """

    def __init__(self, base: str) -> None:
        self._proxies = proxies_for(base)
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._own = threading.local()
        self._adapters: list[WatchedAdapter] = []
        self._sockets = Sockets()
        self._lock = threading.Lock()
        self.reached = False

    def send(self, target: Target, body: Body) -> Reply:
        """Send once; raises Broken when no whole answer came."""
        try:
            return self._exchange(target, body)
        except (requests.RequestException, OSError) as error:
            raise broken(error, target.endpoint.timeout) from error

    def cut(self, thread: int) -> None:
        """Break off the exchange that a thread waits for; it raises Broken there."""
        self._sockets.cut(thread)

    def close(self) -> None:
        """Close every connection of every thread."""
        with self._lock:
            for adapter in self._adapters:
                adapter.close()

    def _exchange(self, target: Target, body: Body) -> Reply:
        response = self._adapter().send(
            prepared(target, body),
            timeout=(CONNECT_SECONDS, target.endpoint.timeout),
            verify=self._verify,
            proxies=self._proxies,
        )
        content = response.content
        self.reached = True
        return Reply(response.status_code, content, asked_pause(response.headers.get("Retry-After")))

    def _adapter(self) -> WatchedAdapter:
        adapter: WatchedAdapter | None = getattr(self._own, "adapter", None)
        if adapter is None:
            adapter = self._own.adapter = WatchedAdapter(self._sockets.opened)
            with self._lock:
                self._adapters.append(adapter)
        return adapter


def prepared(target: Target, body: Body) -> requests.PreparedRequest:
    """The request made by hand: preparing it anew costs more than sending it."""
    request = requests.PreparedRequest()
    request.method = target.endpoint.method
    request.url = target.url
    request.body = body.content
    encoding = {"Content-Encoding": "gzip"} if body.gzipped else {}
    request.headers = CaseInsensitiveDict(target.headers | encoding | {"Content-Length": str(len(body.content))})
    return request


def proxies_for(base: str) -> dict[str, str]:
    """The environment's proxies for an address; none for one on this machine, which no proxy can reach."""
    host = urlsplit(base).hostname or ""
    local = host == "localhost" or host == "::1" or host.startswith("127.")
    return {} if local else dict(get_environ_proxies(base))


def broken(error: Exception, timeout: float) -> Broken:
    """What broke, in words without address or credentials."""
    untrusted = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if untrusted:
        return Broken(f"its TLS certificate is not trusted ({untrusted.verify_message})", lasting=True)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | ValueError):
        return Broken("the address is not a valid http or https URL", lasting=True)
    if isinstance(error, requests.exceptions.ProxyError):
        return Broken("the proxy named by the environment (HTTPS_PROXY) did not pass the request on")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Broken(f"no connection within {CONNECT_SECONDS:g} s")
    if isinstance(error, requests.exceptions.Timeout):
        return Broken(f"no answer within {timeout:g} s")
    return Broken(_reason(error) or "the connection broke before the whole answer came")


def _reason(error: BaseException) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "the host name is not known"
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            return cause.strerror[:1].lower() + cause.strerror[1:]
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all it was made of, outermost first."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or cause in seen:
            continue
        seen.append(cause)
        yield cause
        inner = [part for part in cause.args if isinstance(part, BaseException)]
        waiting += [*inner, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
