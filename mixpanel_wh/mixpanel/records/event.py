"""Events: one line of JSON a row; a change of a delivered event is a tombstone, a new copy, or both.

Mixpanel tells events apart by name, time, distinct id and `$insert_id` (page "Import Events"). An update that leaves
them alone is the same event again, whose latest copy counts; one that changes any of them is a tombstone of the old
event and a new event. A tombstone is the old event's identity with `_deleted: true` and nothing else.
"""

from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Framing
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.insert_ids import InsertIds
from mixpanel_wh.mixpanel.records.fields import DELETED, Fields, Property, common_rules, unless_deleted
from mixpanel_wh.mixpanel.records.pattern import Pattern
from mixpanel_wh.mixpanel.records.sql import Concat, every, json_literal, literal
from mixpanel_wh.mixpanel.records.statement import Rule, Statement
from mixpanel_wh.mixpanel.records.values import quoted_text
from mixpanel_wh.mixpanel.rules import EARLIEST_MS, IDENTITY_EVENTS, JUNK_IDS, NAME_LENGTH

_ALWAYS = 4  # time, distinct_id, $insert_id, ip
_JUNK_REASON = "concat('the id ', chr(39), {}, chr(39), ' stands for no one, and Mixpanel refuses it')"
ONE_A_LINE = Framing()


@dataclass(frozen=True)
class Told:
    """What Mixpanel tells one version of an event apart by, as SQL; `user` and `device` are None where never set."""

    key: str
    event: str
    time: str
    user: str | None
    device: str | None
    nullable_user: bool
    nullable_device: bool
    plain: frozenset[str] = frozenset()

    @property
    def distinct_id(self) -> str:
        """SQL for the distinct id: the user, else the device marked as Mixpanel marks it, else nobody."""
        if self.user and not self.nullable_user:
            return self.user
        device = f"'$device:' || {self.device}" if self.device else None
        return f"coalesce({', '.join(part for part in (self.user, device, literal('')) if part)})"

    def members(self, insert_id: str, simplified: bool) -> Concat:
        """`"time":…,"distinct_id":…,…,"$insert_id":"…"`."""
        plain = self.plain >= {name for name in (self.user, self.device) if name}
        line = Concat().text('"time":').sql(self.time)
        line.pair(',"distinct_id":', quoted_text(self.distinct_id, plain), False)
        if simplified and self.user:
            line.pair(',"$user_id":', quoted_text(self.user, self.user in self.plain), self.nullable_user)
        if simplified and self.device:
            line.pair(',"$device_id":', quoted_text(self.device, self.device in self.plain), self.nullable_device)
        return line.text(',"$insert_id":"').sql(insert_id).text('"')


@dataclass(frozen=True)
class EventRecord:
    """How the rows of one sync become events. `fixed` are properties that every event carries."""

    spec: SyncSpec
    fields: Fields
    ids: InsertIds
    simplified: bool
    fixed: dict[str, object]
    framing: Framing = ONE_A_LINE

    def statement(self, pattern: Pattern) -> Statement:
        """The SQL for batches of a pattern."""
        found = self.fields.properties(pattern)
        new = self._new(pattern)
        line = self._line(pattern, new, found)
        rules = self._rules(pattern, found)
        if not pattern.changes:
            return Statement(line, tuple(rules))
        return Statement(self._change(pattern, new, line), unless_deleted(rules), records_per_row=2)

    def _new(self, pattern: Pattern) -> Told:
        static = literal(self.spec.event_name) if self.spec.event_name and not self.spec.event_column else None
        return self._told(pattern, batches.KEY, static or batches.EVENT, batches.TIME, batches.USER, batches.DEVICE)

    def _old(self, pattern: Pattern) -> Told:
        names = (batches.OLD_KEY, batches.OLD_EVENT, batches.OLD_TIME, batches.OLD_USER, batches.OLD_DEVICE)
        return self._told(pattern, *names)

    def _told(self, pattern: Pattern, key: str, event: str, time: str, user: str, device: str) -> Told:
        here = pattern.present
        return Told(
            key, event, time, user if user in here else None, device if device in here and self.simplified else None,
            pattern.nullable(user), pattern.nullable(device), pattern.plain,
        )  # fmt: skip

    def _insert_id(self, told: Told) -> str:
        return self.ids.sql(told.key, told.event, told.time, told.distinct_id)

    def _line(self, pattern: Pattern, told: Told, found: list[Property]) -> str:
        line = Concat()
        if told.event == batches.EVENT:
            line.pair('{"event":', quoted_text(told.event, told.event in pattern.plain), False)
        else:
            line.text('{"event":' + json_literal(self.spec.event_name))
        line.text(',"properties":{')
        line.join(told.members(self._insert_id(told), self.simplified))
        line.text("".join(f",{json_literal(key)}:{json_literal(value)}" for key, value in self.fixed.items()))
        self._add_place(pattern, line)
        for one in found:
            line.pair(one.before, one.parts, one.nullable)
        self._add_members(pattern, line)
        return line.text("}}\n").render()

    def _add_place(self, pattern: Pattern, line: Concat) -> None:
        """The address to geolocate. 0 keeps Mixpanel from placing the event where the request came from."""
        column = self.spec.ip_column
        if column is None:
            line.text(',"ip":0')
        else:
            line.text(',"ip":').sql(f"coalesce(to_json(CAST({pattern.sql_of(column)} AS VARCHAR)), '0')")

    def _add_members(self, pattern: Pattern, line: Concat) -> None:
        if self.spec.json_column is not None and pattern.members:
            line.sql(f"',' || nullif({pattern.sql_of(self.spec.json_column)}, '')")

    def _change(self, pattern: Pattern, new: Told, line: str) -> str:
        if batches.OLD_KEY not in pattern.present:
            return f"CASE WHEN {DELETED} THEN '' ELSE {line} END"
        old = self._old(pattern)
        grave = Concat().text('{"event":').sql(f"to_json({old.event})").text(',"properties":{')
        grave.join(old.members(self._insert_id(old), self.simplified)).text(',"_deleted":true,"ip":0}}\n')
        same = every([f"{mine} = {theirs}" for mine, theirs in (
            (new.event, old.event), (new.time, old.time), (new.distinct_id, old.distinct_id))])  # fmt: skip
        return (
            f"CASE WHEN {batches.OLD_KEY} IS NULL THEN CASE WHEN {DELETED} THEN '' ELSE {line} END "
            f"WHEN {DELETED} THEN {grave.render()} WHEN {same} THEN {line} "
            f"ELSE {grave.render()} || {line} END"
        )

    def _rules(self, pattern: Pattern, found: list[Property]) -> list[Rule]:
        rules = common_rules(pattern, self.spec.row_key[0] if self.spec.row_key else None)
        rules += self._time_rules(pattern) + self._name_rules(pattern)
        rules += self._junk_rules(pattern)
        for one in found:
            rules += one.rules
        told = self._new(pattern)
        ids = [name for name in (told.user, told.device) if name and self.simplified]
        return [*rules, *self.fields.crowd_rules(pattern, found, _ALWAYS + len(self.fixed), ids)]

    def _time_rules(self, pattern: Pattern) -> list[Rule]:
        column, rules = self.spec.time_column, []
        if pattern.nullable(batches.TIME):
            missing = literal("the time is NULL or cannot be read as a time")
            rules.append(Rule(f"{batches.TIME} IS NOT NULL", missing, column))
        if pattern.latest is not None:
            moment = f"coalesce(CAST(TRY(make_timestamp_ms({batches.TIME})) AS VARCHAR), {batches.TIME} || ' ms')"
            early = f"concat('the time ', {moment}, ' lies before 1971-01-01, which Mixpanel refuses')"
            late = f"concat('the time ', {moment}, ' lies more than an hour ahead, which Mixpanel refuses')"
            rules.append(Rule(f"{batches.TIME} >= {EARLIEST_MS}", early, column))
            rules.append(Rule(f"{batches.TIME} <= {pattern.latest}", late, column))
        return rules

    def _name_rules(self, pattern: Pattern) -> list[Rule]:
        column, name = self.spec.event_column, batches.EVENT
        if column is None or (name not in pattern.odd and not pattern.nullable(name)):
            return []
        missing = literal("the event name is NULL or empty")
        long = f"concat('the event name has ', length({name}), ' characters and Mixpanel takes at most {NAME_LENGTH}')"
        rules = [Rule(f"coalesce({name} <> '', FALSE)", missing, column)]
        if self.simplified:
            taken = f"concat({name}, ' is of the original identity system, but the project has the simplified one')"
            rules.append(Rule(f"{name} NOT IN ({_listed(IDENTITY_EVENTS)})", taken, column))
        return [*rules, Rule(f"length({name}) <= {NAME_LENGTH}", long, column)]

    def _junk_rules(self, pattern: Pattern) -> list[Rule]:
        """Ids that stand for no one, which Mixpanel refuses."""
        named = {batches.USER: self.spec.user_id or self.spec.distinct_id}
        if self.simplified:
            named[batches.DEVICE] = self.spec.device_id
        return [
            Rule(f"coalesce({name} NOT IN ({_listed(JUNK_IDS)}), TRUE)", _JUNK_REASON.format(name), column)
            for name, column in named.items() if name in pattern.odd
        ]  # fmt: skip


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(literal(value) for value in values)
