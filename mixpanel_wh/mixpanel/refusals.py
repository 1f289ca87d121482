"""What Mixpanel says no to a whole request with, turned into an error that says what to do."""

import json
from typing import Any

from mixpanel_wh.engine.errors import CredentialsRefused, DestinationError, DestinationUnavailable, RequestRefused
from mixpanel_wh.mixpanel.target import Target
from mixpanel_wh.mixpanel.wire import Broken, Reply

_SHOWN = 300


def json_of(body: bytes) -> Any:
    """The body as JSON values; None when it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def words_of(body: bytes) -> str:
    """What an answer's body says went wrong, at most 300 characters of it."""
    content = json_of(body)
    told = content.get("error") or content.get("message") if isinstance(content, dict) else None
    text = told if isinstance(told, str) else body[:_SHOWN].decode("utf-8", "replace")
    return " ".join(text.split())[:_SHOWN]


def refusal_of(reply: Reply, target: Target) -> DestinationError:
    """The error for an answer that refuses a whole request."""
    said = target.scrubbed(f"{reply.status}: {words_of(reply.body)}" if words_of(reply.body) else str(reply.status))
    if reply.status in (401, 403):
        return credentials_refused(target, said)
    if reply.status == 404 and target.lookup_table_id is not None:
        return RequestRefused(_no_lookup_table(target))
    if reply.status == 404 or 300 <= reply.status < 400:
        return RequestRefused(
            f"{target.shown} does not answer as Mixpanel does ({said}): check `url` and `region` of the destination"
        )
    return RequestRefused(f"Mixpanel refused a whole request to {target.shown} ({said})")


def credentials_refused(target: Target, said: str) -> CredentialsRefused:
    """The error for 401 and 403: whose credentials they were and where they stand."""
    if target.by_account:
        whose, where = f"the service account of project {target.project_id}", "`service_account` and `service_secret`"
        need = f"; the account needs the role Admin or Owner in project {target.project_id}"
    else:
        whose, where, need = f"the token of project {target.project_id}", "`token`", ""
    return CredentialsRefused(
        f"Mixpanel refused {whose} at {target.shown} ({said}):"
        f" correct {where} under `destination` in the project file{need}"
    )


def unavailable(
    target: Target, last: Reply | Broken, tries: int, seconds: float, pause: float
) -> DestinationUnavailable:
    """The error when every retry was used up. `pause`: the seconds until the try that was not made."""
    told = f"after {tries} {'try' if tries == 1 else 'tries'} in {seconds:.0f} s"
    again = "run again later: the next run finishes what this one started"
    if isinstance(last, Broken):
        return DestinationUnavailable(
            f"Mixpanel at {target.shown} cannot be reached {told}: {last}. Check the network and `url` of the"
            f" destination, then run again: the next run finishes what this one started"
        )
    wait = f", and asks for a pause of {pause:.0f} s" if last.asked_pause else ""
    said = target.scrubbed(words_of(last.body))
    return DestinationUnavailable(
        f"Mixpanel at {target.shown} still answers {last.status} {told}{wait} ({said}): {again}"
    )


def not_understood(reply: Reply, target: Target) -> RequestRefused:
    """The error for an answer that is not one of Mixpanel's, so that nothing is known of the records."""
    said = target.scrubbed(words_of(reply.body)) or "nothing"
    return RequestRefused(
        f"{target.shown} answered {reply.status} but not as Mixpanel does ({said}):"
        " check `url` of the destination and any proxy on the way"
    )


def unnamed_refusal(target: Target, why: str) -> RequestRefused:
    """The error when so many records were refused without being named that looking for each of them was given up."""
    return RequestRefused(f"Mixpanel refuses most records sent to {target.shown} and does not say which ({why})")


def table_too_large(target: Target, size: int, limit: int) -> RequestRefused:
    """The error for a lookup table over Mixpanel's limit."""
    return RequestRefused(
        f"lookup table '{target.lookup_table_id}' is {size / 1e6:,.1f} MB of CSV and Mixpanel takes at most"
        f" {limit / 1e6:,.1f} MB: send fewer rows or deny columns that nobody needs"
    )


def _no_lookup_table(target: Target) -> str:
    return (
        f"project {target.project_id} has no lookup table '{target.lookup_table_id}': create it in Mixpanel first"
        " (Lexicon, Lookup Tables: upload any CSV once), then write its id as `lookup_table` of the sync"
    )
