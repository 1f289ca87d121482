"""What the summary and the page say: totals, events over time and by name, and the latest of everything."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson

from mixpanel_wh.sandbox.event_store import EventFilter, NameCount
from mixpanel_wh.sandbox.project import Project

_LATEST = 30
_BARS = 60
_STEPS_MS = tuple(
    seconds * 1_000
    for seconds in (1, 10, 60, 600, 3_600, 10_800, 21_600, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 31_536_000)
)


def summary_content(project: Project) -> dict[str, Any]:
    """The totals of everything held."""
    return _summary(project, project.events.counts())


def overview_content(project: Project, since: str) -> bytes:
    """The page's content as JSON, or `{"unchanged": true}` when `since` names the version it would have.

    It may lag behind by eight times what making it takes, so that an open page never slows a busy sandbox down.
    """
    version = f"{project.store.version}.{project.faults.version}"
    made = project.pace.made(version, lambda: orjson.dumps(_overview(project) | {"version": version}))
    return b'{"unchanged":true}' if made.version == since else made.content


def _overview(project: Project) -> dict[str, Any]:
    step = _step_ms(project.events.span_ms())
    counts = project.events.counts(step)
    return {
        "summary": _summary(project, counts),
        "timeline": {"step_ms": step, "bars": _bars(counts)},
        "latest_events": _parsed(project.events.visible(EventFilter(), _LATEST, tombstones=True)),
        "profiles": _parsed(project.profiles.users(_LATEST)),
        "groups": _parsed(project.profiles.groups(_LATEST)),
        "requests": project.journal.latest_requests(_LATEST),
        "rejections": project.journal.latest_rejections(_LATEST),
        "faults": project.faults.content(),
        "identity": project.options.identity,
    }


def _summary(project: Project, counts: list[NameCount]) -> dict[str, Any]:
    profiles = project.profiles.counts()
    groups = {key: number for key, number in profiles.items() if key}
    lookups = project.lookups.counts()
    return {
        "events": {
            "raw": sum(count.raw for count in counts),
            "visible": sum(count.visible for count in counts),
            "by_name": _by_name(counts),
        },
        "tombstones": sum(count.tombstones for count in counts),
        "profiles": profiles.get("", 0),
        "groups": groups,
        "groups_total": sum(groups.values()),
        "lookup_tables": lookups,
        "lookup_rows": sum(lookups.values()),
        **asdict(project.journal.totals()),
    }


def _by_name(counts: list[NameCount]) -> dict[str, dict[str, int]]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for count in counts:
        sums[count.event].update(raw=count.raw, visible=count.visible, tombstones=count.tombstones)
    return {name: dict(numbers) for name, numbers in sorted(sums.items())}


def _step_ms(span: tuple[int, int] | None) -> int:
    if span is None:
        return _STEPS_MS[0]
    return next((step for step in _STEPS_MS if (span[1] - span[0]) // step < _BARS), _STEPS_MS[-1])


def _bars(counts: list[NameCount]) -> list[dict[str, Any]]:
    periods: dict[int, dict[str, int]] = defaultdict(dict)
    for count in counts:
        if count.visible:
            periods[count.period_ms][count.event] = count.visible
    return [{"at_ms": at, "by_name": periods[at]} for at in sorted(periods)]


def _parsed(chunks: Iterable[bytes]) -> list[Any]:
    return [orjson.loads(line) for chunk in chunks for line in chunk.splitlines()]
