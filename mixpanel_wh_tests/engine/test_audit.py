"""The course of an audit over a real table and a Mixpanel in memory: what is read, what is allowed for, what is told."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine.audit import PROFILES_READ, audit_sync
from mixpanel_wh.engine.audit_result import AuditOptions, AuditResult, Compare, Profiles
from mixpanel_wh.engine.comparison import Record
from mixpanel_wh.engine.errors import DestinationUnavailable
from mixpanel_wh.engine.ports import Table, Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh_tests.engine.memory import MemoryMixpanel, MemoryProject, PlainEncoder
from mixpanel_wh_tests.engine.tables import MIRROR, PEOPLE, fill
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

COUNTS = AuditOptions(Compare.COUNTS)


@dataclass
class MemoryReader:
    """`audit_result.Reader` over what a project in memory holds. `copies` are read before what is held; `strangers` is
    how many profiles others made; every question is noted in `asked`."""

    project: MemoryProject
    spec: SyncSpec
    copies: list[Record] = field(default_factory=list)
    strangers: int = 0
    lookup_tables: set[str] = field(default_factory=set)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def expected(self, lines: pa.Array) -> Iterator[Record | None]:
        """The record of each line."""
        for line in lines.to_pylist():
            sent = json.loads(line) if line else None
            yield Record((sent["key"],), sent["sent"]) if sent else None

    def events(self, names: Sequence[str] | None, since: int, before: int) -> Iterator[Record]:
        """Everything that is held, whatever its time: one table, one span."""
        self.asked.append(("events", since, before))
        yield from self.copies
        yield from self._held()

    def count(self, name: str, since: int, before: int) -> int:
        """How many there are."""
        self.asked.append(("count", name, since, before))
        return len(self.project.held)

    def profiles(self, ids: Sequence[str] | None = None) -> Profiles:
        """All of them, or those of the ids."""
        self.asked.append(("profiles", None if ids is None else len(ids)))
        found = [one for one in self._held() if ids is None or one.identity[-1] in ids]
        return Profiles(len(self.project.held) + self.strangers, iter(found))

    def has_lookup_table(self) -> bool:
        """Whether it is among those."""
        return self.spec.lookup_table_id in self.lookup_tables

    def _held(self) -> Iterator[Record]:
        for key, sent in self.project.held.items():
            yield Record((key,), sent, stamp=1)


@dataclass
class ReadableMixpanel(MemoryMixpanel):
    """A Mixpanel in memory that can be read back."""

    def __post_init__(self) -> None:
        self.reading: MemoryReader | None = None

    def reader(self, spec: SyncSpec, table: Table) -> MemoryReader:
        """The one reader."""
        self.reading = self.reading or MemoryReader(self.project, spec)
        return self.reading

    @property
    def asked(self) -> list[tuple[Any, ...]]:
        """What the reader was asked."""
        assert self.reading
        return self.reading.asked


@pytest.fixture
def mixpanel() -> ReadableMixpanel:
    return ReadableMixpanel()


@pytest.fixture
def open_warehouse(ground: DuckDBGround) -> Iterator[Warehouse]:
    fill(ground, 100)
    with closing(ground.open()) as warehouse:
        yield warehouse


def counts(found: AuditResult) -> tuple[int, int, int]:
    return found.missing, found.extra, found.differing


def prepared(mixpanel: ReadableMixpanel, spec: SyncSpec, **more: Any) -> ReadableMixpanel:
    """The same Mixpanel with a reader of these qualities."""
    mixpanel.reading = MemoryReader(mixpanel.project, spec, **more)
    return mixpanel


@pytest.mark.parametrize("spec", [MIRROR, PEOPLE], ids=lambda spec: spec.name)
def test_what_was_sent_is_found_whole(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel, spec: SyncSpec
) -> None:
    run_sync(spec, open_warehouse, mixpanel)
    found = audit_sync(spec, open_warehouse, mixpanel)
    assert (found.agrees, found.rows, found.expected, found.held) == (True, 100, 100, 100)
    assert found.sentence.startswith("100 records of the table")
    assert found.note == ""


def test_before_the_first_run_everything_is_missing_and_it_is_said_why(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    found = audit_sync(PEOPLE, open_warehouse, mixpanel)
    assert (counts(found), found.note) == ((100, 0, 0), "the sync has not run yet")
    assert len(found.differences) == 20


def test_planted_differences_are_each_found_for_their_own_reason(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    run_sync(MIRROR, open_warehouse, mixpanel)
    held = mixpanel.project.held
    held["k1"] = {**held["k1"], "word": "another"}
    held["stray"] = dict(held["k2"])
    del held["k3"]
    found = audit_sync(MIRROR, open_warehouse, mixpanel)
    assert counts(found) == (1, 1, 1)
    told = {(one.kind, one.record, one.property_name) for one in found.differences}
    assert told == {("missing", "k3", None), ("extra", "stray", None), ("differing", "k1", "word")}
    assert "best effort" in found.note
    assert "the last run began at" in found.note


def test_older_copies_and_tombstones_are_told_from_what_counts(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    run_sync(MIRROR, open_warehouse, mixpanel)
    del mixpanel.project.held["k5"]
    copies = [
        Record(("k1",), {"word": "older"}), Record(("k4",), deleted=True), Record(("k5",), {"word": "x"}),
        Record(("k5",), deleted=True), Record(("gone",), {"word": "x"}), Record(("gone",), deleted=True),
    ]  # fmt: skip
    found = audit_sync(MIRROR, open_warehouse, prepared(mixpanel, MIRROR, copies=copies))
    assert [(one.kind, one.record) for one in found.differences] == [("missing", "k5")]
    assert counts(found) == (1, 0, 0)


def test_rejected_rows_are_not_expected_and_refused_ones_are_excused(
    ground: DuckDBGround, open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    ground.change("words", "word", "bad", "VARCHAR", "id = 'k7'")
    mixpanel.project.refuses = lambda record: "no" if record["key"] == "k9" else None
    run_sync(MIRROR, open_warehouse, mixpanel)
    found = audit_sync(MIRROR, open_warehouse, mixpanel)
    assert (found.agrees, found.rejected, found.excused, found.expected, found.held) == (True, 1, 1, 99, 98)
    assert "1 more were refused by Mixpanel" in found.sentence
    numbers = audit_sync(MIRROR, open_warehouse, mixpanel, COUNTS)
    assert (numbers.agrees, numbers.rejected, numbers.held) == (True, 2, 98)
    del mixpanel.project.held["k1"]
    assert counts(audit_sync(MIRROR, open_warehouse, mixpanel, COUNTS)) == (1, 0, 0)


def test_a_run_that_is_unfinished_is_told(open_warehouse: Warehouse, mixpanel: ReadableMixpanel) -> None:
    mixpanel.project.fails_after = 1
    with pytest.raises(DestinationUnavailable):
        run_sync(MIRROR, open_warehouse, mixpanel)
    found = audit_sync(MIRROR, open_warehouse, mixpanel)
    assert found.missing
    assert "a run is unfinished, and the next one finishes it" in found.note


def test_a_mode_that_takes_nothing_away_says_so_when_something_is_extra(
    ground: DuckDBGround, open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    once = replace(MIRROR, mode=Mode.ONE_TIME)
    run_sync(once, open_warehouse, mixpanel)
    ground.run("DELETE FROM words WHERE id = 'k1'")
    found = audit_sync(once, open_warehouse, mixpanel)
    assert counts(found) == (0, 1, 0)
    assert "one_time sends once" in found.note


def test_the_project_is_everybodys_so_profiles_of_others_are_no_difference(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    run_sync(PEOPLE, open_warehouse, mixpanel)
    prepared(mixpanel, PEOPLE, strangers=7)
    found = audit_sync(PEOPLE, open_warehouse, mixpanel)
    assert (found.agrees, found.total, found.held) == (True, 107, 100)
    numbers = audit_sync(PEOPLE, open_warehouse, mixpanel, COUNTS)
    assert (numbers.agrees, numbers.held, numbers.total) == (True, 100, 107)
    assert "agree in number" in numbers.sentence
    mixpanel.project.held.clear()
    assert counts(audit_sync(PEOPLE, open_warehouse, mixpanel, COUNTS)) == (93, 0, 0)


def test_of_more_profiles_than_can_be_read_in_an_hour_those_of_a_sample_are_asked_for(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixpanel_wh.engine.audit.PROFILES_SAMPLED", 30)
    run_sync(PEOPLE, open_warehouse, mixpanel)
    prepared(mixpanel, PEOPLE, strangers=PROFILES_READ)
    found = audit_sync(PEOPLE, open_warehouse, mixpanel)
    assert (found.agrees, found.share in (0.25, 0.125)) == (True, True)
    assert mixpanel.asked == [("profiles", None), ("profiles", found.expected)]
    del mixpanel.project.held["k1"], mixpanel.project.held["k2"], mixpanel.project.held["k3"]
    for key in list(mixpanel.project.held)[:40]:
        mixpanel.project.held[key] = {**mixpanel.project.held[key], "word": "another"}
    assert audit_sync(PEOPLE, open_warehouse, mixpanel).differing


def test_many_rows_are_read_in_pieces_that_cover_the_span(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixpanel_wh.engine.audit.ROWS_A_PIECE", 1)
    run_sync(MIRROR, open_warehouse, mixpanel)
    audit_sync(MIRROR, open_warehouse, mixpanel)
    spans = [asked[1:] for asked in mixpanel.asked]
    assert len(spans) == 7
    assert [before for _, before in spans[:-1]] == [since for since, _ in spans[1:]]


def test_an_audit_leaves_the_state_and_what_is_held_as_they_were(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    run_sync(MIRROR, open_warehouse, mixpanel)
    before = open_warehouse.state.load(MIRROR.name), dict(mixpanel.project.held), len(mixpanel.project.records)
    for options in (AuditOptions(), COUNTS):
        audit_sync(MIRROR, open_warehouse, mixpanel, options)
    after = open_warehouse.state.load(MIRROR.name), dict(mixpanel.project.held), len(mixpanel.project.records)
    assert after == before


def test_a_lookup_table_that_is_not_listed_is_missing_as_a_whole(
    open_warehouse: Warehouse, mixpanel: ReadableMixpanel
) -> None:
    lookup = SyncSpec("words", MIRROR.table, RecordType.LOOKUP, Mode.FULL, lookup_table_id="words", lookup_id="id")
    found = audit_sync(lookup, open_warehouse, prepared(mixpanel, lookup))
    assert (counts(found), found.held) == ((100, 0, 0), 0)
    listed = audit_sync(lookup, open_warehouse, prepared(mixpanel, lookup, lookup_tables={"words"}))
    assert (listed.agrees, listed.held) == (True, None)
    assert isinstance(mixpanel.encoder(lookup, Table(lookup.table, ()), 0), PlainEncoder)
