"""The encoder of a sync: a record batch in, request-ready lines out, with a reason for every row left out.

One vectorised pass writes every line and leaves NULL where a rule is broken; a second one, over those rows only, says
which rule. Nothing touches a row one by one, save JSON texts that need an exact reading.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.batches import Encoded, Framing
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.records.fields import Fields
from mixpanel_wh.mixpanel.records.json_columns import Reader, is_plain, is_plain_object, members, read_each
from mixpanel_wh.mixpanel.records.pattern import BAD_COLUMN, MEMBERS, Pattern, Prepared, prepared, text_scalar
from mixpanel_wh.mixpanel.records.statement import Statement, Statements, run_sql
from mixpanel_wh.mixpanel.records.values import Scope, Unsendable, is_text, json_text

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
        self._statements = Statements(partial(self._composed, record))

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Every row encoded, or rejected with a reason; SourceError for a column that has no JSON form."""
        made = prepared(batch, [name for name in self._wanted if name in batch.schema.names])
        self._read_json(made)
        try:
            return self._encoded(made)
        except duckdb.Error:
            if not self._refuse_broken_text(made):
                raise
            return self._encoded(made)

    def _encoded(self, made: Prepared) -> Encoded:
        statement, sql = self._statements.of(made.pattern)
        table = made.table
        written = run_sql(sql, table)
        lines = written.column("line").combine_chunks()
        bad = self._bad(lines, written.column("good").combine_chunks() if statement.rules else None)
        if bad is None:
            return Encoded(lines, None, statement.records_per_row)
        rejected = self._reasons(bad, made, table, statement)
        return Encoded(_without(lines, bad), rejected, statement.records_per_row)

    def _composed(self, record: Record, pattern: object) -> Statement:
        assert isinstance(pattern, Pattern)
        try:
            return record.statement(pattern)
        except Unsendable as kind:
            column = next((name for name, shape in pattern.columns if str(shape.type) == str(kind)), None)
            raise SourceError(
                f"sync {self._spec.name}: column '{column}' has the type {kind}, which has no JSON form: cast it in a "
                "view, or leave it out under properties: deny"
            ) from None

    def _bad(self, lines: pa.Array, good: pa.Array | None) -> pa.Array | None:
        """Which rows break a rule or pass Mixpanel's size of a record; None where none does."""
        most = self._fields.limits.bytes + 1  # and the line's end, or the comma in front
        sizes = pc.binary_length(lines)
        fits = (pc.max(sizes).as_py() or 0) <= most
        if fits and (good is None or pc.all(good, skip_nulls=False).as_py()):
            return None
        large = pc.greater(sizes, most)
        return large if good is None else pc.or_(pc.invert(pc.fill_null(good, False)), large)

    def _reasons(self, bad: pa.Array, made: Prepared, table: pa.Table, statement: Statement) -> pa.RecordBatch:
        rows = pc.indices_nonzero(bad).cast(pa.int64())
        keys = pc.take(made.arrays[batches.KEY], rows)
        found = run_sql(statement.reasons_sql, table.take(rows))
        column, reason = (found.column(name).combine_chunks().cast(pa.string()) for name in ("column", "reason"))
        if made.refused:
            column = pc.coalesce(pc.take(table.column(BAD_COLUMN), rows).combine_chunks(), column)
        size = text_scalar(f"the record is larger than the {self._fields.limits.bytes:,} bytes that Mixpanel takes")
        return pa.record_batch([rows, keys, column, pc.coalesce(reason, size)], schema=REJECTED)

    def _read_json(self, made: Prepared) -> None:
        """Bring every JSON column to text that can be spliced, and note the rows whose JSON cannot be sent."""
        for column in list(made.shapes):
            if self._flattened and column == self._flattened.column:
                self._flatten(made, self._flattened)
            elif column in self._fields.json_types and column not in self._spec.properties.hash:
                self._splice(made, column)

    def _splice(self, made: Prepared, column: str) -> None:
        name = made.sql_of(column)
        rows = pa.table({name: made.arrays[name]})
        reader = Reader(self._fields.limits)
        plain = f"CASE WHEN {is_plain(name)} AND trim({name}) <> 'null' THEN {name} END"
        texts = run_sql(f"SELECT {plain} AS text FROM rows", rows).column("text").combine_chunks()
        doubtful = pc.and_(texts.is_null(), made.arrays[name].is_valid())
        places = pc.indices_nonzero(doubtful)
        found, refused = read_each(pc.take(made.arrays[name], places).to_pylist(), reader.value)
        self._note(made, column, places, refused)
        made.replace_column(column, _filled(texts, doubtful, pa.array(found, texts.type)), "json")

    def _flatten(self, made: Prepared, flattened: Flattened) -> None:
        name = made.sql_of(flattened.column)
        shape = made.shapes[flattened.column]
        x = name if is_text(shape.type) else json_text(shape.type, name, Scope(self._spec.timezone))
        plain = f"CASE WHEN {is_plain_object('x', sorted(flattened.taken))} THEN {members('x')} END"
        rows = pa.table({name: made.arrays[name]})
        read = run_sql(f"SELECT x, {plain} AS text, CAST(len(json_keys(CASE WHEN {plain} IS NOT NULL THEN x END)) AS "
                       f"INTEGER) AS count FROM (SELECT {x} AS x FROM rows)", rows).combine_chunks()  # fmt: skip
        whole, texts, counts = (read.column(part).combine_chunks() for part in ("x", "text", "count"))
        doubtful = pc.and_(texts.is_null(), whole.is_valid())
        places = pc.indices_nonzero(doubtful)
        reader = Reader(self._fields.limits, flattened.taken, self._spec.properties.send_nulls)
        found, refused = read_each(pc.take(whole, places).to_pylist(), reader.members)
        self._note(made, flattened.column, places, refused)
        pairs = [pair or ("", 0) for pair in found]
        counts = _filled(counts, doubtful, pa.array([count for _, count in pairs], counts.type))
        made.replace_column(
            flattened.column, _filled(texts, doubtful, pa.array([text for text, _ in pairs], texts.type)), "members"
        )
        made.arrays[MEMBERS] = counts
        made.members = pc.max(counts).as_py() or 0

    def _note(self, made: Prepared, column: str, places: pa.Array, refused: dict[int, str]) -> None:
        for place, reason in refused.items():
            made.refused.setdefault(places[place].as_py(), (column, reason))

    def _refuse_broken_text(self, made: Prepared) -> bool:
        """Note the rows whose text is not valid UTF-8, which DuckDB does not read; whether there were any."""
        broken = False
        for column in made.shapes:
            name = made.sql_of(column)
            array = made.arrays[name]
            if not is_text(array.type):
                continue
            values = array.cast(pa.large_binary()).to_pylist()
            bad = [row for row, value in enumerate(values) if value is not None and not _is_utf8(value)]
            if bad:
                broken = True
                for row in bad:
                    made.refused.setdefault(row, (column, "the text is not valid UTF-8"))
                mask = pa.array([row in set(bad) for row in range(made.rows)])
                made.replace_column(column, pc.if_else(mask, None, array), made.shapes[column].form)
        return broken


def _without(lines: pa.Array, bad: pa.Array) -> pa.Array:
    """The lines with the bad ones null and without bytes: a request is cut out by offsets alone."""
    emptied = pc.if_else(bad, text_scalar("").cast(lines.type), lines)
    good = pc.invert(bad).buffers()[1]
    return pa.Array.from_buffers(lines.type, len(lines), [good, *emptied.buffers()[1:]])


def _filled(array: pa.Array, where: pa.Array, values: pa.Array) -> pa.Array:
    return pc.replace_with_mask(array, where, values) if len(values) else array


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_json_type(kind: str) -> bool:
    """Whether a warehouse's type holds JSON text."""
    return kind.strip().upper() in {"JSON", "JSONB", "VARIANT", "OBJECT", "SUPER"}
