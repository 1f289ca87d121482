"""The sync modes: one file each, one registry line each."""

from mixpanel_wh.engine.modes.append import Append
from mixpanel_wh.engine.modes.excerpt import Excerpt
from mixpanel_wh.engine.modes.full import Full, OneTime
from mixpanel_wh.engine.modes.mirror import Mirror
from mixpanel_wh.engine.modes.replace import Replace
from mixpanel_wh.engine.modes.steps import Steps
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec

MODES: dict[Mode, type[Steps]] = {
    Mode.MIRROR: Mirror,
    Mode.APPEND: Append,
    Mode.FULL: Full,
    Mode.ONE_TIME: OneTime,
}


def steps_for(spec: SyncSpec, warehouse: Warehouse, part: Part | None = None, whole: bool = False) -> Steps:
    """The steps of a sync's mode; a lookup table is replaced whole, so its Mirror has steps of its own.

    A part of a table is sent beside the state, but for what Mirror finds changed in it. `whole` sends all of the part.
    """
    if part is not None:
        cut = spec.mode is Mode.MIRROR and spec.record is RecordType.EVENT and part.rows is None and not whole
        return Mirror(spec, warehouse, part) if cut else Excerpt(spec, warehouse, part)
    if spec.record is RecordType.LOOKUP and spec.mode is Mode.MIRROR:
        return Replace(spec, warehouse)
    return MODES[spec.mode](spec, warehouse)
