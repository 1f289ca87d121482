"""Mirror of Delta tables by their change data feed: what is read, and what happens where the feed tells nothing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import DuplicateKeys, SourceError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Mode, Properties
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.asking import Mirroring, Row, event_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround


@pytest.fixture(params=["in the workspace", pytest.param("in a file", marks=pytest.mark.long)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where the staging schema stands."""
    return {"staging_path": str(tmp_path / "staging.duckdb")} if request.param == "in a file" else {}


@pytest.fixture
def ground(databricks: RunningDatabricks, settings: dict[str, Any]) -> Iterator[DatabricksGround]:
    with closing(DatabricksGround(databricks, settings)) as ground:
        yield ground


@pytest.fixture
def warehouse(ground: DatabricksGround) -> Iterator[Warehouse]:
    with closing(ground.open()) as warehouse:
        yield warehouse


def started(ground: DatabricksGround, warehouse: Warehouse, rows: int = 500, table: str = "many") -> Mirroring:
    """A sync of that many rows that ran once."""
    sync = Mirroring(warehouse, user_spec(ground.fill(table, rows)))
    assert tally(sync.run()) == {"insert": rows}
    return sync


def set_word(ground: DatabricksGround, word: str, where: str) -> None:
    """One commit of the table."""
    ground.run(f"UPDATE {ground.source('many')} SET word = '{word}' WHERE {where}")


def watched(ground: DatabricksGround, sync: Mirroring) -> tuple[list[Row], list[str]]:
    """A run's changes and the statements that it sent."""
    before = len(ground.server.statements())
    return sync.run(), ground.server.statements()[before:]


def test_fifty_commits_between_two_runs_send_each_changed_row_once(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    for n in range(47):
        set_word(ground, f"new {n}", f"id IN ({n % 7}, {100 + n})")
    ground.run(f"INSERT INTO {ground.source('many')} VALUES (900, 'a'), (901, 'b')")
    ground.remove("many", "id IN (3, 901)")
    set_word(ground, "w5", "id = 5")
    found, statements = watched(ground, sync)
    assert sync.pending.note.startswith("versions 1 to 50 of ")
    wanted = {str(n): "update" for n in (0, 1, 2, 4, 6, *range(100, 147))}
    assert ops(found) == wanted | {"900": "insert", "3": "delete"}
    assert next(row["word"] for row in found if row[batches.KEY] == "1") == "new 43"
    assert [one for one in statements if "table_changes(" in one and ", 1, 50)" in one]
    assert sync.run() == []


def test_a_table_at_the_same_version_is_not_read(ground: DatabricksGround, warehouse: Warehouse) -> None:
    sync = started(ground, warehouse)
    found, statements = watched(ground, sync)
    assert found == []
    assert sync.pending.note.endswith("is still at version 0: no row was read")
    reading = [one for one in statements if "`many`" in one and one.startswith(("SELECT", "CREATE", "INSERT"))]
    assert reading == [f"SELECT count(*) FROM {ground.source('many')} VERSION AS OF 0 WHERE TRUE"]


def test_only_buckets_that_the_feed_names_are_hashed(ground: DatabricksGround, warehouse: Warehouse) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "new", "id = 7")
    _, statements = watched(ground, sync)
    hashing = [one for one in statements if "md5(" in one]
    assert hashing
    assert all("_mp_bucket IN (" in one for one in hashing)
    assert not [one for one in statements if "bit_xor(" in one], "no fingerprint of the whole table is made"


def test_a_run_sees_the_version_that_it_began_with(ground: DatabricksGround, warehouse: Warehouse) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "first", "id = 1")
    sync.stage()
    set_word(ground, "second", "id IN (1, 2)")
    assert [row["word"] for row in sync.changes()] == ["first"]
    sync.acknowledge(1)
    sync.commit()
    assert {row[batches.KEY]: row["word"] for row in sync.run()} == {"1": "second", "2": "second"}


def test_the_versions_that_a_look_read_are_read_again_by_the_next_run(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "first", "id = 1")
    for _ in range(2):
        assert ops(sync.look()) == {"1": "update"}
    set_word(ground, "second", "id = 2")
    assert ops(sync.run()) == {"1": "update", "2": "update"}
    assert sync.pending.note.startswith("versions 1 to 2 of ")
    assert sync.run() == []


def test_history_that_was_vacuumed_is_explained_and_every_row_compared(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "new", "id = 7")
    ground.remove("many", "id = 8")
    ground.run(f"VACUUM {ground.source('many')} RETAIN 0 HOURS")
    assert ops(sync.run()) == {"7": "update", "8": "delete"}
    assert "its history no longer reaches back to the last run: every row was compared" in sync.pending.note
    set_word(ground, "newer", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    assert "were read from its change data feed" in sync.pending.note


@pytest.mark.long
def test_a_feed_that_was_switched_on_late_is_explained_and_every_row_compared(
    databricks: RunningDatabricks, settings: dict[str, Any]
) -> None:
    with closing(DatabricksGround(databricks, settings, feeds=False)) as ground, closing(ground.open()) as warehouse:
        sync = started(ground, warehouse)
        set_word(ground, "new", "id = 7")
        ground.run(f"ALTER TABLE {ground.source('many')} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
        set_word(ground, "new", "id = 8")
        assert ops(sync.run()) == {"7": "update", "8": "update"}
        assert "the change data feed was not on for every version since the last run" in sync.pending.note
        set_word(ground, "newer", "id = 7")
        assert ops(sync.run()) == {"7": "update"}
        assert "were read from its change data feed" in sync.pending.note


def test_a_table_that_is_made_anew_is_compared_and_not_sent_again(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    for _ in range(3):
        set_word(ground, "new", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    ground.run(f"DROP TABLE {ground.source('many')}")
    ground.fill("many", 499)
    assert ops(sync.run()) == {"7": "update", "499": "delete"}
    assert "was made anew since the last run: every row was compared" in sync.pending.note
    assert sync.run() == []


def test_a_table_that_is_replaced_is_compared(ground: DatabricksGround, warehouse: Warehouse) -> None:
    sync = started(ground, warehouse)
    ground.run(f"CREATE OR REPLACE TABLE {ground.source('many')} AS SELECT id, concat('x', id) AS word FROM range(500)")
    assert tally(sync.run()) == {"update": 500}


def test_a_table_restored_to_an_older_version_sends_what_differs_from_what_was_sent(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "new", "id IN (7, 8)")
    ground.remove("many", "id = 9")
    assert ops(sync.run()) == {"7": "update", "8": "update", "9": "delete"}
    set_word(ground, "newer", "id = 10")
    ground.run(f"RESTORE TABLE {ground.source('many')} TO VERSION AS OF 0")
    assert ops(sync.run()) == {"7": "update", "8": "update", "9": "insert"}
    assert "were read from its change data feed" in sync.pending.note
    assert sync.run() == []


def test_a_feed_that_was_off_for_a_while_is_explained_and_every_row_compared(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync, alter = started(ground, warehouse), f"ALTER TABLE {ground.source('many')} SET TBLPROPERTIES"
    ground.run(f"{alter} (delta.enableChangeDataFeed = false)")
    set_word(ground, "new", "id = 7")
    ground.run(f"{alter} (delta.enableChangeDataFeed = true)")
    set_word(ground, "new", "id = 8")
    assert ops(sync.run()) == {"7": "update", "8": "update"}
    assert "the change data feed was not on for every version since the last run" in sync.pending.note
    set_word(ground, "newer", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    assert "were read from its change data feed" in sync.pending.note


def test_a_feed_that_is_off_is_told_with_the_statement_that_switches_it_on(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    ground.run(f"ALTER TABLE {ground.source('many')} SET TBLPROPERTIES (delta.enableChangeDataFeed = false)")
    set_word(ground, "new", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    off = f"the change data feed of main.{ground.schema}.many is off, so "
    assert sync.pending.note.startswith(f"{off}every row was compared: run  ALTER TABLE ")
    [advice] = warehouse.tables.advice(sync.spec)
    assert advice.startswith(f"{off}a run compares every row of it: run  ALTER TABLE ")
    assert warehouse.tables.advice(replace(sync.spec, mode=Mode.APPEND)) == []
    ground.run(advice.partition("run  ")[2])
    assert warehouse.tables.advice(sync.spec) == []
    set_word(ground, "newer", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    assert "was not on for every version" in sync.pending.note
    set_word(ground, "newest", "id = 7")
    assert ops(sync.run()) == {"7": "update"}
    assert "were read from its change data feed" in sync.pending.note


def test_a_column_that_is_not_sent_and_goes_is_explained_and_every_row_compared(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    """The feed is refused over such a commit, though nothing of what is sent has another shape."""
    table = ground.make("many", {"id": "BIGINT", "word": "STRING", "secret": "STRING"}, [(1, "a", "x"), (2, "b", "y")])
    sync = Mirroring(warehouse, user_spec(table, properties=Properties(deny=("secret",))))
    assert tally(sync.run()) == {"insert": 2}
    set_word(ground, "new", "id = 1")
    ground.run(f"ALTER TABLE {ground.source('many')} DROP COLUMN secret")
    assert ops(sync.run()) == {"1": "update"}
    assert "its columns changed in a way that the change data feed does not follow" in sync.pending.note
    set_word(ground, "newer", "id = 2")
    assert ops(sync.run()) == {"2": "update"}
    assert "were read from its change data feed" in sync.pending.note


def test_keys_that_change_go_and_come_back_are_netted_against_what_was_sent(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    columns = {"id": "BIGINT", "at": "TIMESTAMP_NTZ", "word": "STRING"}
    at = "2024-03-01 12:00:00"
    table = ground.make("many", columns, [(n, at, f"w{n}") for n in range(100)])
    sync, source = Mirroring(warehouse, event_spec(table)), ground.source("many")
    assert tally(sync.run()) == {"insert": 100}
    ground.run(f"UPDATE {source} SET id = id + 900 WHERE id = 1")
    ground.run(f"UPDATE {source} SET id = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id IN (2, 3)")
    ground.remove("many", "id IN (4, 5, 6)")
    ground.run(f"INSERT INTO {source} VALUES (4, TIMESTAMP_NTZ '{at}', 'w4'), (5, TIMESTAMP_NTZ '{at}', 'new')")
    ground.run(f"INSERT INTO {source} VALUES (7000, TIMESTAMP_NTZ '{at}', 'short')")
    ground.remove("many", "id = 7000")
    ground.run(f"UPDATE {source} SET `at` = `at` + INTERVAL '1' DAY WHERE id = 7")
    found = {row[batches.KEY]: row for row in sync.run()}
    assert {key: row[batches.OP] for key, row in found.items()} == {
        "1": "delete", "901": "insert", "2": "update", "3": "update", "5": "update", "6": "delete", "7": "update",
    }  # fmt: skip
    assert found["7"][batches.TIME] - found["7"][batches.OLD_TIME] == 86_400_000
    assert (found["1"][batches.OLD_KEY], found["1"][batches.OLD_TIME]) == ("1", found["7"][batches.OLD_TIME])
    assert "were read from its change data feed" in sync.pending.note
    assert sync.run() == []


def test_a_row_whose_key_is_null_is_told_of_and_nothing_is_lost_by_it(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    set_word(ground, "new", "id = 7")
    ground.run(f"INSERT INTO {ground.source('many')} VALUES (NULL, 'nobody')")
    with pytest.raises(DuplicateKeys, match="not NULL"):
        sync.stage()
    ground.remove("many", "id IS NULL")
    assert ops(sync.run()) == {"7": "update"}
    assert sync.run() == []


FILTERED = "[ROW_LEVEL_SECURITY_COLUMN_MASK_FEATURE_NOT_SUPPORTED.{}] Row level security policies. SQLSTATE: 0A000"


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("DESCRIBE HISTORY", FILTERED.format("DESCRIBE_HISTORY")),
        ("VERSION AS OF", FILTERED.format("TIME_TRAVEL")),
        ("VERSION AS OF", "[FGAC_TIME_TRAVEL_NOT_SUPPORTED.PER_TABLE_RLS_CM] Cannot time travel. SQLSTATE: 0A000"),
    ],
    ids=["history", "version", "policy"],
)
def test_a_table_whose_history_is_hidden_by_a_row_filter_is_mirrored_by_hashes(
    ground: DatabricksGround, warehouse: Warehouse, statement: str, refusal: str
) -> None:
    sync = Mirroring(warehouse, user_spec(ground.fill("many", 100)))
    for word, wanted in (("new", {"insert": 100}), ("newer", {"update": 1})):
        set_word(ground, word, "id = 7")
        ground.server.lake.faults.append((statement, refusal))
        found, statements = watched(ground, sync)
        assert tally(found) == wanted
        assert not [one for one in statements if "table_changes(" in one]
    token = warehouse.tables.change_token(ground.name("many"))
    ground.server.lake.faults.append(("DESCRIBE HISTORY", refusal))
    assert warehouse.tables.change_token(ground.name("many")) != token
    assert ground.server.lake.faults == []


@pytest.mark.long
def test_a_table_without_a_feed_that_did_not_move_is_not_read(
    databricks: RunningDatabricks, settings: dict[str, Any]
) -> None:
    with closing(DatabricksGround(databricks, settings, feeds=False)) as ground, closing(ground.open()) as warehouse:
        sync = started(ground, warehouse)
        assert sync.run() == []
        assert "still at version 0" in sync.pending.note
        set_word(ground, "new", "id = 7")
        assert ops(sync.run()) == {"7": "update"}
        assert "is off, so every row was compared" in sync.pending.note


def test_views_are_mirrored_by_hashes(ground: DatabricksGround, warehouse: Warehouse) -> None:
    ground.fill("many", 300)
    ground.run(f"CREATE VIEW {ground.source('seen')} AS SELECT id, upper(word) AS word FROM {ground.source('many')}")
    assert warehouse.tables.describe(ground.name("seen")).is_view
    sync = Mirroring(warehouse, user_spec(ground.name("seen")))
    assert tally(sync.run()) == {"insert": 300}
    token = warehouse.tables.change_token(ground.name("seen"))
    assert warehouse.tables.change_token(ground.name("seen")) == token
    set_word(ground, "new", "id = 7")
    ground.remove("many", "id = 8")
    assert warehouse.tables.change_token(ground.name("seen")) != token
    assert ops(sync.run()) == {"7": "update", "8": "delete"}
    assert sync.run() == []


def test_a_view_that_gets_a_key_twice_while_it_is_read_is_told_before_anything_is_sent(
    ground: DatabricksGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was staged twice could be sent, but never be merged into the snapshot."""
    ground.fill("many", 50)
    ground.run(f"CREATE VIEW {ground.source('seen')} AS SELECT id, word FROM {ground.source('many')}")
    lake = ground.server.lake
    with closing(DatabricksGround(ground.server)) as other, closing(other.open()) as warehouse:
        sync = Mirroring(warehouse, user_spec(ground.name("seen")))
        assert tally(sync.run()) == {"insert": 50}
        set_word(ground, "new", "id = 7")
        run = lake.run

        def moved_on(sql: str, *more: Any) -> Any:
            if sql.startswith("CREATE TABLE") and "changes_people" in sql:
                monkeypatch.undo()
                ground.run(f"INSERT INTO {ground.source('many')} VALUES (7, 'again')")
            return run(sql, *more)

        monkeypatch.setattr(lake, "run", moved_on)
        with pytest.raises(SourceError, match="changed while it was read, and a row key came twice: run again"):
            sync.stage()
        ground.remove("many", "word = 'again'")
        assert ops(sync.run()) == {"7": "update"}


def test_a_delete_that_was_rejected_comes_again_though_no_version_is_new(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    sync = started(ground, warehouse)
    ground.remove("many", "id = 7")
    assert ops(sync.run(rejected=["7"])) == {"7": "delete"}
    assert ops(sync.run()) == {"7": "delete"}
    assert sync.run() == []


@pytest.mark.long
def test_columns_that_are_renamed_added_and_dropped_send_what_differs(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    columns = {"id": "BIGINT", "word": "STRING", "other": "STRING"}
    sync = Mirroring(warehouse, user_spec(ground.make("many", columns, [(1, "a", "x"), (2, None, "y"), (3, "c", None)])))
    sync.run()
    ground.run(f"ALTER TABLE {ground.source('many')} RENAME COLUMN word TO text")
    assert ops(sync.run()) == {"1": "update", "3": "update"}
    ground.run(f"ALTER TABLE {ground.source('many')} DROP COLUMN other")
    assert ops(sync.run()) == {"1": "update", "2": "update"}
    ground.add_column("many", "more", "STRING")
    assert sync.run() == []
    ground.change("many", "more", "z", "STRING", "id = 2")
    assert ops(sync.run()) == {"2": "update"}


def test_rows_without_a_key_are_found_by_the_feed_whatever_their_types(
    ground: DatabricksGround, warehouse: Warehouse
) -> None:
    kinds = {f"c{n}": typed for n, typed in enumerate(ground.every_type)}
    table = ground.make("many", {"id": "BIGINT", "at": "TIMESTAMP_NTZ"} | {name: one.type for name, one in kinds.items()})
    values = ", ".join(one.one for one in kinds.values())
    moment = "TIMESTAMP_NTZ '2024-03-01 12:00:00'"
    ground.run(f"INSERT INTO many SELECT id, {moment}, {values} FROM range(200)")
    sync = Mirroring(warehouse, event_spec(table, row_key=()))
    assert tally(sync.run()) == {"insert": 200}
    ground.run(f"UPDATE many SET {', '.join(f'{name} = {one.other}' for name, one in kinds.items())} WHERE id IN (7, 8)")
    ground.remove("many", "id = 9")
    assert tally(sync.run()) == {"insert": 2, "delete": 3}
    assert "were read from its change data feed" in sync.pending.note
    assert sync.run() == []
