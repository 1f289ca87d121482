"""Reading source tables: whole, by Append window, or a sample, with control columns in front."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import DuplicateKeys, SourceError
from mixpanel_wh.engine.ports import Part, Table, Window
from mixpanel_wh.engine.spec import SyncSpec, TableName
from mixpanel_wh.warehouses.catalogue import Catalogue
from mixpanel_wh.warehouses.dialect import Dialect
from mixpanel_wh.warehouses.printing import as_comments, laid_out
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.staging import Staging

if TYPE_CHECKING:
    import pyarrow as pa

GROUPING_MIB = 224  # enough to tell some hundred million keys apart with the rest on disk
DUPLICATE = "the row key is not unique in the table"
Query = tuple[str, dict[str, object]]


def duplicate_keys(spec: SyncSpec, count: int, samples: list[tuple[object, ...]]) -> DuplicateKeys:
    """The error for a row key that names several rows; `samples` are a few such keys."""
    shown = "; ".join(", ".join(str(part) for part in sample) for sample in samples)
    wrong = "1 key is not" if count == 1 else f"{count:,} keys are not"
    return DuplicateKeys(
        f"sync {spec.name}: row_key ({', '.join(spec.key_columns)}) must be unique and not NULL in {spec.table}, and "
        f"{wrong}, for example {shown}; name columns that identify a row, or set on_duplicate_key: reject to reject "
        "those rows and send the rest"
    )


@dataclass
class SqlTables:
    """`ports.Tables` over a SQL session."""

    catalogue: Catalogue
    staging: Staging

    @property
    def dialect(self) -> Dialect:
        """The dialect of the warehouse."""
        return self.staging.dialect

    def describe(self, table: TableName) -> Table:
        """Columns and kind; SourceError when there is no such table."""
        return self.catalogue.describe(table)

    def change_token(self, table: TableName) -> str:
        """A token that differs whenever the table may have changed."""
        return self.catalogue.change_token(table)

    def missing_privileges(self, table: TableName) -> list[str]:
        """What the user lacks to read the table: sentences, each with the statement that grants it."""
        return self.catalogue.missing_privileges(table)

    @property
    def ordinal_key(self) -> str:
        """The key of a row without a row key: the hash of all it holds, and its number among rows that hold the
        same."""
        number = f"CAST(row_number() OVER (PARTITION BY _mp_hash) - 1 AS {self.dialect.text_type})"
        return f"_mp_hash || ':' || {number} AS {batches.KEY}"

    def projection(self, spec: SyncSpec) -> Projection:
        """The select expressions of a sync over its table as it is now."""
        return Projection(spec, self.describe(spec.table), self.dialect)

    def count(self, spec: SyncSpec, part: Part | None = None) -> int:
        """How many rows the table, or a part of it, has."""
        projection = self.projection(spec)
        where, parameters = self._range(projection, part)
        found = self.staging.session.rows(f"SELECT count(*) FROM {projection.source} WHERE {where}", parameters)
        rows = int(found[0][0])
        return rows if part is None or part.rows is None else min(rows, part.rows)

    def verify_keys(self, spec: SyncSpec, window: Window | Part | None = None) -> None:
        """DuplicateKeys, with a count and samples, when a row key that must be unique is not (NULL keys apart)."""
        projection = self.projection(spec)
        if not projection.needs_unique_keys or spec.on_duplicate_key == "reject":
            return
        where, parameters = self._range(projection, window)
        names = [self.dialect.quote(projection.column(name).name) for name in spec.key_columns]
        chosen = " AND ".join([*(f"{name} IS NOT NULL" for name in names), f"({where})"])
        if self.catalogue.is_unique(spec.table, spec.key_columns):
            return
        if self._hashes_differ(projection, chosen, parameters):
            return
        listed = ", ".join(names)
        repeated = f"SELECT {listed} FROM {projection.source} WHERE {chosen} GROUP BY {listed} HAVING count(*) > 1"
        sql = f"SELECT count(*) OVER (), {listed} FROM ({repeated}) AS repeated LIMIT 3"
        found = self.staging.session.rows(sql, parameters)
        if found:
            raise duplicate_keys(spec, int(found[0][0]), [row[1:] for row in found])

    def _hashes_differ(self, projection: Projection, chosen: str, parameters: dict[str, object]) -> bool:
        """Whether all keys have different fast hashes, and so are different: half the cost of comparing the keys."""
        hashed = self.dialect.fast_hash(projection.key_columns)
        sql = f"SELECT count(*), count(DISTINCT {hashed}) FROM {projection.source} WHERE {chosen}"
        with self.staging.session.lean(GROUPING_MIB):
            rows, hashes = self.staging.session.rows(sql, parameters)[0]
        return bool(rows == hashes)

    def fingerprint(self, spec: SyncSpec) -> str:
        """A 128-bit content hash of what would be sent, independent of row order."""
        projection = self.projection(spec)
        value = self.dialect.hash_total(projection.content)
        found = self.staging.session.rows(f"SELECT {value} FROM {projection.source}", projection.parameters)
        return str(found[0][0])

    def window(self, spec: SyncSpec, after: str | None) -> Window:
        """The Append window from `after` to the high-water mark of now."""
        projection = self.projection(spec)
        column = self._insert_time(projection)
        moment = self.dialect.finite(column, self.dialect.kind(projection.column(str(spec.insert_time))))
        highest = f"CAST(max({moment}) AS {self.dialect.text_type})"
        above, parameters = self._above(projection, after)
        top = f"SELECT {highest}, count(*) - count({moment}) FROM {projection.source}{above}"
        upto, unread = self.staging.session.rows(top, parameters or None)[0]
        window = Window(after, upto if upto is not None else after, rows=0, unread=int(unread))
        if window.upto is None:
            return window
        found = self.staging.session.rows(*self._counting(projection, window))
        return replace(window, rows=int(found[0][0]))

    def _above(self, projection: Projection, after: str | None) -> Query:
        """Where the high-water mark is looked for, as the end of a statement: in all rows."""
        return "", {}

    def read(
        self, spec: SyncSpec, window: Window | Part | None = None, sample: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream the table, a window or a part of it, or its first `sample` rows."""
        limit = f" LIMIT {int(sample)}" if sample is not None else ""
        sql, parameters = self._selected(self.projection(spec), window, limit)
        yield from self.staging.session.stream(sql, parameters, plain=" OVER (" not in sql)

    def advice(self, spec: SyncSpec) -> list[str]:
        """What would let runs of the sync read less, or faster; nothing that is known here."""
        return []

    def span(self, spec: SyncSpec, column: str) -> tuple[int, int] | None:
        """The oldest and the newest moment in a column, in milliseconds since the epoch; None where there is none."""
        projection = self.projection(spec)
        moment = self.dialect.epoch_ms(self.dialect.quote(column), self.dialect.kind(projection.column(column)))
        where, parameters = self._range(projection, None)
        sql = f"SELECT min({moment}), max({moment}) FROM {projection.source} WHERE {where}"
        oldest, newest = self.staging.session.rows(sql, parameters)[0]
        return None if newest is None else (int(oldest), int(newest))

    def values(self, spec: SyncSpec, column: str, part: Part | None, most: int) -> tuple[int, dict[str, int]]:
        """How many different values a column has in the table or a part of it, and the rows of the most frequent ones,
        at most `most` of them; NULL is no value."""
        projection = self.projection(spec)
        where, parameters = self._range(projection, part)
        named = self.dialect.quote(projection.column(column).name)
        text = f"CAST({named} AS {self.dialect.text_type})"
        counted = (
            f"SELECT {text} AS value, count(*) AS n FROM {projection.source} WHERE ({where}) AND {named} IS NOT NULL "
            "GROUP BY 1"
        )
        sql = f"SELECT value, n, count(*) OVER () FROM ({counted}) AS counted ORDER BY n DESC, value LIMIT {int(most)}"
        found = self.staging.session.rows(sql, parameters)
        return (int(found[0][2]) if found else 0), {str(value): int(rows) for value, rows, _ in found}

    def selected(self, spec: SyncSpec, window: Window | Part | None = None) -> Query:
        """The statement by which `read` selects rows, with its parameters."""
        return self._selected(self.projection(spec), window)

    def explain(self, spec: SyncSpec, window: Window | Part | None = None) -> str:
        """The statement that selects the rows of the table, a window or a part of it, laid out, after the values of its
        parameters: names and bounds that stand in the sync, never a secret."""
        sql, parameters = self.selected(spec, window)
        return as_comments({name: value for name, value in parameters.items() if value is not None}) + laid_out(sql)

    def _counting(self, projection: Projection, window: Window) -> Query:
        if not self._asks_ledger(projection, window):
            where, parameters = self._range(projection, window)
            return f"SELECT count(*) FROM {projection.source} WHERE {where}", parameters
        sql, parameters = self._selected(projection, window)
        new = f" WHERE {batches.NEW}" if self.staging.apart else ""
        return f"SELECT count(*) FROM ({sql}) AS selected{new}", parameters

    def _selected(self, projection: Projection, window: Window | Part | None, limit: str = "") -> Query:
        """The rows to send: the named rows of the range, without those near the cursor that the ledger knows; where the
        ledger stands apart, with them."""
        where, parameters = self._range(projection, window)
        named = self._named(projection, where, limit, window)
        if not self._asks_ledger(projection, window) or self.staging.apart:
            return named, parameters
        ledger = self.staging.table("ledger", projection.spec.name)
        known = f"SELECT DISTINCT {batches.KEY} AS _mp_known FROM {ledger} WHERE NOT pending"
        return (
            f"SELECT named.* FROM ({named}) AS named LEFT JOIN ({known}) AS sent ON {batches.KEY} = _mp_known "
            f"WHERE {batches.NEW} OR ({batches.KEY} IS NOT NULL AND _mp_known IS NULL)"
        ), parameters

    def _named(self, projection: Projection, where: str, limit: str, window: Window | Part | None) -> str:
        key, flags = projection.key, self._flags(projection, window)
        flagged = "".join(f", {sql} AS {alias}" for alias, sql in flags)
        rest = f"{projection.select_identity()}{flagged}{projection.select_payload()}"
        if key is not None:
            fault = self._fault(projection, key)
            return f"SELECT {key} AS {batches.KEY}{fault}, {rest} FROM {projection.source} WHERE {where}{limit}"
        aliases = ", ".join(alias for alias, _ in [*projection.identity, *flags])
        inner = f"SELECT {self._row_hash(projection)} AS _mp_hash, {rest} FROM {projection.source} WHERE {where}{limit}"
        return f"SELECT {self.ordinal_key}, {aliases}{projection.select_payload()} FROM ({inner}) AS hashed"

    def _fault(self, projection: Projection, key: str) -> str:
        if not projection.needs_unique_keys or projection.spec.on_duplicate_key != "reject":
            return ""
        repeated = f"{key} IS NOT NULL AND count(*) OVER (PARTITION BY {key}) > 1"
        return f", CASE WHEN {repeated} THEN {self.dialect.literal(DUPLICATE)} END AS {batches.FAULT}"

    def _row_hash(self, projection: Projection) -> str:
        """The hash that names a row without a key. It covers the insert time, so that equal rows written at
        different moments, which different windows read, stay different events."""
        content = projection.content
        if projection.spec.insert_time:
            column = projection.column(projection.spec.insert_time)
            moment = self.dialect.tagged("t=", self.dialect.quote(column.name), self.dialect.kind(column))
            content = self.dialect.joined([content, moment])
        return self.dialect.hash_text(content)

    def _insert_time(self, projection: Projection) -> str:
        spec = projection.spec
        if spec.insert_time is None:
            raise SourceError(f"sync {spec.name}: mode append needs insert_time, the column that says when a row was "
                              "written")  # fmt: skip
        return self.dialect.quote(projection.column(spec.insert_time).name)

    def _bound(self, projection: Projection, name: str) -> str:
        column = projection.column(str(projection.spec.insert_time))
        return f"CAST({self.dialect.parameter(name)} AS {column.type})"

    def _earlier(self, projection: Projection, name: str) -> str:
        column = projection.column(str(projection.spec.insert_time))
        seconds = projection.spec.lookback.total_seconds()
        return self.dialect.earlier(self._bound(projection, name), self.dialect.kind(column), seconds)

    def _flags(self, projection: Projection, window: Window | Part | None) -> list[tuple[str, str]]:
        """Which rows the ledger must remember (from `upto - lookback` on), and which lie after the cursor."""
        if not isinstance(window, Window) or window.upto is None:
            return []
        column = self._insert_time(projection)
        flags = [(batches.NEAR, f"{column} >= {self._earlier(projection, 'upto')}"), (batches.INSERT_TIME, column)]
        if self._asks_ledger(projection, window):
            flags.append((batches.NEW, f"{column} > {self._bound(projection, 'after')}"))
        return flags

    def _asks_ledger(self, projection: Projection, window: Window | Part | None) -> bool:
        asked = isinstance(window, Window) and window.after is not None
        return asked and self.staging.exists("ledger", projection.spec.name)

    def _moments(self, projection: Projection, part: Part, parameters: dict[str, object]) -> Query:
        """The moments of a part."""
        if part.column is None:
            return "TRUE", parameters
        column = projection.column(part.column)
        moment = self.dialect.epoch_ms(self.dialect.quote(column.name), self.dialect.kind(column))
        bounds = {"since": (">=", part.since), "before": ("<", part.before)}
        given = {name: (sign, value) for name, (sign, value) in bounds.items() if value is not None}
        where = [f"{moment} {sign} {self._milliseconds(name)}" for name, (sign, _) in given.items()]
        return " AND ".join(where) or "TRUE", parameters | {name: value for name, (_, value) in given.items()}

    def _range(self, projection: Projection, window: Window | Part | None) -> Query:
        """The insert times that may hold rows to send, or a part; everything where there is neither."""
        parameters: dict[str, object] = dict(projection.parameters)
        if isinstance(window, Part):
            held, parameters = self._range(projection, window.within)
            moments, parameters = self._moments(projection, window, parameters)
            return (moments if held == "TRUE" else f"({held}) AND {moments}"), parameters
        if window is None or window.upto is None:
            return "TRUE", parameters
        column = self._insert_time(projection)
        parameters |= {"upto": window.upto, "after": window.after}
        where = f"{column} <= {self._bound(projection, 'upto')}"
        if window.after is not None:
            late = self._asks_ledger(projection, window)
            since = f">= {self._earlier(projection, 'after')}" if late else f"> {self._bound(projection, 'after')}"
            where = f"{column} {since} AND {where}"
        if projection.spec.start_at is None:
            return where, parameters
        # Also after the first run: what was written before is in no ledger, and within the lookback would look late.
        started, given = self._started(projection, projection.spec.start_at)
        return f"{where} AND {started}", parameters | given

    def _started(self, projection: Projection, start_at: datetime) -> Query:
        """The rows that were written at `start_at` or later, as a condition."""
        kind = self.dialect.kind(projection.column(str(projection.spec.insert_time)))
        moment = self.dialect.epoch_ms(self._insert_time(projection), kind)
        given: dict[str, object] = {"start_ms": int(start_at.timestamp() * 1000)}
        return f"{moment} >= {self._milliseconds('start_ms')}", given

    def _milliseconds(self, name: str) -> str:
        return f"CAST({self.dialect.parameter(name)} AS BIGINT)"
