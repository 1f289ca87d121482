"""Audits: whether Mixpanel holds what the table says, in numbers or in content. Nothing is written anywhere.

What cannot be there yet is left out: events with a time after the last run began, and rows that Append has not read.
What runs rejected is not expected, and what Mixpanel itself refused is excused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from mixpanel_wh.engine.audit_result import AuditOptions, AuditResult, Compare, Readable, iso
from mixpanel_wh.engine.batches import KEY
from mixpanel_wh.engine.comparison import Comparison, Difference, Findings, Record, joined
from mixpanel_wh.engine.ports import Part, Window
from mixpanel_wh.engine.run import OnProgress, Progress
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh.engine.tally import fidelity

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpanel_wh.engine.ports import Warehouse

DAY_MS = 86_400_000
PIECES = 20  # how many reads of Mixpanel one audit costs; an hour has 60
ROWS_A_PIECE = 500_000
NAMES_ASKED = 100
NAMES_COUNTED = 20
PROFILES_READ, PROFILES_SAMPLED = 40_000, 10_000
REJECTIONS_KNOWN = 100_000
SHOW_EVERY = 2_000
USUAL = AuditOptions()
NEVER_TAKEN_AWAY = {
    Mode.APPEND: "append takes nothing away: rows that left the table stay in Mixpanel",
    Mode.ONE_TIME: "one_time sends once: what changed in the table later differs for good",
}


def audit_sync(
    spec: SyncSpec,
    warehouse: Warehouse,
    mixpanel: Readable,
    options: AuditOptions = USUAL,
    on_progress: OnProgress | None = None,
) -> AuditResult:
    """Compare the table with what Mixpanel holds of it.

    `on_progress` is told how many rows and records were read. Raises SourceError, ConfigError (no service account) and
    DestinationError.
    """
    return _Audit(spec, warehouse, mixpanel, options, on_progress or (lambda progress: None)).result()


class _Audit:
    """The course of one audit; used once."""

    def __init__(
        self, spec: SyncSpec, warehouse: Warehouse, mixpanel: Readable, options: AuditOptions, on_progress: OnProgress
    ) -> None:
        self.spec, self.warehouse, self.options, self.on_progress = spec, warehouse, options, on_progress
        self.tables = warehouse.tables
        table = self.tables.describe(spec.table)
        state = warehouse.state.load(spec.name)
        self.checkpoint, self.unfinished = state.checkpoint, state.pending is not None
        self.encoder = mixpanel.encoder(spec, table, self.checkpoint.epoch)
        self.reader = mixpanel.reader(spec, table)
        self.rows = self.rejected = self.read = 0
        self.started = time.monotonic()
        last = warehouse.state.last_result(spec.name)
        self.last_run = datetime.fromisoformat(str(last["started_at"])) if last else None

    def result(self) -> AuditResult:
        """Compare, in the way of the record type."""
        ways: dict[tuple[RecordType, Compare], Callable[[], AuditResult]] = {
            (RecordType.EVENT, Compare.CONTENT): self._events,
            (RecordType.EVENT, Compare.COUNTS): self._event_counts,
            (RecordType.LOOKUP, Compare.CONTENT): self._lookup,
            (RecordType.LOOKUP, Compare.COUNTS): self._lookup,
        }
        counts = self.options.compare is Compare.COUNTS
        found = ways.get((self.spec.record, self.options.compare), self._profile_count if counts else self._profiles)()
        told = replace(found, rows=self.rows or found.rows, rejected=self.rejected or found.rejected)
        return replace(told, note="; ".join(filter(None, [found.note, *self._notes(told)])))

    def _notes(self, found: AuditResult) -> Iterator[str]:
        """What a difference may come from, besides a fault."""
        if not self.last_run:
            yield "the sync has not run yet"
        if found.excused:
            yield f"{found.excused:,} more were refused by Mixpanel, as its runs told"
        if found.agrees or not self.last_run:
            return
        yield f"the last run began at {self.last_run.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}, and what was written to " \
              "the table since then differs until the next one"  # fmt: skip
        if self.unfinished:
            yield "a run is unfinished, and the next one finishes it"
        if found.extra or found.differing:
            if self.spec.mode in NEVER_TAKEN_AWAY:
                yield NEVER_TAKEN_AWAY[self.spec.mode]
            if fidelity(self.spec) == "best_effort":
                yield "updates and deletes of events are best effort in Mixpanel"

    # Events

    def _events(self) -> AuditResult:
        since, before = self._span()
        rows = self.tables.count(self.spec, self._part(self.spec.time_column, since, before)) if since < before else 0
        found = joined([self._piece(*piece) for piece in pieces(since, before, rows)])
        return self._made(found, since, before)

    def _span(self) -> tuple[int, int]:
        """From the midnight that begins the first of the days to the newest event that a run can have sent."""
        assert self.spec.time_column
        held = self.tables.span(self.spec, self.spec.time_column)
        started = _ms(self.last_run or datetime.now(UTC))
        bounds = [started, held[1] + 1 if held else None, self.options.before]
        before = min(bound for bound in bounds if bound is not None)
        if self.options.since is not None:
            return self.options.since, before
        if self.options.compare is Compare.COUNTS:
            return (held[0] if held else before), before
        return (before - 1) // DAY_MS * DAY_MS - (self.options.days - 1) * DAY_MS, before

    def _piece(self, since: int, before: int) -> Findings:
        comparison, part = Comparison(whole=True), self._part(self.spec.time_column, since, before)
        names = self._expect(comparison, part)
        if self.spec.event_name and not self.spec.event_column:
            names = {self.spec.event_name}
        asked = sorted(names) if 0 < len(names) <= NAMES_ASKED else None
        self._hold(comparison, self.reader.events(asked, since, before))
        if comparison.untold:
            comparison.tell(record for batch in self.tables.read(self.spec, part) for record in self._records(batch))
        return comparison.findings()

    def _event_counts(self) -> AuditResult:
        """Rows and visible events of each name. Mixpanel counts whole days, so rows are cut at days too."""
        since, before = self._span()
        since, before = since // DAY_MS * DAY_MS, -(-before // DAY_MS) * DAY_MS
        part = self._part(self.spec.time_column, since, before)
        names, of_names, rows = self._names_counted(part)
        margin = DAY_MS if self.options.since is None and self.options.before is None else 0
        held = {name: self.reader.count(name, since - margin, before + margin) for name in of_names} if rows else {}
        self._tell(sum(held.values()))
        few = f"only the {NAMES_COUNTED} most frequent of {names:,} event names were counted"
        found = self._numbers(of_names, held)
        apart = [
            Difference("missing" if count > held[name] else "extra", (name,), None, f"{count:,}", f"{held[name]:,}")
            for name, count in of_names.items() if rows and count != held[name]
        ]  # fmt: skip
        made = self._made(found, since, before)
        return replace(made, note=few if names > len(of_names) else "", differences=() if made.agrees else tuple(apart))

    def _names_counted(self, part: Part | None) -> tuple[int, dict[str, int], int]:
        """How many event names there are, the rows of the most frequent ones, and of all of them."""
        if self.spec.event_column:
            names, most = self.tables.values(self.spec, self.spec.event_column, part, NAMES_COUNTED)
            return names, most, sum(most.values())
        rows = self.tables.count(self.spec, part)
        return 1, {str(self.spec.event_name): rows}, rows

    def _numbers(self, rows: dict[str, int], held: dict[str, int]) -> Findings:
        """Rows against records, name by name, where as many as runs rejected may be absent."""
        self.rows, seen = sum(rows.values()), sum(held.values())
        absent = sum(max(0, count - held.get(name, 0)) for name, count in rows.items())
        extra = sum(max(0, held.get(name, 0) - count) for name, count in rows.items())
        self.rejected = min(absent, len(self._rejections))
        return Findings(self.rows - self.rejected, seen, missing=absent - self.rejected, extra=extra)

    # Profiles and lookup tables

    def _profiles(self) -> AuditResult:
        comparison = Comparison(whole=False)
        self._expect(comparison, self._part(None, None, None))
        profiles = self.reader.profiles()
        records = profiles.records
        if profiles.total > PROFILES_READ:
            comparison.thin_to(PROFILES_SAMPLED)
            records = self.reader.profiles([one[-1] for one in comparison.identities]).records
        self._hold(comparison, records)
        found = comparison.findings()
        ours = tuple(one for one in found.differences if one.kind != "extra")
        return replace(
            self._made(replace(found, held=found.held - found.extra, extra=0, differences=ours)), total=profiles.total
        )

    def _profile_count(self) -> AuditResult:
        """The project's profiles are everybody's, so only too few of them are a difference."""
        assert self.spec.id_column
        ids, _ = self.tables.values(self.spec, self.spec.id_column, self._part(None, None, None), 1)
        total = self.reader.profiles().total
        found = self._numbers({"": ids}, {"": min(total, ids)})
        return replace(self._made(found), total=total)

    def _lookup(self) -> AuditResult:
        """Mixpanel lists its lookup tables and gives no rows back, so what counts is what was sent last."""
        rows = self.tables.count(self.spec)
        name = f"lookup table '{self.spec.lookup_table_id}'"
        if not self.reader.has_lookup_table():
            made = self._made(Findings(expected=rows, missing=rows))
            return replace(made, rows=rows, note=f"Mixpanel lists no {name}")
        sent = self.checkpoint.fingerprint
        changed = sent is not None and self.tables.fingerprint(self.spec) != sent
        told = "the table is no longer what was sent last" if changed else ""
        read_back = f"Mixpanel lists {name}, and has no way to read its rows back"
        note = "; ".join(filter(None, [read_back, told]))
        return replace(self._made(Findings(expected=rows, differing=int(changed))), rows=rows, held=None, note=note)

    # Both ends

    def _expect(self, comparison: Comparison, part: Part | None) -> set[str]:
        """Expect the records of a part of the table; the event names among them, as far as they are few."""
        names: set[str] = set()
        refused = {one["row_key"] for one in self._rejections if one["origin"] == "mixpanel"}
        for batch in self.tables.read(self.spec, part):
            keys = batch.column(KEY).to_pylist() if refused else [None] * batch.num_rows
            for key, record in zip(keys, self._encoded(batch), strict=True):
                if record is None:
                    continue
                comparison.expect(record, excused=key is not None and key in refused)
                if len(names) <= NAMES_ASKED:
                    names.add(record.identity[0])
            self.rows += batch.num_rows
            self._tell(batch.num_rows)
        return names

    def _hold(self, comparison: Comparison, records: Iterator[Record]) -> None:
        for number, record in enumerate(records, 1):
            comparison.hold(record)
            if number % SHOW_EVERY == 0:
                self._tell(SHOW_EVERY)

    def _encoded(self, batch: pa.RecordBatch) -> Iterator[Record | None]:
        """The record of each row; None for those that are rejected, which are counted."""
        encoded = self.encoder.encode(batch)
        self.rejected += encoded.rejected.num_rows if encoded.rejected is not None else 0
        yield from self.reader.expected(encoded.lines)

    def _records(self, batch: pa.RecordBatch) -> Iterator[Record]:
        found = self.reader.expected(self.encoder.encode(batch).lines)
        yield from (record for record in found if record is not None)

    @cached_property
    def _rejections(self) -> list[dict[str, str]]:
        """The rows that runs rejected, each once."""
        found = self.warehouse.state.rejections(self.spec.name, limit=REJECTIONS_KNOWN)
        keyed = {one["row_key"]: one for one in found if one["row_key"] is not None}
        return [*keyed.values(), *(one for one in found if one["row_key"] is None)]

    def _part(self, column: str | None, since: int | None, before: int | None) -> Part | None:
        """The rows to look at; of Append those that its windows held so far."""
        cursor = self.checkpoint.cursor if self.spec.mode is Mode.APPEND else None
        within = Window(None, cursor, 0) if cursor else None
        return Part(column, since, before, within=within) if column or within else None

    def _made(self, found: Findings, since: int | None = None, before: int | None = None) -> AuditResult:
        numbers = {name: getattr(found, name) for name in Findings.__dataclass_fields__}
        spec, compare = self.spec, self.options.compare.value
        made = AuditResult(spec.name, spec.record.value, spec.mode.value, compare, **numbers)
        return made if since is None or before is None else replace(made, since=iso(since), before=iso(before))

    def _tell(self, more: int) -> None:
        self.read += more
        self.on_progress(Progress(self.spec.name, self.read, None, time.monotonic() - self.started, self.rejected))


def pieces(since: int, before: int, rows: int) -> Iterator[tuple[int, int]]:
    """The span in pieces that end at midnight UTC, as Mixpanel's export cuts events: one where the table has few rows
    in it, at most `PIECES` where it has many."""
    days = max(1, -(-(before - since) // DAY_MS))
    wanted = min(PIECES, days, max(1, -(-rows // ROWS_A_PIECE)))
    step = -(-days // wanted) * DAY_MS
    start = since
    while start < before:
        end = min(before, start // DAY_MS * DAY_MS + step)
        yield start, end
        start = end


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
