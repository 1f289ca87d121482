"""Profiles: `$set` of what there is, `$unset` of what went, `$delete` of who went."""

from typing import Any

import pytest

from mixpanel_wh.engine.spec import Mode, Properties, RecordType
from mixpanel_wh_tests.mixpanel.records.examples import sync, write

USER, GROUP = RecordType.USER, RecordType.GROUP
HEAD = {"$token": "token", "$distinct_id": "jane", "$ip": "0"}


def test_a_user_profile_is_set_with_geolocation_off() -> None:
    assert write({"plan": ["pro"]}, sync(USER)).only == {**HEAD, "$set": {"plan": "pro"}}


def test_a_group_profile_names_its_key_and_id() -> None:
    assert write({"plan": ["pro"]}, sync(GROUP)).only == {
        "$token": "token", "$group_key": "company", "$group_id": "jane", "$ip": "0", "$set": {"plan": "pro"},
    }  # fmt: skip


def test_rule_reserved_profile_names_get_a_dollar() -> None:
    names = ("email", "name", "first_name", "last_name", "phone", "avatar", "created")
    found = write({name: ["x"] for name in (*names, "Email", "plan")}, sync(USER)).properties
    assert found.keys() == {f"${name}" for name in names} | {"Email", "plan"}


def test_a_rename_wins_over_the_dollar() -> None:
    assert write({"email": ["x"]}, sync(USER, properties=Properties(rename={"email": "mail"}))).properties == {"mail": "x"}


@pytest.mark.parametrize("record", [USER, GROUP])
@pytest.mark.parametrize("nobody", [None, ""])
def test_rule_a_profile_needs_an_id(record: RecordType, nobody: str | None) -> None:
    written = write({"_mp_user": ["jane", nobody], "plan": ["a", "b"]}, sync(record))
    assert written.reasons == {1: ("u", "u is NULL or empty: it names the profile")}


def test_absent_values_leave_no_comma_behind() -> None:
    columns: dict[str, Any] = {"a": [None, 1, None], "b": [None, None, 2], "c": [None, None, None]}
    rows = write(columns, sync(USER)).records
    assert [row[0]["$set"] for row in rows if row] == [{}, {"a": 1}, {"b": 2}]


def test_full_unsets_what_is_null_on_request_only() -> None:
    columns: dict[str, Any] = {"plan": [None, "pro"], "age": [1, 2]}
    assert [len(row or []) for row in write(columns, sync(USER, mode=Mode.FULL)).records] == [1, 1]
    rows = write(columns, sync(USER, mode=Mode.FULL, unset_nulls=True)).records
    assert rows == [[{**HEAD, "$set": {"age": 1}}, {**HEAD, "$unset": ["plan"]}],
                    [{**HEAD, "$set": {"plan": "pro", "age": 2}}]]  # fmt: skip


def test_mirror_unsets_what_an_update_made_null_and_dropped_columns() -> None:
    columns = {"_mp_op": ["update", "update", "insert"], "plan": [None, "pro", None]}
    written = write(columns, sync(USER, mode=Mode.MIRROR), dropped=("email", 'old "one"'))
    unset = [row[1]["$unset"] if row and len(row) > 1 else None for row in written.records]
    assert unset == [["$email", 'old "one"', "plan"], ["$email", 'old "one"'], None]
    assert written.encoded.records_per_row == 2


def test_mirror_deletes_under_the_id_that_was_delivered() -> None:
    columns = {"_mp_op": ["delete", "delete"], "_mp_user": [None, None], "_mp_old_key": ["key 0", None],
               "_mp_old_user": ["joe", None], "plan": [None, None]}  # fmt: skip
    written = write(columns, sync(USER, mode=Mode.MIRROR))
    assert written.records == [[{**HEAD, "$distinct_id": "joe", "$ignore_alias": True, "$delete": ""}], []]
    assert written.reasons == {}


def test_nulls_that_are_sent_are_not_unset() -> None:
    spec = sync(USER, mode=Mode.FULL, unset_nulls=True, properties=Properties(send_nulls=True))
    assert write({"plan": [None]}, spec).only == {**HEAD, "$set": {"plan": None}}
