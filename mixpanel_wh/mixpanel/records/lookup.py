"""Lookup tables: one line of CSV a row (RFC 4180), the id first, under a header line.

Mixpanel's page "Lookup Tables" reads types by look: numbers, RFC 3339 timestamps, `true` and `false`, `["a","b"]`,
nothing for undefined, else text.
"""

from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Framing
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.records.columns import Shape
from mixpanel_wh.mixpanel.records.fields import Fields, common_rules
from mixpanel_wh.mixpanel.records.pattern import Pattern
from mixpanel_wh.mixpanel.records.sql import Concat, literal
from mixpanel_wh.mixpanel.records.statement import Rule, Statement
from mixpanel_wh.mixpanel.records.values import Scope, is_nested, is_text, json_text


def field(text: str) -> str:
    """A CSV field, quoted where it must be."""
    special = any(mark in text for mark in ',"\r\n') or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if special else text


@dataclass(frozen=True)
class LookupRecord:
    """How the rows of one sync become lines of a lookup table."""

    spec: SyncSpec
    fields: Fields

    @property
    def framing(self) -> Framing:
        """The header line: the id column, then the properties in the table's order."""
        names = [self.spec.id_column or "id", *self.fields.names.values()]
        return Framing(prefix=(",".join(field(name) for name in names) + "\n").encode())

    def statement(self, pattern: Pattern) -> Statement:
        """The SQL for batches of a pattern."""
        line = Concat().sql(_csv(batches.USER))
        for column, shape in pattern.columns:
            value = self._value(column, shape, pattern.sql_of(column))
            line.text(",").sql(value)
        rules = common_rules(pattern, self.spec.id_column)
        if pattern.nullable(batches.USER):
            reason = literal(f"{self.spec.id_column} is NULL or empty: it names the row")
            rules.append(Rule(f"{batches.USER} IS NOT NULL", reason, self.spec.id_column))
        return Statement(line.text("\n").render(), tuple(rules))

    def _value(self, column: str, shape: Shape, x: str) -> str:
        if column in self.spec.properties.hash:
            value = f"sha256(CAST({x} AS VARCHAR))"
        elif is_text(shape.type) or shape.form == "json":
            value = _csv(f"CAST({x} AS VARCHAR)")
        elif is_nested(shape.type):
            value = _csv(json_text(shape.type, x, Scope(self.spec.timezone)))
        else:
            # Bare: in CSV a number beyond 2^53 has no other form, and dates stand without quotes.
            value = f"trim({json_text(shape.type, x, Scope(self.spec.timezone, wide=shape.wide))}, '\"')"
        return f"coalesce({value}, '')" if shape.nulls else value


def _csv(x: str) -> str:
    """SQL for a CSV field of a text."""
    marked = f"contains({x}, ',') OR contains({x}, '\"') OR contains({x}, chr(10)) OR contains({x}, chr(13))"
    padded = f"trim({x}) <> {x}"
    quoted = f"'\"' || replace({x}, '\"', '\"\"') || '\"'"
    return f"CASE WHEN {marked} OR {padded} THEN {quoted} ELSE {x} END"
