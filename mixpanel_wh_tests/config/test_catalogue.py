"""A sync against the columns that its table has."""

from pathlib import Path

from mixpanel_wh.config.catalogue import check_columns, named_columns
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh_tests.config.writing import APPEND, EVENT, GROUP, LOOKUP, USER, loaded, sync_file


def problems(folder: Path, sync: str, *columns: str) -> list[str]:
    """What is wrong with a sync over a table with these columns."""
    spec = loaded(folder, sync_file(sync)).sync("one")
    return check_columns(spec, Table(spec.table, tuple(Column(name, "VARCHAR") for name in columns)))


def test_a_table_with_every_named_column_fits(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{EVENT}, user_id: tailnum", "departure_at", "tailnum", "origin") == []
    assert problems(tmp_path, USER, "tailnum", "email", "$name") == []
    assert problems(tmp_path, GROUP, "carrier") == []
    assert problems(tmp_path, LOOKUP, "faa", "name") == []


def test_each_missing_column_is_named_with_the_keys_that_name_it_and_a_guess(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{EVENT}, user_id: talnum, row_key: [talnum, zzz]", "departure_at", "tailnum")
    assert found == [
        "sync one: main.flights has no column 'talnum', which user_id and row_key name (did you mean 'tailnum'?)",
        "sync one: main.flights has no column 'zzz', which row_key names; it has departure_at, tailnum",
    ]


def test_letter_case_counts_and_is_guessed(tmp_path: Path) -> None:
    assert "(did you mean 'TailNum'?)" in problems(tmp_path, USER, "TailNum")[0]


def test_a_denied_column_that_is_not_there_is_told_since_it_may_be_a_slip_that_leaks_another(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{USER}, properties: {{deny: [emial]}}", "tailnum", "email")
    assert found == ["sync one: main.planes has no column 'emial', which properties.deny names (did you mean 'email'?)"]


def test_a_long_list_of_columns_is_cut(tmp_path: Path) -> None:
    assert problems(tmp_path, USER, *(f"c{n}" for n in range(20)))[0].endswith("c10, c11 and 8 more")


def test_two_columns_that_would_be_one_property_are_told(tmp_path: Path) -> None:
    renamed = problems(tmp_path, f"{EVENT}, properties: {{rename: {{a: b}}}}", "departure_at", "a", "b")
    assert len(renamed) == 1
    assert "the columns 'a' and 'b' would become one property, 'b': deny one of them" in renamed[0]
    group = problems(tmp_path, f"{EVENT}, group_keys: {{carrier: airline}}", "departure_at", "carrier", "airline")
    assert "'airline' and 'carrier' would become one property, 'airline'" in group[0]
    assert "'name' and '$name'" in problems(tmp_path, USER, "tailnum", "name", "$name")[0]
    assert "'faa'" in problems(tmp_path, f"{LOOKUP}, properties: {{rename: {{b: faa}}}}", "faa", "b")[0]


def test_a_denied_column_collides_with_nothing(tmp_path: Path) -> None:
    sync = f"{EVENT}, properties: {{rename: {{a: b}}, deny: [b]}}"
    assert problems(tmp_path, sync, "departure_at", "a", "b") == []


def test_a_column_whose_name_mixpanel_keeps_for_itself_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, EVENT, "departure_at", "ip", "distinct_id")
    assert "the column 'ip' would become the property 'ip', which Mixpanel keeps for itself" in found[0]
    assert found[0].endswith("or write ip: ip to place events on the map by it")
    assert "'distinct_id'" in found[1]
    assert (
        problems(tmp_path, f"{EVENT}, ip: ip, properties: {{deny: [distinct_id]}}", "departure_at", "ip", "distinct_id")
        == []
    )


def test_every_column_that_a_sync_can_name_is_looked_for(tmp_path: Path) -> None:
    sync = (
        f"{APPEND.replace('event: Weather', 'event: {column: e}')}, user_id: u, device_id: d, group_keys: {{g: key}}, "
        "json: j, ip: i, row_key: r, properties: {allow: [p], rename: {p: q}, hash: [p], deny: [n]}"
    )
    named = [key for key, _ in named_columns(loaded(tmp_path, sync_file(sync)).sync("one"))]
    assert sorted(named) == [
        "device_id", "event.column", "group_keys", "insert_time", "ip", "json", "properties.allow", "properties.deny",
        "properties.hash", "properties.rename", "row_key", "time", "user_id",
    ]  # fmt: skip
