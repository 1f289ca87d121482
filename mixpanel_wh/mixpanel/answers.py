"""Reads answers record by record: whatever Mixpanel says, every row ends up accepted, refused or in an error.

Sources: Mixpanel's "Import Events" page and its OpenAPI files (`failed_records` comes with `$insert_id`, with
`insert_id`, or as plain strings), "User Profiles" and "Group Profiles" (200 even when records fail), "Lookup Tables".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixpanel_wh.engine.batches import Batch, Framing
from mixpanel_wh.engine.errors import RequestRefused
from mixpanel_wh.mixpanel.endpoints import Answers
from mixpanel_wh.mixpanel.refusals import json_of, not_understood, refusal_of, words_of
from mixpanel_wh.mixpanel.rows import rows_of_insert_ids, rows_of_records, words_in
from mixpanel_wh.mixpanel.target import Target
from mixpanel_wh.mixpanel.wire import Reply

Refused = tuple[int, str | None, str]

_COUNTS = ("num_records_imported", "num_good_events")
_IDS = ("$insert_id", "insert_id")
_NO_REASON = "refused by Mixpanel without a reason"
_LOOKUP_ROWS_SHOWN = 10


@dataclass(frozen=True)
class Sent:
    """A request that was answered: its records and where they went."""

    batch: Batch
    framing: Framing
    records: int
    target: Target


@dataclass(frozen=True)
class Reading:
    """Refused rows, each once; or `unnamed`: some record was refused, for this reason, and which one is not said."""

    refused: tuple[Refused, ...] = ()
    unnamed: str | None = None


def read(reply: Reply, sent: Sent) -> Reading:
    """What became of the records of a request that was neither passing trouble nor too large (413).

    Raises CredentialsRefused or RequestRefused when the answer refuses the whole request, is not Mixpanel's, or
    leaves a record unaccounted for.
    """
    if reply.status not in (200, 400):
        raise refusal_of(reply, sent.target)
    return _READERS[sent.target.endpoint.answers](reply, sent)


def _read_import(reply: Reply, sent: Sent) -> Reading:
    content = json_of(reply.body)
    if reply.status == 400:
        return _partly_imported(reply, content, sent)
    if _is_yes(content):
        _verify_count(content, sent, failed=0)
        return Reading()
    raise not_understood(reply, sent.target)


def _partly_imported(reply: Reply, content: Any, sent: Sent) -> Reading:
    named = _failed_records(content)
    if not named:
        raise refusal_of(reply, sent.target)
    found = _located(named, sent)
    _verify_count(content, sent, failed=len(found))
    return Reading(_one_a_row(found, sent))


def _read_profiles(reply: Reply, sent: Sent) -> Reading:
    content = json_of(reply.body)
    named = _failed_records(content)
    if named:
        found = _located(named, sent)
        _verify_count(content, sent, failed=len(found))
        return Reading(_one_a_row(found, sent))
    if reply.status == 200 and _is_yes(content):
        _verify_count(content, sent, failed=0)
        return Reading()
    if content == 0 or isinstance(content, dict):
        told = words_of(reply.body) if isinstance(content, dict) else _NO_REASON
        return Reading(unnamed=sent.target.scrubbed(told))
    raise not_understood(reply, sent.target)


def _read_lookup(reply: Reply, sent: Sent) -> Reading:
    content = json_of(reply.body)
    if reply.status == 200 and _is_yes(content):
        return Reading()
    if reply.status == 200:
        raise not_understood(reply, sent.target)
    rows = [failed for failed in _failed_records(content) if isinstance(failed, Mapping)]
    told = "; ".join(f"row {failed.get('index')}: {failed.get('message')}" for failed in rows[:_LOOKUP_ROWS_SHOWN])
    raise RequestRefused(
        f"Mixpanel did not replace lookup table '{sent.target.lookup_table_id}', which still holds what it held before:"
        f" {sent.target.scrubbed(told or words_of(reply.body))}"
    )


_READERS: dict[Answers, Callable[[Reply, Sent], Reading]] = {
    Answers.IMPORT: _read_import,
    Answers.PROFILES: _read_profiles,
    Answers.LOOKUP: _read_lookup,
}


def _is_yes(content: Any) -> bool:
    """Whether a body says that all is well: `1`, `{"status": 1}`, `{"status": "OK"}` or `{"code": 200}`."""
    if not isinstance(content, dict):
        return content == 1 and content is not True
    told = content.get("status", content.get("code"))
    return told in (1, 200, "OK", "ok") and content.get("code", 200) == 200 and not content.get("error")


def _failed_records(content: Any) -> list[Any]:
    failed = content.get("failed_records") if isinstance(content, dict) else None
    return failed if isinstance(failed, list) else []


def _verify_count(content: Any, sent: Sent, failed: int) -> None:
    """Every record must be imported or named; one that is neither stops the run: nobody knows what became of it."""
    counts = (content.get(name) for name in _COUNTS) if isinstance(content, dict) else iter(())
    imported = next((count for count in counts if isinstance(count, int)), None)
    if imported is not None and imported + failed < sent.records:
        raise RequestRefused(
            f"Mixpanel took {imported:,} of {sent.records:,} records at {sent.target.shown} and named {failed:,}"
            f" as failed: it does not say what became of the other {sent.records - imported - failed:,}"
        )


def _located(named: list[Any], sent: Sent) -> dict[int | str, Refused]:
    """Failed records, each once, by their place in the request, or by their insert id where only that is told."""
    finder = _Finder(sent)
    located: dict[int | str, Refused] = {}
    for failed in named:
        place, row = finder.place(failed)
        located.setdefault(place, (row, *_why(failed, sent.target)))
    return located


def _one_a_row(found: Mapping[int | str, Refused], sent: Sent) -> tuple[Refused, ...]:
    """A row of which several records failed is refused once, for the first reason."""
    first: dict[int, Refused] = {}
    for refused in found.values():
        first.setdefault(refused[0], refused)
    return tuple(first[row] for row in sorted(first))


class _Finder:
    """Finds the row of a failed record; the ids of a batch are looked up only when an answer needs them."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent
        self._rows = rows_of_records(sent.batch)
        self._ids: dict[str, int] = {}

    def place(self, failed: Any) -> tuple[int | str, int]:
        """The place of the record in the request, or else its insert id, and its row's position."""
        index = failed.get("index") if isinstance(failed, Mapping) else None
        if isinstance(index, int) and index is not True and 0 <= index < len(self._rows):
            return index, self._rows[index]
        known = self._known_id(failed)
        if known is None:
            raise RequestRefused(
                f"Mixpanel refused a record at {self._sent.target.shown} that was not in the request:"
                f" {self._sent.target.scrubbed(str(failed)[:200])}"
            )
        return known, self._ids[known]

    def _known_id(self, failed: Any) -> str | None:
        self._ids = self._ids or rows_of_insert_ids(self._sent.batch)
        told = [str(failed.get(name)) for name in _IDS] if isinstance(failed, Mapping) else list(words_in(str(failed)))
        return next((word for word in told if word in self._ids), None)


def _why(failed: Any, target: Target) -> tuple[str | None, str]:
    if not isinstance(failed, Mapping):
        return None, target.scrubbed(_beyond_id(str(failed)))
    field = failed.get("field")
    message = failed.get("message") or failed.get("error") or _NO_REASON
    return (str(field) if field else None), target.scrubbed(str(message))


def _beyond_id(text: str) -> str:
    """A plain string's words; one that is nothing but an id tells no reason."""
    return text if len(text.split()) > 1 else _NO_REASON
