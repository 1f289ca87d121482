"""Properties: what every record type does with a sync's columns on the way into a record."""

from collections.abc import Sequence
from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.records.columns import Shape
from mixpanel_wh.mixpanel.records.pattern import BAD_REASON, MEMBERS, Pattern
from mixpanel_wh.mixpanel.records.sql import json_literal, literal
from mixpanel_wh.mixpanel.records.statement import Rule
from mixpanel_wh.mixpanel.records.values import Scope, is_nested, joined, json_parts, nested_rules, quoted_text
from mixpanel_wh.mixpanel.rules import Limits

DELETED = f"{batches.OP} = 'delete'"
"""SQL: whether a row of a batch with changes is deleted."""


@dataclass(frozen=True)
class Property:
    """One property as SQL: its name, the parts of its JSON text, and whether they may be NULL (absent)."""

    name: str
    parts: tuple[str, ...]
    nullable: bool
    rules: tuple[Rule, ...] = ()

    @property
    def text(self) -> str:
        """The JSON text as one expression."""
        return joined(self.parts)

    @property
    def before(self) -> str:
        """What stands before the value in a list of members."""
        return f",{json_literal(self.name)}:"


@dataclass(frozen=True)
class Fields:
    """The sent columns of a sync: `names` maps each to its property; `json_types` are those that hold JSON text."""

    spec: SyncSpec
    names: dict[str, str]
    json_types: frozenset[str]
    limits: Limits

    def properties(self, pattern: Pattern) -> list[Property]:
        """Every property of a batch of this pattern, in the table's order."""
        return [self._property(column, shape, pattern.sql_of(column))
                for column, shape in pattern.columns if column in self.names]  # fmt: skip

    def _property(self, column: str, shape: Shape, x: str) -> Property:
        parts = self._parts(column, shape, x)
        rules = self._rules(column, shape, x, joined(parts))
        # The property is absent only where its column is NULL: `settled` made every other absent value NULL too.
        if shape.nulls and self.spec.properties.send_nulls:
            return Property(self.names[column], (f"coalesce({joined(parts)}, 'null')",), False, rules)
        return Property(self.names[column], parts, shape.nulls, rules)

    def _parts(self, column: str, shape: Shape, x: str) -> tuple[str, ...]:
        if column in self.spec.properties.hash:
            return "'\"'", f"sha256(CAST({x} AS VARCHAR))", "'\"'"
        if shape.form == "json":
            return (x,)
        if column in self.spec.group_keys:  # group ids are compared as text
            return self._group_id(shape, x)
        return json_parts(shape.type, x, Scope(self.spec.timezone, wide=shape.wide, plain=shape.plain))

    def _group_id(self, shape: Shape, x: str) -> tuple[str, ...]:
        if is_nested(shape.type):
            return json_parts(shape.type, x, Scope())
        return quoted_text(f"CAST({x} AS VARCHAR)", shape.plain)

    def _rules(self, column: str, shape: Shape, x: str, text: str) -> tuple[Rule, ...]:
        if shape.form == "json" or column in self.spec.properties.hash or not is_nested(shape.type):
            return ()
        found = nested_rules(shape.type, x, text, self.limits)
        return tuple(Rule(holds, literal(reason), column) for holds, reason in found)

    def crowd_rules(
        self, pattern: Pattern, found: list[Property], others: int = 0, ids: Sequence[str] = ()
    ) -> tuple[Rule, ...]:
        """The rule on how many properties a record may have, where a row might break it; `others` are always there,
        `ids` (control columns) where they are not NULL."""
        most = self.limits.properties
        if others + len(found) + len(ids) + pattern.members <= most:
            return ()
        doubtful = [*(one.text for one in found if one.nullable), *ids]
        counted = [f"CAST({text} IS NOT NULL AS INTEGER)" for text in doubtful]
        flattened = [f"coalesce({MEMBERS}, 0)"] if pattern.members else []
        sure = others + sum(not one.nullable for one in found)
        # A list, since DuckDB takes no sum of a thousand terms.
        total = f"CAST(list_sum([{', '.join([str(sure), *counted, *flattened])}]) AS INTEGER)"
        reason = f"concat('a record may have at most {most} properties, and this has ', {total})"
        return (Rule(f"{total} <= {most}", reason),)


def common_rules(pattern: Pattern, id_column: str | None) -> list[Rule]:
    """What makes a row of any record type impossible to send: found out earlier, or without a row key."""
    rules = []
    if batches.FAULT in pattern.present:
        rules.append(Rule(f"{batches.FAULT} IS NULL", batches.FAULT, id_column))
    if pattern.bad:
        rules.append(Rule(f"{BAD_REASON} IS NULL", BAD_REASON))
    if pattern.nullable(batches.KEY):
        rules.append(Rule(f"{batches.KEY} IS NOT NULL", literal("the row key is NULL"), id_column))
    return rules


def unless_deleted(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules for a batch with changes: what a deleted row holds is not sent, so it cannot break any."""
    return tuple(Rule(f"({DELETED} OR ({rule.holds}))", rule.reason, rule.column) for rule in rules)
