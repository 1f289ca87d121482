"""Whether a project can be reached and takes its credentials, found out without writing anything to it.

An empty batch sent to /import is answered after the credentials were looked at, so both kinds are tried there.
"""

from dataclasses import replace

from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh.mixpanel.bodies import Body
from mixpanel_wh.mixpanel.refusals import refusal_of, unavailable
from mixpanel_wh.mixpanel.retry import transient
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.mixpanel.target import Target, target_for
from mixpanel_wh.mixpanel.wire import Broken, Reply, Wire

_EMPTY = Body(b"[]", 2, 0, gzipped=False)
_TRIES = 2


def problems(settings: ProjectSettings) -> list[str]:
    """One sentence for each thing that is wrong; empty when records can be sent."""
    wire = Wire(settings.base)
    try:
        found = [_problem(wire, target) for target in _targets(settings)]
    finally:
        wire.close()
    return list(dict.fromkeys(problem for problem in found if problem))


def _targets(settings: ProjectSettings) -> list[Target]:
    kinds = (True, False) if settings.service_account else (False,)
    return [_taking_arrays(target_for(settings, RecordType.EVENT, by_account=kind)) for kind in kinds]


def _taking_arrays(target: Target) -> Target:
    return replace(target, headers=target.headers | {"Content-Type": "application/json"})


def _problem(wire: Wire, target: Target) -> str | None:
    outcome = _asked(wire, target)
    if isinstance(outcome, Broken) or transient(outcome.status):
        return str(unavailable(target, outcome, _TRIES, 0, 0))
    # Any verdict on the empty batch itself (200, 400, 413) means that the credentials were taken.
    return None if outcome.status in (200, 400, 413) else str(refusal_of(outcome, target))


def _asked(wire: Wire, target: Target) -> Reply | Broken:
    """The answer to an empty batch; a second try covers a connection that broke by chance."""
    outcome: Reply | Broken = Broken("")
    for _ in range(_TRIES):
        try:
            outcome = wire.send(target, _EMPTY)
        except Broken as broken:
            outcome = broken
            continue
        if not transient(outcome.status):
            break
    return outcome
