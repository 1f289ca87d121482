"""A destination's section, checked and turned into the settings of a Mixpanel project."""

from typing import Any

from mixpanel_wh.config.fields import DESTINATION
from mixpanel_wh.config.mistakes import Place
from mixpanel_wh.config.sections import Section
from mixpanel_wh.config.source import Node
from mixpanel_wh.engine.spec import Identity
from mixpanel_wh.mixpanel.settings import ProjectSettings

PLAIN = (
    "project_id", "token", "service_account", "service_secret", "region", "url", "gzip_profiles", "max_concurrency",
)  # fmt: skip
RATES = ("events_per_second", "bytes_per_minute")


def read_destination(node: Node, place: Place) -> ProjectSettings | None:
    """The settings, or None when anything about them is wrong; every mistake is told."""
    before = len(place.mistakes.found)
    section = DESTINATION.read(node, place)
    if section is None:
        return None
    _check_account(section)
    if len(place.mistakes.found) > before or not section.is_whole:
        return None
    plain = {key: section.values[key] for key in PLAIN if key in section.values}
    identity = Identity(section.get("identity", Identity.SIMPLIFIED))
    return ProjectSettings(**plain, **_rates(section.get("rate")), identity=identity)


def _check_account(section: Section) -> None:
    for one, other in (("service_account", "service_secret"), ("service_secret", "service_account")):
        if section.given(one) and not section.given(other):
            section.wrong(other, f"missing; {one} needs it")


def _rates(rate: Any) -> dict[str, Any]:
    """The limits that are not the default; None is off."""
    if rate is None:
        return {}
    if isinstance(rate, Section):
        return {key: rate.values[key] or None for key in RATES if key in rate.values}
    return dict.fromkeys(RATES)
