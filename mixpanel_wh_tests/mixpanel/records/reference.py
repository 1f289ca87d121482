"""A plain reference encoder: row by row, from Mixpanel's rules, without SQL and without code of the fast one.

Each row becomes the list of its records (as Python values, see `values_plainly`) or a `Rejected`.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.spec import Identity, Mode, RecordType, SyncSpec
from mixpanel_wh.mixpanel import rules
from mixpanel_wh.mixpanel.insert_ids import InsertIds
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh_tests.mixpanel.records.json_plainly import check_nested, read, size_of
from mixpanel_wh_tests.mixpanel.records.values_plainly import Bad, plain


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be sent: the column at fault where there is one, and a word for the rule."""

    column: str | None
    kind: str


class Refusal(Exception):
    """Carries a `Rejected` out."""

    def __init__(self, column: str | None, kind: str) -> None:
        super().__init__(kind)
        self.rejected = Rejected(column, kind)


Row = dict[str, Any]
Outcome = list[Any] | Rejected


@dataclass(frozen=True)
class Reference:
    """The reference encoder of one sync. `json_types` are the columns that hold JSON text; `dropped` are columns that
    the table no longer has."""

    spec: SyncSpec
    settings: ProjectSettings
    json_types: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()
    epoch: int = 0

    def rows(self, batch: pa.RecordBatch) -> list[Outcome]:
        """What becomes of every row of a batch."""
        columns = {name: batch.column(name) for name in batch.schema.names}
        return [self._outcome({name: column[i] for name, column in columns.items()}) for i in range(batch.num_rows)]

    def _outcome(self, scalars: Row) -> Outcome:
        try:
            controls = self._controls(scalars)
            row = {name: scalar for name, scalar in scalars.items() if not name.startswith(batches.CONTROL_PREFIX)}
            if controls.get(batches.OP) == "delete":
                return self._deleted(controls)
            return self._upserted(controls, row)
        except Refusal as refusal:
            return refusal.rejected

    def _upserted(self, controls: Row, row: Row) -> list[Any]:
        if controls.get(batches.FAULT) is not None:
            raise Refusal(self.spec.row_key[0] if self.spec.row_key else self.spec.id_column, "fault")
        properties = self._properties(row)
        if controls[batches.KEY] is None:
            raise Refusal(self.spec.row_key[0] if self.spec.row_key else self.spec.id_column, "no key")
        if self.spec.record is RecordType.EVENT:
            return self._events(controls, row, properties)
        if controls[batches.USER] is None:
            raise Refusal(self.spec.id_column, "no id")
        if self.spec.record is RecordType.LOOKUP:
            return [[controls[batches.USER], *(_csv(value) for value in properties.values())]]
        return self._profiles(controls, properties)

    def _controls(self, scalars: Row) -> Row:
        """The control columns of a row, broken text refused; an empty id names nobody."""
        spec = self.spec
        origins = {
            batches.EVENT: spec.event_column, batches.DEVICE: spec.device_id,
            batches.USER: spec.id_column or spec.user_id or spec.distinct_id,
            batches.KEY: spec.key_columns[0] if spec.key_columns else None,
        }  # fmt: skip
        found: Row = {}
        for name, scalar in scalars.items():
            if name.startswith(batches.CONTROL_PREFIX):
                found[name] = _value(scalar, origins.get(name), "UTC") if not pa.types.is_int64(scalar.type) else (
                    scalar.as_py())  # fmt: skip
        for name in (batches.USER, batches.DEVICE, batches.OLD_USER, batches.OLD_DEVICE):
            found[name] = found.get(name) or None
        return found

    # Properties

    def _properties(self, row: Row) -> Row:
        """Every property, None where it is absent; broken text and bad JSON are refused first, in the table's order."""
        return {column: self._property(column, row[column]) for column in self._sent(row)}

    def _sent(self, row: Row) -> list[str]:
        keys = self.spec.group_keys if self.spec.record is RecordType.EVENT else {}
        return [*self.spec.sent_columns(list(row)), *(column for column in keys if column in row)]

    def _property(self, column: str, scalar: pa.Scalar) -> Any:
        value = _value(scalar, column, self.spec.timezone)
        if value is None:
            return None
        if column in self.spec.properties.hash:
            return hashlib.sha256(_text(value).encode()).hexdigest()
        if column in self.json_types or scalar.type == pa.json_():
            return self._json(column, value)
        return _text(value) if column in self.spec.group_keys and not isinstance(value, list | dict) else value

    def _json(self, column: str, text: str) -> Any:
        try:
            value = read(text)
            check_nested(value, self._limits)
        except Bad as bad:
            raise Refusal(column, str(bad)) from None
        return value

    @property
    def _limits(self) -> rules.Limits:
        limits = {RecordType.EVENT: rules.EVENT, RecordType.LOOKUP: rules.LOOKUP}
        return limits.get(self.spec.record, rules.PROFILE)

    def _check_nested(self, properties: Row) -> None:
        for column, value in properties.items():
            try:
                check_nested(value, self._limits)
            except Bad as bad:
                raise Refusal(column, str(bad)) from None

    def _named(self, properties: Row) -> Row:
        """The properties under the names they are sent as, without the absent ones."""
        return {self._name(column): value for column, value in properties.items()
                if value is not None or self.spec.properties.send_nulls}  # fmt: skip

    def _name(self, column: str) -> str:
        prefixed = self.spec.record in (RecordType.USER, RecordType.GROUP) and column in rules.PROFILE_PREFIXED
        own = f"${column}" if prefixed else column
        return self.spec.group_keys.get(column) or self.spec.properties.rename.get(column, own)

    # Events

    def _events(self, controls: Row, row: Row, properties: Row) -> list[Any]:
        members = self._members(row)
        told = self._told(controls, batches.EVENT, batches.TIME, batches.USER, batches.DEVICE)
        self._check_time(told["time"])
        self._check_name(told["event"])
        self._check_ids(controls)
        self._check_nested(properties)
        fixed = {
            "$warehouse_import_id": self.spec.name, "$warehouse_type": "duckdb",
            "$warehouse_table": str(self.spec.table), "ip": self._place(row),
        }  # fmt: skip
        found = {**self._identity(told, controls[batches.KEY]), **fixed, **members, **self._named(properties)}
        if len(found) > rules.EVENT.properties:
            raise Refusal(None, "crowded")
        event = {"event": told["event"], "properties": found}
        grave = self._grave(controls, told)
        if max(len(size_of(one)) for one in [*grave, event]) > rules.EVENT.bytes:
            raise Refusal(None, "size")
        return [*grave, event]

    def _told(self, controls: Row, event: str, moment: str, user: str, device: str) -> Row:
        simplified = self.settings.identity is Identity.SIMPLIFIED
        name = controls.get(event)
        if event == batches.EVENT and self.spec.event_name and not self.spec.event_column:
            name = self.spec.event_name
        device_id = controls.get(device) if simplified else None
        return {"event": name, "time": controls.get(moment), "user": controls.get(user), "device": device_id}

    def _identity(self, told: Row, key: str) -> Row:
        nobody = f"$device:{told['device']}" if told["device"] else ""
        distinct_id = told["user"] or nobody
        ids = InsertIds(self.spec.name, self.epoch)
        found = {"time": told["time"], "distinct_id": distinct_id}
        if self.settings.identity is Identity.SIMPLIFIED:
            found |= {"$user_id": told["user"]} if told["user"] else {}
            found |= {"$device_id": told["device"]} if told["device"] else {}
        return {**found, "$insert_id": ids.of(key, told["event"], told["time"], distinct_id)}

    def _grave(self, controls: Row, new: Row) -> list[Any]:
        """The tombstone of what was delivered before, where the new version is another event."""
        if controls.get(batches.OLD_KEY) is None:
            return []
        old = self._told(controls, batches.OLD_EVENT, batches.OLD_TIME, batches.OLD_USER, batches.OLD_DEVICE)
        identity = self._identity(old, controls[batches.OLD_KEY])
        if new and identity["$insert_id"] == self._identity(new, controls[batches.KEY])["$insert_id"]:
            return []
        return [{"event": old["event"], "properties": {**identity, "_deleted": True, "ip": 0}}]

    def _place(self, row: Row) -> Any:
        if self.spec.ip_column is None:
            return 0
        address = _value(row[self.spec.ip_column], self.spec.ip_column, self.spec.timezone)
        return 0 if address is None else _text(address)

    def _members(self, row: Row) -> Row:
        """The members of the JSON column, without those whose name is taken."""
        column = self.spec.json_column
        if column is None:
            return {}
        value = _value(row[column], column, self.spec.timezone)
        try:
            found = read(value if isinstance(value, str) else json.dumps(value)) if value is not None else {}
            if not isinstance(found, dict | None):
                raise Bad("not an object")
            return self._free_members(found or {}, {self._name(one) for one in self._sent(row)})
        except Bad as bad:
            raise Refusal(column, str(bad)) from None

    def _free_members(self, found: Row, taken: set[str]) -> Row:
        kept = {name: value for name, value in found.items() if name not in taken | rules.EVENT_RESERVED}
        for name, value in kept.items():
            if len(name) > rules.NAME_LENGTH:
                raise Bad("name length")
            check_nested(value, self._limits)
        return {name: value for name, value in kept.items() if value is not None or self.spec.properties.send_nulls}

    def _check_time(self, moment: int | None) -> None:
        latest = time.time() * 1000 + rules.FUTURE_MS
        if moment is None or not rules.EARLIEST_MS <= moment <= latest:
            raise Refusal(self.spec.time_column, "time")

    def _check_name(self, name: str | None) -> None:
        if self.spec.event_column is None:
            return
        taken = self.settings.identity is Identity.SIMPLIFIED and name in rules.IDENTITY_EVENTS
        if not name or taken or len(name) > rules.NAME_LENGTH:
            raise Refusal(self.spec.event_column, "event name")

    def _check_ids(self, controls: Row) -> None:
        if controls[batches.USER] in rules.JUNK_IDS:
            raise Refusal(self.spec.user_id or self.spec.distinct_id, "junk")
        if controls[batches.DEVICE] in rules.JUNK_IDS and self.settings.identity is Identity.SIMPLIFIED:
            raise Refusal(self.spec.device_id, "junk")

    # Profiles

    def _profiles(self, controls: Row, properties: Row) -> list[Any]:
        self._check_nested(properties)
        found = self._named(properties)
        if len(found) > rules.PROFILE.properties:
            raise Refusal(None, "crowded")
        updates = [{**self._head(controls[batches.USER]), "$set": found}]
        names = self._unset(controls, properties)
        if names:
            updates.append({**self._head(controls[batches.USER]), "$unset": names})
        if max(len(size_of(one)) for one in updates) > rules.PROFILE.bytes:
            raise Refusal(None, "size")
        return updates

    def _head(self, identity: str) -> Row:
        head = {"$token": self.settings.token, "$ip": "0"}
        if self.spec.record is RecordType.GROUP:
            return {**head, "$group_key": self.spec.group_key, "$group_id": identity}
        return {**head, "$distinct_id": identity}

    def _unset(self, controls: Row, properties: Row) -> list[str]:
        updated = self.spec.mode is Mode.MIRROR and controls.get(batches.OP) == "update"
        if not updated and not (self.spec.mode is not Mode.MIRROR and self.spec.unset_nulls):
            return []
        gone = [self._name(column) for column in self.spec.sent_columns(self.dropped)]
        empty = [self._name(column) for column, value in properties.items() if value is None]
        return gone + ([] if self.spec.properties.send_nulls else empty)

    # Deletes

    def _deleted(self, controls: Row) -> list[Any]:
        if controls.get(batches.OLD_KEY) is None:
            return []
        if self.spec.record is RecordType.EVENT:
            return self._grave(controls, {})
        return [{**self._head(controls[batches.OLD_USER]), "$ignore_alias": True, "$delete": ""}]


def _value(scalar: pa.Scalar, column: str | None, zone: str) -> Any:
    try:
        return plain(scalar, zone)
    except Bad as bad:
        raise Refusal(column, str(bad)) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _csv(value: Any) -> Any:
    """A lookup field before it is text: numbers stay numbers, so that their digits may be written in any way."""
    return "" if value is None else value
