"""Mirror over streams: which buckets are looked at, and that nothing is lost where a stream cannot tell."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from snowflake.connector.errors import ProgrammingError

from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh_tests.stand_ins.snowflake import RunningSnowflake
from mixpanel_wh_tests.warehouses.asking import Mirroring, event_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    with closing(SnowflakeGround(snowflake)) as ground:
        yield ground


@pytest.fixture
def sync(ground: SnowflakeGround) -> Iterator[Mirroring]:
    """A Mirror of 400 people that has run once."""
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(ground.fill("many", 400)))
        assert tally(sync.run()) == {"insert": 400}
        yield sync


def statements(ground: SnowflakeGround, act: Callable[[], object]) -> list[str]:
    """What an act sends to Snowflake."""
    before = len(ground.server.statements())
    act()
    return ground.server.statements()[before:]


def fingerprints(found: list[str]) -> list[str]:
    """The statements that read the whole table to find what changed."""
    return [one for one in found if "SUM(HASH(" in one]


def edit(ground: SnowflakeGround) -> dict[str, str]:
    """An insert, an update and a delete, and what they become."""
    ground.run(f"""UPDATE {ground.source("many")} SET "word" = 'new' WHERE "id" = 7""")
    ground.run(f"""DELETE FROM {ground.source("many")} WHERE "id" = 8""")
    ground.run(f"""INSERT INTO {ground.source("many")} VALUES (1000, 'x')""")
    return {"7": "update", "8": "delete", "1000": "insert"}


def test_a_stream_tells_which_rows_to_look_at(ground: SnowflakeGround, sync: Mirroring) -> None:
    assert fingerprints(statements(ground, lambda: sync.run())) == []
    changed = edit(ground)
    found: list[dict[str, str]] = []
    sent = statements(ground, lambda: found.append(ops(sync.run())))
    assert found == [changed]
    assert fingerprints(sent) == []
    assert [one for one in sent if one.startswith("INSERT INTO") and "SELECT DISTINCT BITAND(HASH" in one]
    assert sync.run() == []


def test_what_a_stream_told_a_look_that_is_thrown_away_it_tells_the_next_run(
    ground: SnowflakeGround, sync: Mirroring
) -> None:
    changed = edit(ground)
    assert ops(sync.look()) == changed
    ground.run(f"""UPDATE {ground.source("many")} SET "word" = 'newer' WHERE "id" = 9""")
    assert ops(sync.look()) == changed | {"9": "update"}
    found: list[dict[str, str]] = []
    assert fingerprints(statements(ground, lambda: found.append(ops(sync.run())))) == []
    assert found == [changed | {"9": "update"}]
    assert sync.run() == []


@pytest.mark.long
def test_without_streams_the_fingerprints_of_all_buckets_tell(snowflake: RunningSnowflake) -> None:
    with closing(SnowflakeGround(snowflake, {"streams": "off"})) as ground, closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(ground.fill("many", 400)))
        assert tally(sync.run()) == {"insert": 400}
        changed = edit(ground)
        assert ops(sync.run()) == changed
        assert not [name for name in snowflake.engine.streams.streams if ground.schema in name]


@pytest.mark.long
@pytest.mark.parametrize("gone", ["stale", "dropped", "buckets"])
def test_a_stream_that_can_tell_nothing_falls_back_to_a_look_at_everything(
    ground: SnowflakeGround, sync: Mirroring, gone: str
) -> None:
    changed = edit(ground)
    (name,) = [name for name in ground.server.engine.streams.streams if ground.staging in name]
    if gone == "stale":
        ground.server.engine.streams.streams[name].stale = True
    else:
        kind, which = ("STREAM", name) if gone == "dropped" else ("TABLE", name.replace("stream_", "buckets_"))
        ground.run(f"DROP {kind} {which}")
    assert ops(sync.run()) == changed, "and nothing else is sent again"
    assert ("stale" in sync.pending.note) == (gone == "stale")
    ground.run(f"""UPDATE {ground.source("many")} SET "word" = 'newer' WHERE "id" = 9""")
    found: list[dict[str, str]] = []
    assert fingerprints(statements(ground, lambda: found.append(ops(sync.run())))) == []
    assert found == [{"9": "update"}]


def test_a_table_made_anew_sends_only_what_differs(ground: SnowflakeGround, sync: Mirroring) -> None:
    ground.run(f"""CREATE OR REPLACE TABLE {ground.source("many")} AS SELECT "id", "word" FROM {ground.source("many")}
               WHERE "id" <> 8 UNION ALL SELECT 1000, 'x'""")  # fmt: skip
    assert ops(sync.run()) == {"8": "delete", "1000": "insert"}
    assert "stale" in sync.pending.note
    assert sync.run() == []


@pytest.mark.long
def test_another_table_under_the_same_sync_sends_only_what_differs(ground: SnowflakeGround, sync: Mirroring) -> None:
    ground.run(f"CREATE TABLE {ground.source('other')} AS SELECT * FROM {ground.source('many')} WHERE \"id\" <> 8")
    moved = sync.under(table=ground.name("other"))
    assert ops(moved.run()) == {"8": "delete"}
    assert "another table" in moved.pending.note


@pytest.mark.long
def test_a_crash_at_any_statement_loses_nothing_and_repeats_nothing(ground: SnowflakeGround, sync: Mirroring) -> None:
    changed = edit(ground)
    steps = len(statements(ground, lambda: sync.stage())) - 1
    sync.commit(settle=True)
    assert ops(sync.run()) == changed
    assert steps > 10
    for step in range(3, steps, 2):
        crash_and_run(ground, sync, step, from_statement(step))
    assert sync.run() == []


def test_a_crash_right_after_the_stream_was_moved_loses_nothing_and_repeats_nothing(
    ground: SnowflakeGround, sync: Mirroring
) -> None:
    moved = re.compile('INSERT INTO .*"buckets_people" SELECT DISTINCT')
    passed: list[int] = []

    def dies(number: int, sql: str) -> bool:
        passed.extend([number] if moved.match(sql) else [])
        return bool(passed) and number > passed[0]

    crash_and_run(ground, sync, 1, dies)
    assert passed
    assert sync.run() == []


def from_statement(step: int) -> Callable[[int, str], bool]:
    """Nothing answers from that statement on."""
    return lambda number, sql: number >= step


def crash_and_run(ground: SnowflakeGround, sync: Mirroring, mark: int, dies: Callable[[int, str], bool]) -> None:
    """Change two rows, stage them in a run in which nothing answers any more once `dies` says so of a statement (its
    number and its text), and see that the next run finds these two and nothing else."""
    ground.run(f"""UPDATE {ground.source("many")} SET "word" = 'at {mark}' WHERE "id" IN (20, 21)""")
    numbers, dead = itertools.count(), list[str]()

    def broken(sql: str) -> None:
        if dead or dies(next(numbers), sql):
            dead.append(sql)
            raise ProgrammingError(msg="the connection is gone", errno=604, sqlstate="57014")

    with closing(ground.open()) as other:
        dying = replace(sync, warehouse=other)
        ground.server.engine.broken = broken
        try:
            with pytest.raises(MixpanelWhError):
                dying.stage()
        finally:
            ground.server.engine.broken = lambda sql: None
    assert ops(sync.run()) == {"20": "update", "21": "update"}, mark


@pytest.mark.long
def test_changes_of_a_run_that_was_given_up_come_again(ground: SnowflakeGround, sync: Mirroring) -> None:
    changed = edit(ground)
    sync.stage()
    sync.commit(settle=True)
    assert ops(sync.run()) == changed


@pytest.mark.long
def test_a_delete_that_was_rejected_comes_again(ground: SnowflakeGround, sync: Mirroring) -> None:
    ground.run(f"""DELETE FROM {ground.source("many")} WHERE "id" = 8""")
    assert ops(sync.run(rejected=["8"])) == {"8": "delete"}
    assert ops(sync.run()) == {"8": "delete"}
    assert sync.run() == []


@pytest.mark.long
def test_equal_rows_without_a_key_are_told_by_the_stream_too(ground: SnowflakeGround) -> None:
    table = ground.make("log", {"word": "VARCHAR", "at": "TIMESTAMP_NTZ"}, [("a", "2024-03-01")] * 3 + [("b", "2024-03-01")])
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, event_spec(table, row_key=()))
        assert tally(sync.run()) == {"insert": 4}
        ground.run(f"INSERT INTO {ground.source('log')} SELECT * FROM {ground.source('log')} WHERE \"word\" = 'b'")
        assert tally(sync.run()) == {"insert": 1}
        ground.run(f"DELETE FROM {ground.source('log')} WHERE \"word\" = 'a'")
        assert tally(sync.run()) == {"delete": 3}


@pytest.mark.long
def test_a_table_of_which_there_can_be_no_stream_is_compared_whole_and_the_run_says_why(ground: SnowflakeGround) -> None:
    table = ground.fill("many", 400)
    ground.server.engine.streams.untracked.add(ground.source("many"))
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        assert tally(sync.run()) == {"insert": 400}
        assert "CHANGE_TRACKING" in sync.pending.note
        changed = edit(ground)
        assert ops(sync.run()) == changed


def view(ground: SnowflakeGround, sql: str) -> TableName:
    """A view over 400 rows."""
    ground.fill("many", 400)
    ground.run(f"CREATE VIEW {ground.source('seen')} AS {sql.format(ground.source('many'))}")
    return ground.name("seen")


@pytest.mark.long
@pytest.mark.parametrize(
    ("kinds", "sql", "streamed"),
    [
        ("tables", 'SELECT * FROM {}', False),
        ("all", 'SELECT * FROM {}', True),
        ("all", 'SELECT "id", MAX("word") AS "word" FROM {} GROUP BY "id"', False),
    ],
)
def test_views_have_streams_where_they_are_asked_for_and_may(
    ground: SnowflakeGround, kinds: str, sql: str, streamed: bool
) -> None:
    table = view(ground, sql)
    ground.settings = {"streams": kinds}
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(table))
        sync.run()
        changed = edit(ground)
        found: list[dict[str, str]] = []
        sent = statements(ground, lambda: found.append(ops(sync.run())))
        assert found == [changed]
        assert bool(fingerprints(sent)) != streamed
