"""Reads from Mixpanel over HTTP: within the hourly limits, again after passing trouble, and as a stream of lines."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import requests

from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.mixpanel.endpoints import READS, ReadBack
from mixpanel_wh.mixpanel.pace import Pace
from mixpanel_wh.mixpanel.refusals import not_understood, refusal_of
from mixpanel_wh.mixpanel.retry import asked_pause, transient
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.mixpanel.target import Target, target_to_read
from mixpanel_wh.mixpanel.waiting import Clock
from mixpanel_wh.mixpanel.wire import CONNECT_SECONDS, Broken, Reply, broken, proxies_for

LONGEST_WAIT = 120.0
"""Nobody waits longer than so many seconds for a limit to let a request through: an error says when to come again."""
BLOCK_BYTES = 65_536
NOTHING: Mapping[str, str] = {}


class Fetcher:
    """Asks one project for what it holds. Raises CredentialsRefused, RequestRefused and DestinationUnavailable."""

    def __init__(self, settings: ProjectSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._paces = {read.quota: Pace(read.an_hour, read.a_second, clock.now) for read in READS.values()}
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc: credentials are the project's
        self._reached = False

    def close(self) -> None:
        """End every wait and close the connections."""
        self._clock.stop()
        self._session.close()

    def lines(self, kind: ReadBack, query: Mapping[str, str]) -> Iterator[bytes]:
        """The lines of an answer as they come. When the connection breaks they come again from the first one on."""
        target = target_to_read(self._settings, READS[kind])
        failures = 0
        while True:
            try:
                with self._answered(kind, target, query, None) as response:
                    yield from response.iter_lines(BLOCK_BYTES)
                return
            except (requests.RequestException, OSError) as error:
                failures += 1
                self._pause(target, broken(error, target.endpoint.timeout), failures)

    def json(self, kind: ReadBack, form: Mapping[str, str] | None = None, query: Mapping[str, str] = NOTHING) -> Any:
        """An answer as JSON values; `form` is the body of a POST."""
        target = target_to_read(self._settings, READS[kind])
        with self._answered(kind, target, query, form) as response:
            reply = Reply(response.status_code, response.content)
        try:
            return json.loads(reply.body)
        except ValueError:
            raise not_understood(reply, target) from None

    def _answered(
        self, kind: ReadBack, target: Target, query: Mapping[str, str], form: Mapping[str, str] | None
    ) -> requests.Response:
        """The answer, once it is a good one; its body has not been read."""
        failures = 0
        while True:
            self._keep_pace(kind, target)
            outcome = self._asked(target, query, form)
            if isinstance(outcome, requests.Response) and outcome.status_code == 200:
                self._reached = True
                return outcome
            failures += 1
            self._pause(target, outcome if isinstance(outcome, Broken) else _reply(outcome), failures)

    def _asked(
        self, target: Target, query: Mapping[str, str], form: Mapping[str, str] | None
    ) -> requests.Response | Broken:
        whole = {**target.endpoint.query, "project_id": self._settings.project_id, **query}
        try:
            return self._session.request(
                target.endpoint.method,
                f"{target.url}?{urlencode(whole)}",
                data=form,
                headers=target.headers,
                timeout=(CONNECT_SECONDS, target.endpoint.timeout),
                stream=True,
                allow_redirects=False,
                proxies=proxies_for(target.url),
            )
        except (requests.RequestException, OSError) as error:
            return broken(error, target.endpoint.timeout)

    def _keep_pace(self, kind: ReadBack, target: Target) -> None:
        pace = self._paces[READS[kind].quota]
        seconds = pace.wait()
        if seconds > LONGEST_WAIT:
            raise DestinationUnavailable(
                f"the {READS[kind].an_hour} requests an hour that Mixpanel allows at {target.shown} are used up: "
                f"{_again(seconds)}"
            )
        self._clock.wait(seconds)
        pace.take()

    def _pause(self, target: Target, outcome: Reply | Broken, failures: int) -> None:
        """Wait before another try; raises where none is of any use."""
        if isinstance(outcome, Reply) and not transient(outcome.status):
            raise refusal_of(outcome, target)
        asked = outcome.asked_pause if isinstance(outcome, Reply) else None
        policy = self._settings.retry
        pause = policy.pause(failures, asked)
        lasting = isinstance(outcome, Broken) and outcome.lasting
        if lasting or pause > LONGEST_WAIT or policy.gives_up(failures, 0.0, pause, self._reached):
            why = str(outcome) if isinstance(outcome, Broken) else f"it answers {outcome.status}"
            when = _again(pause) if asked else "try again later"
            raise DestinationUnavailable(
                f"Mixpanel at {target.shown} cannot be read after {failures} {'try' if failures == 1 else 'tries'}: "
                f"{why}; {when}"
            )
        self._clock.wait(pause)


def _reply(response: requests.Response) -> Reply:
    with response:
        try:
            body = response.content
        except (requests.RequestException, OSError):
            body = b""
        return Reply(response.status_code, body, asked_pause(response.headers.get("Retry-After")))


def _again(seconds: float) -> str:
    return f"try again in {max(1, round(seconds / 60))} min"
