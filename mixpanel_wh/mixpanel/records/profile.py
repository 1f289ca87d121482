"""User and group profiles: one `$set` a row, an `$unset` of what became NULL, a `$delete` of a deleted row.

Mixpanel's pages "User Profiles" (/engage) and "Group Profiles" (/groups) give the shapes. Each update is written with
a comma in front and a newline at its end; the framing makes a JSON array of them.
"""

from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Framing
from mixpanel_wh.engine.spec import Mode, SyncSpec
from mixpanel_wh.mixpanel.records.fields import DELETED, Fields, Property, common_rules, unless_deleted
from mixpanel_wh.mixpanel.records.pattern import Pattern
from mixpanel_wh.mixpanel.records.sql import Concat, every, json_literal, literal
from mixpanel_wh.mixpanel.records.statement import Rule, Statement
from mixpanel_wh.mixpanel.records.values import quoted_text

ARRAY = Framing(b"[", b"]", skip=1)


@dataclass(frozen=True)
class ProfileRecord:
    """How the rows of one sync become profile updates.

    `head` are the fixed fields (`$token`, for a group its `$group_key`), `id_name` is `$distinct_id` or `$group_id`,
    `dropped` are properties that were sent before and whose columns are gone.
    """

    spec: SyncSpec
    fields: Fields
    head: dict[str, str]
    id_name: str
    dropped: tuple[str, ...] = ()
    framing: Framing = ARRAY

    def statement(self, pattern: Pattern) -> Statement:
        """The SQL for batches of a pattern."""
        found = self.fields.properties(pattern)
        rules = [*common_rules(pattern, self.spec.id_column), *self._id_rules(pattern)]
        rules += [rule for one in found for rule in one.rules]
        rules += self.fields.crowd_rules(pattern, found)
        line, several = self._upsert(pattern, found)
        most = 2 if several else 1
        if not pattern.changes:
            return Statement(line, tuple(rules), most)
        change = f"CASE WHEN {DELETED} THEN {self._deleted(pattern)} ELSE {line} END"
        return Statement(change, unless_deleted(rules), most)

    def _deleted(self, pattern: Pattern) -> str:
        """The `$delete` under the id that was delivered; nothing where none was."""
        if batches.OLD_KEY not in pattern.present:
            return literal("")
        update = self._update(pattern, batches.OLD_USER).text(',"$ignore_alias":true,"$delete":""}\n').render()
        return f"CASE WHEN {batches.OLD_KEY} IS NULL THEN '' ELSE {update} END"

    def _id_rules(self, pattern: Pattern) -> list[Rule]:
        if not pattern.nullable(batches.USER):
            return []
        column = self.spec.id_column
        reason = literal(f"{column} is NULL or empty: it names the profile")
        return [Rule(f"{batches.USER} IS NOT NULL", reason, column)]

    def _update(self, pattern: Pattern, identity: str) -> Concat:
        """An update up to its operation."""
        head = "".join(f"{json_literal(key)}:{json_literal(value)}," for key, value in self.head.items())
        start = f",{{{head}{json_literal(self.id_name)}:"
        return Concat().pair(start, quoted_text(identity, identity in pattern.plain), False).text(',"$ip":"0"')

    def _upsert(self, pattern: Pattern, found: list[Property]) -> tuple[str, bool]:
        """The `$set`, and the `$unset` where there is one; whether there may be one."""
        line = self._update(pattern, batches.USER).text(',"$set":{')
        self._add_members(line, found)
        line.text("}}\n")
        unset = self._unset(found)
        if unset is None:
            return line.render(), False
        names = f"nullif({unset}, '')"
        extra = self._update(pattern, batches.USER).text(',"$unset":[').sql(f"substr({names}, 2)").text("]}\n").render()
        wanted = every([f"{names} IS NOT NULL", *([f"{batches.OP} = 'update'"] if self._mirrors else [])])
        if self._mirrors and not pattern.changes:
            return line.render(), False
        return f"concat({line.render()}, CASE WHEN {wanted} THEN {extra} END)", True

    def _add_members(self, line: Concat, found: list[Property]) -> None:
        """The members of `$set`: no comma before the first one."""
        sure = next((one for one in found if not one.nullable), None)
        if sure is None:
            members = Concat()
            for one in found:
                members.pair(one.before, one.parts, True)
            line.sql(f"substr({members.render()}, 2)")
            return
        line.pair(f"{json_literal(sure.name)}:", sure.parts, False)
        for one in found:
            if one is not sure:
                line.pair(one.before, one.parts, one.nullable)

    @property
    def _mirrors(self) -> bool:
        return self.spec.mode is Mode.MIRROR

    def _unset(self, found: list[Property]) -> str | None:
        """SQL for the names to unset, each after a comma; None where a sync or a batch never unsets any."""
        if not (self._mirrors or self.spec.unset_nulls):
            return None
        names = Concat().text("".join(f",{json_literal(name)}" for name in self.dropped))
        for one in found:
            if one.nullable:
                names.sql(f"CASE WHEN {one.text} IS NULL THEN {literal(',' + json_literal(one.name))} END")
        return names.render() if self.dropped or any(one.nullable for one in found) else None
