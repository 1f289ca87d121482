"""The table that the engine's tests sync, one spec for each way to sync it, and edits that every mode can follow."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mixpanel_wh.engine.spec import Limit, Mode, RecordType, SyncSpec, TableName
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

TABLE = TableName(("main", "words"))
WORDS = {"id": "VARCHAR", "word": "VARCHAR", "at": "TIMESTAMP", "written": "TIMESTAMP"}
DAY = "2024-03-01 12:00:00"
LATER = "2024-03-02 12:00:00"

EVENT = SyncSpec("events", TABLE, RecordType.EVENT, Mode.MIRROR, event_name="Word", time_column="at")
MIRROR = replace(EVENT, name="mirrored", row_key=("id",))
PEOPLE = SyncSpec("people", TABLE, RecordType.USER, Mode.MIRROR, distinct_id="id")
APPEND = replace(MIRROR, name="appended", mode=Mode.APPEND, insert_time="written", lookback=timedelta(days=2))
FULL = replace(PEOPLE, name="full", mode=Mode.FULL)
ONE_TIME = replace(PEOPLE, name="once", mode=Mode.ONE_TIME)
PLACES = SyncSpec("places", TABLE, RecordType.LOOKUP, Mode.MIRROR, lookup_id="id", lookup_table_id="places")
EVERY = (MIRROR, PEOPLE, APPEND, FULL, ONE_TIME, PLACES)
ANY = Limit()


def line(key: object, word: object = "good", written: str = DAY) -> tuple[object, ...]:
    """One row."""
    return (None if key is None else str(key), word, DAY, written)


def make(ground: DuckDBGround, rows: int = 35) -> None:
    """The table, with keys from 0 on."""
    ground.make("words", WORDS, [line(n) for n in range(rows)])


def fill(ground: DuckDBGround, rows: int, word: str = "good") -> None:
    """The table with many rows, whose keys are k0, k1 and so on."""
    moment = f"TIMESTAMP '{DAY}'"
    ground.run(f"CREATE OR REPLACE TABLE words AS SELECT 'k' || range AS id, '{word}' AS word, {moment} AS at, "
               f"{moment} AS written FROM range({rows})")  # fmt: skip


def add(ground: DuckDBGround, *rows: tuple[object, ...]) -> None:
    """More rows."""
    ground.add("words", WORDS, rows)


def edit(ground: DuckDBGround, spec: SyncSpec) -> None:
    """Rows that come, change and go, as far as the mode of the sync can see them."""
    add(ground, line("new", written=LATER), line("late"))
    if spec.mode is not Mode.APPEND:
        ground.change("words", "word", "changed", "VARCHAR", "id IN ('3', '33')")
    if spec.mode is Mode.MIRROR:
        ground.remove("words", "id = '4'")


def expected(ground: DuckDBGround) -> dict[str, Any]:
    """What Mixpanel should hold: the word of each key."""
    return dict(ground.rows("SELECT id, word FROM words"))
