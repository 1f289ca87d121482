"""Records: what a row becomes in Mixpanel, one file a record type and one registry line each."""

from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.ports import Encoder, Table
from mixpanel_wh.engine.spec import Identity, RecordType, SyncSpec
from mixpanel_wh.mixpanel import rules
from mixpanel_wh.mixpanel.insert_ids import InsertIds
from mixpanel_wh.mixpanel.records.encoder import Flattened, Record, SqlEncoder, is_json_type
from mixpanel_wh.mixpanel.records.event import EventRecord
from mixpanel_wh.mixpanel.records.fields import Fields
from mixpanel_wh.mixpanel.records.lookup import LookupRecord
from mixpanel_wh.mixpanel.records.naming import check_event_name, property_name, property_names
from mixpanel_wh.mixpanel.records.profile import ProfileRecord
from mixpanel_wh.mixpanel.settings import ProjectSettings

_LIMITS = {RecordType.EVENT: rules.EVENT, RecordType.LOOKUP: rules.LOOKUP}


def encoder_for(
    spec: SyncSpec,
    table: Table,
    epoch: int,
    dropped: tuple[str, ...],
    settings: ProjectSettings,
    warehouse_kind: str,
) -> Encoder:
    """The encoder of a sync over a table as it is now.

    `dropped` are columns that the table had and no longer has; `warehouse_kind` is written on every event. SourceError
    when two columns would become one property, or one that Mixpanel keeps for itself; ConfigError for an event name
    that Mixpanel refuses.
    """
    names = property_names(spec, [column.name for column in table.columns])
    json_types = frozenset(column.name for column in table.columns if is_json_type(column.type))
    limits = _LIMITS.get(spec.record, rules.PROFILE)
    fields = Fields(spec, names, json_types, limits)
    record = _record(spec, fields, epoch, dropped, settings, warehouse_kind)
    return SqlEncoder(spec, record, fields, _flattened(spec, names))


def _record(
    spec: SyncSpec, fields: Fields, epoch: int, dropped: tuple[str, ...], settings: ProjectSettings, kind: str
) -> Record:
    if spec.record is RecordType.EVENT:
        fixed: dict[str, object] = {
            "$warehouse_import_id": spec.name, "$warehouse_type": kind, "$warehouse_table": str(spec.table),
        }  # fmt: skip
        simplified = settings.identity is Identity.SIMPLIFIED
        check_event_name(spec, simplified)
        return EventRecord(spec, fields, InsertIds(spec.name, epoch), simplified, fixed)
    if spec.record is RecordType.LOOKUP:
        return LookupRecord(spec, fields)
    gone = tuple(property_name(spec, column) for column in spec.sent_columns(dropped))
    head = {"$token": settings.token}
    if spec.record is RecordType.USER:
        return ProfileRecord(spec, fields, head, "$distinct_id", gone)
    if spec.record is RecordType.GROUP:
        return ProfileRecord(spec, fields, {**head, "$group_key": str(spec.group_key)}, "$group_id", gone)
    raise ConfigError([f"sync {spec.name}: record type '{spec.record}' cannot be sent yet"])


def _flattened(spec: SyncSpec, names: dict[str, str]) -> Flattened | None:
    if spec.json_column is None:
        return None
    return Flattened(spec.json_column, rules.EVENT_RESERVED | frozenset(names.values()))
