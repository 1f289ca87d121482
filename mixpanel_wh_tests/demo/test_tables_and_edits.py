"""The source tables as the package ships them, and the edits between the demo's two runs."""

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixpanel_wh.demo import tables
from mixpanel_wh.demo.edits import EDITS, edit, expected
from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.demo.tables import Loaded, package_folder


def rows(database: Path, sql: str) -> list[Any]:
    with closing(duckdb.connect(str(database), read_only=True)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def test_the_tables_have_the_rows_that_the_package_ships(loaded: tuple[Path, list[Loaded]]) -> None:
    sizes = {one.table: one.rows for one in loaded[1]}
    assert sizes == {
        "flights": 336_776, "weather": 26_115, "planes": 3_322, "airlines": 16, "airports": 1_458,
        "route_openings": 224,
    }  # fmt: skip


def test_the_scheduled_departure_in_new_york_is_the_utc_hour_that_the_package_gives(loaded: tuple[Path, Any]) -> None:
    moment = "timezone('America/New_York', departure_at)"
    assert rows(loaded[0], f"SELECT count(*) FROM flights WHERE date_trunc('hour', {moment}) <> time_hour") == [(0,)]


def test_the_key_of_the_flights_is_unique_and_planes_are_missing_where_they_are_known_to_be(
    loaded: tuple[Path, Any],
) -> None:
    key = "count(DISTINCT (time_hour, carrier, flight))"
    assert rows(loaded[0], f"SELECT {key}, count(*) - count(tailnum) FROM flights") == [(336_776, 2_512)]


def test_a_missing_package_is_one_sentence_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PACKAGE", "no_such_package_of_tables")
    with pytest.raises(DemoError, match=r"pip install 'mixpanel-wh\[demo\]'"):
        package_folder()


def test_loading_leaves_the_package_as_it_was(tmp_path: Path) -> None:
    before = contents(package_folder())
    tables.load(tmp_path / "again.duckdb")
    assert contents(package_folder()) == before


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_every_edit_touches_rows_and_the_key_of_the_flights_stays_unique(warehouse: Path) -> None:
    edited = edit(warehouse)
    assert [one.edit for one in edited] == list(EDITS)
    assert [one for one in edited if one.rows == 0] == []
    left = 336_776 + expected(edited, "flights", "insert") - expected(edited, "flights", "delete")
    key = "count(DISTINCT (time_hour, carrier, flight))"
    assert rows(warehouse, f"SELECT count(*), {key} FROM flights") == [(left, left)]


def test_no_row_is_edited_twice_so_that_the_edits_add_up_to_the_rows_that_differ(
    loaded: tuple[Path, Any], warehouse: Path
) -> None:
    edited = edit(warehouse)
    with closing(duckdb.connect()) as connection:
        connection.execute(f"ATTACH '{loaded[0]}' AS before (READ_ONLY)")
        connection.execute(f"ATTACH '{warehouse}' AS after (READ_ONLY)")
        for sync in {one.sync for one in EDITS}:
            ends = (f"before.main.{sync}", f"after.main.{sync}")
            gone, new = (
                connection.execute(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchall()[0][0]
                for a, b in (ends, ends[::-1])
            )
            kinds = [expected(edited, sync, kind) for kind in ("insert", "update", "delete")]
            assert (sync, new, gone) == (sync, kinds[0] + kinds[1], kinds[1] + kinds[2])


def test_some_late_observations_are_older_than_the_newest_of_the_first_run(
    loaded: tuple[Path, Any], warehouse: Path
) -> None:
    edit(warehouse)
    newest = rows(loaded[0], "SELECT max(time_hour)::VARCHAR FROM weather")[0][0]
    sql = f"SELECT count(*) FILTER (time_hour < '{newest}'), count(*) FILTER (time_hour = '{newest}') FROM weather"
    before, after = rows(loaded[0], sql)[0], rows(warehouse, sql)[0]
    assert [new - old for old, new in zip(before, after, strict=True)] == [18, 3]
