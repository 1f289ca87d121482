"""The encoder of a sync: a record batch in, request-ready lines out, with a reason for every row left out.

One vectorised pass writes every line and leaves NULL where a rule is broken; a second one, over those rows only, says
which rule. Nothing touches a row one by one, save JSON texts that need an exact reading.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Encoded, Framing
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.texts import text
from mixpanel_wh.mixpanel.records.fields import Fields
from mixpanel_wh.mixpanel.records.json_columns import Reader, is_plain, members, read_each
from mixpanel_wh.mixpanel.records.pattern import BAD_COLUMN, MEMBERS, Pattern, Prepared, prepared
from mixpanel_wh.mixpanel.records.statement import Statement, Statements, run_sql
from mixpanel_wh.mixpanel.records.values import Scope, Unsendable, is_extension, is_text, json_text

REJECTED = pa.schema([
    ("row", pa.int64()), ("row_key", pa.string()), ("column", pa.string()), ("reason", pa.string()),
])  # fmt: skip


class Record(Protocol):
    """What a record type says about a sync: its framing, and the statement for batches of a pattern."""

    @property
    def framing(self) -> Framing:
        """How its lines stand in a request."""

    def statement(self, pattern: Pattern) -> Statement:
        """The SQL that writes lines."""


@dataclass(frozen=True)
class Flattened:
    """The JSON column whose members become properties, and the names they must leave alone."""

    column: str
    taken: frozenset[str]


class SqlEncoder:
    """`ports.Encoder` by DuckDB SQL over Arrow; safe to call from several threads."""

    def __init__(self, spec: SyncSpec, record: Record, fields: Fields, flattened: Flattened | None = None) -> None:
        self.framing = record.framing
        self._spec, self._fields, self._flattened = spec, fields, flattened
        roles = [name for name in (spec.json_column, spec.ip_column) if name]
        self._wanted = [*dict.fromkeys([*fields.names, *roles])]
        self._origins = _origins(spec)
        self._statements = Statements(partial(self._composed, record))

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Every row encoded, or rejected with a reason; SourceError for a column that has no JSON form."""
        made = prepared(batch, [name for name in self._wanted if name in batch.schema.names], self._origins)
        self._read_json(made, batch.schema)
        statement, sql = self._statements.of(made.pattern)
        table = made.table
        lines = run_sql(sql, table).column("line").combine_chunks()
        large = self._too_large(lines)
        if large is not None:
            lines = _without(lines, large)
        if not lines.null_count:
            return Encoded(lines, None, statement.records_per_row)
        return Encoded(lines, self._reasons(lines, made, table, statement), statement.records_per_row)

    def _composed(self, record: Record, pattern: Pattern) -> Statement:
        try:
            return record.statement(pattern)
        except Unsendable as kind:
            column = next((name for name, shape in pattern.columns if str(kind) in str(shape.type)), None)
            raise SourceError(
                f"sync {self._spec.name}: column '{column}' has the type {kind}, which has no JSON form: cast it in a "
                "view, or leave it out under properties: deny"
            ) from None

    def _too_large(self, lines: pa.Array) -> pa.Array | None:
        """Which lines hold a record longer than Mixpanel takes, or none at all; None where every line is well."""
        long = pc.greater(pc.binary_length(lines), self._fields.limits.bytes)
        if not pc.any(long).as_py():
            return None
        large = pc.is_null(lines).to_numpy(zero_copy_only=False).copy()
        for place in pc.indices_nonzero(long).to_pylist():
            large[place] = self._longest(lines[place].as_py()) > self._fields.limits.bytes
        return pa.array(large)

    def _longest(self, line: str) -> int:
        """The bytes of the longest record of a line, without the comma in front and the line's end."""
        return max(len(record) for record in line.encode().split(b"\n")) - self.framing.skip

    def _reasons(self, lines: pa.Array, made: Prepared, table: pa.Table, statement: Statement) -> pa.RecordBatch:
        rows = pc.indices_nonzero(pc.is_null(lines)).cast(pa.int64())
        keys = pc.take(made.arrays[batches.KEY], rows)
        found = run_sql(statement.reasons_sql, table.take(rows))
        column, reason = (found.column(name).combine_chunks().cast(pa.string()) for name in ("column", "reason"))
        if made.refused:
            column = pc.coalesce(pc.take(table.column(BAD_COLUMN), rows).combine_chunks(), column)
        size = text(f"the record is larger than the {self._fields.limits.bytes:,} bytes that Mixpanel takes")
        return pa.record_batch([rows, keys, column, pc.coalesce(reason, size)], schema=REJECTED)

    def _read_json(self, made: Prepared, schema: pa.Schema) -> None:
        """Bring every JSON column to text that can be spliced, and note the rows whose JSON cannot be sent. A warehouse
        says so by the name of the column's type, or marks the array itself."""
        marked = {field.name for field in schema if is_extension(field.type, "arrow.json")}
        for column in list(made.shapes):
            if self._flattened and column == self._flattened.column:
                self._flatten(made, self._flattened)
            elif column in self._fields.json_types | marked and column not in self._spec.properties.hash:
                self._splice(made, column)

    def _splice(self, made: Prepared, column: str) -> None:
        name = made.sql_of(column)
        rows = pa.table({name: made.arrays[name]})
        reader = Reader(self._fields.limits)
        read = run_sql(f"SELECT {name} AS x, CASE WHEN {is_plain(name, self._fields.limits)} THEN {name} END AS text "
                       "FROM rows", rows)  # fmt: skip
        whole, texts = (read.column(part).combine_chunks() for part in ("x", "text"))
        doubtful = pc.and_(texts.is_null(), whole.is_valid())
        found = self._exact(made, column, whole, doubtful, reader.value)
        made.replace_column(column, _filled(texts, doubtful, pa.array(found, texts.type)), "json")

    def _flatten(self, made: Prepared, flattened: Flattened) -> None:
        name = made.sql_of(flattened.column)
        shape = made.shapes[flattened.column]
        x = name if is_text(shape.type) else json_text(shape.type, name, Scope(self._spec.timezone))
        reader = Reader(self._fields.limits, flattened.taken, self._spec.properties.send_nulls)
        plain = f"CASE WHEN {reader.is_plain_object('x')} THEN {members('x')} END"
        count = "CAST(len(json_keys(CASE WHEN text IS NOT NULL THEN x END)) AS INTEGER) AS count"
        rows = pa.table({name: made.arrays[name]})
        read = run_sql(f"SELECT *, {count} FROM (SELECT x, {plain} AS text FROM (SELECT {x} AS x FROM rows))", rows)
        whole, texts, counts = (read.column(part).combine_chunks() for part in ("x", "text", "count"))
        doubtful = pc.and_(texts.is_null(), whole.is_valid())
        pairs = [pair or ("", 0) for pair in self._exact(made, flattened.column, whole, doubtful, reader.members)]
        texts = _filled(texts, doubtful, pa.array([text for text, _ in pairs], texts.type))
        made.replace_column(flattened.column, texts, "members")
        made.arrays[MEMBERS] = _filled(counts, doubtful, pa.array([count for _, count in pairs], counts.type))
        made.members = pc.max(made.arrays[MEMBERS]).as_py() or 0

    def _exact(
        self, made: Prepared, column: str, texts: pa.Array, doubtful: pa.Array, read: Callable[[str], Any]
    ) -> list[Any]:
        """The doubtful texts read one by one; the rows of those that cannot be sent are noted."""
        places = pc.indices_nonzero(doubtful)
        found, refused = read_each(pc.take(texts, places).to_pylist(), read)
        for place, reason in refused.items():
            made.refuse([places[place].as_py()], column, reason)
        return found


def _origins(spec: SyncSpec) -> dict[str, str | None]:
    """The source columns that control columns stand for."""
    return {
        batches.KEY: next(iter(spec.key_columns), None), batches.EVENT: spec.event_column,
        batches.USER: spec.id_column or spec.user_id or spec.distinct_id, batches.DEVICE: spec.device_id,
    }  # fmt: skip


def _without(lines: pa.Array, bad: pa.Array) -> pa.Array:
    """The lines with the bad ones null and without bytes: a request is cut out by offsets alone."""
    emptied = pc.if_else(bad, text("").cast(lines.type), lines)
    good = pc.invert(bad).buffers()[1]
    return pa.Array.from_buffers(lines.type, len(lines), [good, *emptied.buffers()[1:]])


def _filled(array: pa.Array, where: pa.Array, values: pa.Array) -> pa.Array:
    return pc.replace_with_mask(array, where, values) if len(values) else array


def is_json_type(kind: str) -> bool:
    """Whether a warehouse's type holds JSON text."""
    return kind.strip().upper() in {"JSON", "JSONB", "VARIANT", "OBJECT", "SUPER"}
