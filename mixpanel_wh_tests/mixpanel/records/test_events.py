"""Events: identity, names, times, and what a change of a delivered event becomes."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mixpanel_wh.engine.spec import Properties
from mixpanel_wh.mixpanel.insert_ids import InsertIds
from mixpanel_wh.mixpanel.rules import IDENTITY_EVENTS, JUNK_IDS
from mixpanel_wh_tests.mixpanel.records.examples import NOW, ORIGINAL, batch_of, encoder_of, sync, write

HOUR = 3_600_000
OLD = {"_mp_op": ["update"], "_mp_old_key": ["key 0"], "_mp_old_event": ["Order"], "_mp_old_time": [NOW],
       "_mp_old_user": ["jane"]}  # fmt: skip


def test_an_event_carries_identity_source_and_no_place() -> None:
    written = write({"total": [5]})
    insert_id = InsertIds("orders", 0).of("key 0", "Order", NOW, "jane")
    assert written.only == {"event": "Order", "properties": {
        "time": NOW, "distinct_id": "jane", "$user_id": "jane", "$insert_id": insert_id,
        "$warehouse_import_id": "orders", "$warehouse_type": "duckdb", "$warehouse_table": "shop.orders", "ip": 0,
        "total": 5,
    }}  # fmt: skip


def test_simplified_identity_of_a_device_alone_is_marked_as_mixpanel_marks_it() -> None:
    found = write({"_mp_user": [None], "_mp_device": ["phone"]}).properties
    assert (found["distinct_id"], found["$device_id"], "$user_id" in found) == ("$device:phone", "phone", False)


def test_simplified_identity_of_a_user_on_a_device_is_the_user() -> None:
    found = write({"_mp_user": ["jane"], "_mp_device": ["phone"]}).properties
    assert (found["distinct_id"], found["$user_id"], found["$device_id"]) == ("jane", "jane", "phone")


@pytest.mark.parametrize("nobody", [None, ""])
def test_a_distinct_id_of_nobody_is_the_empty_text(nobody: str | None) -> None:
    found = write({"_mp_user": [nobody]}).properties
    assert (found["distinct_id"], "$user_id" in found) == ("", False)


def test_original_identity_has_a_distinct_id_and_nothing_else() -> None:
    spec = sync(user_id=None, device_id=None, distinct_id="u")
    found = write({"_mp_user": ["jane"], "_mp_device": ["phone"]}, spec, settings=ORIGINAL).properties
    assert found["distinct_id"] == "jane"
    assert not {"$user_id", "$device_id"} & found.keys()


@pytest.mark.parametrize("junk", JUNK_IDS)
def test_rule_each_of_the_17_junk_ids_is_refused(junk: str) -> None:
    assert len(JUNK_IDS) == 17
    written = write({"_mp_user": ["jane", junk], "_mp_device": [junk, None]})
    assert {row: column for row, (column, _) in written.reasons.items()} == {0: "d", 1: "u"}


@pytest.mark.parametrize("junk", JUNK_IDS)
def test_rule_a_junk_distinct_id_of_the_original_identity_is_refused(junk: str) -> None:
    spec = sync(user_id=None, device_id=None, distinct_id="u")
    assert write({"_mp_user": [junk]}, spec, settings=ORIGINAL).reason[0] == "u"


@pytest.mark.parametrize("close", ["Anon", " anon", "00", "-10", "undefined!"])
def test_rule_ids_that_only_look_like_junk_pass(close: str) -> None:
    assert write({"_mp_user": [close]}).properties["distinct_id"] == close


@pytest.mark.parametrize("name", IDENTITY_EVENTS)
def test_rule_identity_events_are_refused_by_the_simplified_identity_only(name: str) -> None:
    assert write({"_mp_event": [name]}).reason[0] == "e"
    assert write({"_mp_event": [name]}, settings=ORIGINAL).only["event"] == name


@pytest.mark.parametrize("missing", [None, ""])
def test_rule_an_event_needs_a_name(missing: str | None) -> None:
    written = write({"_mp_event": ["Order", missing]})
    assert written.reasons == {1: ("e", "the event name is NULL or empty")}


@pytest.mark.parametrize("letter", ["n", "é", "😀"])
def test_rule_an_event_name_has_at_most_255_characters(letter: str) -> None:
    written = write({"_mp_event": [letter * 255, letter * 256]})
    assert list(written.reasons) == [1]
    assert "256 characters" in written.reasons[1][1]


def test_a_static_event_name_may_hold_quotes() -> None:
    spec = sync(event_column=None, event_name="it's \"new\"")
    assert write({"a": [1]}, spec).only["event"] == "it's \"new\""


def test_rule_a_time_before_1971_is_refused() -> None:
    written = write({"_mp_time": [31_536_000_000, 31_535_999_999, -(2**63)]})
    assert {row: column for row, (column, _) in written.reasons.items()} == {1: "t", 2: "t"}
    assert "before 1971-01-01" in written.reasons[1][1]


def test_rule_a_time_more_than_an_hour_ahead_is_refused() -> None:
    now = int(time.time() * 1000)
    written = write({"_mp_time": [now + HOUR - 60_000, now + HOUR + 60_000, 2**63 - 1]})
    assert {row: column for row, (column, _) in written.reasons.items()} == {1: "t", 2: "t"}


def test_rule_an_event_needs_a_time() -> None:
    written = write({"_mp_time": [NOW, None]})
    assert written.reasons == {1: ("t", "the time is NULL or cannot be read as a time")}


def test_a_fault_found_by_the_warehouse_is_the_reason() -> None:
    written = write({"_mp_fault": [None, "the row key is not unique"]}, sync(row_key=("id",)))
    assert written.reasons == {1: ("id", "the row key is not unique")}


def test_a_row_that_breaks_several_rules_is_rejected_once() -> None:
    written = write({"_mp_time": [0, NOW], "_mp_user": ["anon", "jane"], "_mp_event": ["", "Order"]})
    assert list(written.reasons) == [0]
    assert written.encoded.rejected is not None
    assert written.encoded.rejected.to_pylist()[0]["row_key"] == "key 0"


def test_the_column_mapped_to_ip_places_the_event() -> None:
    written = write({"address": ["10.0.0.1", None]}, sync(ip_column="address"))
    assert [row[0]["properties"]["ip"] for row in written.records if row] == ["10.0.0.1", 0]
    assert all("address" not in row[0]["properties"] for row in written.records if row)


def test_group_ids_are_text_under_the_name_of_the_group_key() -> None:
    spec = sync(group_keys={"carrier": "airline", "n": "number"})
    found = write({"carrier": ["UA"], "n": [7]}, spec).properties
    assert (found["airline"], found["number"]) == ("UA", "7")
    assert not {"carrier", "n"} & found.keys()


def test_nulls_are_absent_or_sent_as_the_sync_says() -> None:
    columns: dict[str, Any] = {"a": [None], "b": [float("nan")], "c": [1]}
    assert not {"a", "b"} & write(columns).properties.keys()
    found = write(columns, sync(properties=Properties(send_nulls=True))).properties
    assert (found["a"], found["b"], found["c"]) == (None, None, 1)


def test_hashed_columns_are_the_sha256_of_their_text() -> None:
    found = write({"email": ["jane@example.com"], "n": [7]}, sync(properties=Properties(hash=("email", "n")))).properties
    assert found["email"] == "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"
    assert found["n"] == "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"


def test_an_update_that_leaves_the_identity_alone_is_the_same_event_again() -> None:
    before, after = write({"total": [1]}).only, write({"total": [2], **OLD}).only
    assert before["properties"]["$insert_id"] == after["properties"]["$insert_id"]
    assert after["properties"]["total"] == 2


@pytest.mark.parametrize("moved", [{"_mp_event": ["Return"]}, {"_mp_time": [NOW + 1]}, {"_mp_user": ["joe"]}])
def test_an_update_of_the_identity_is_a_tombstone_and_a_new_event(moved: dict[str, Any]) -> None:
    before = write({"total": [1]}).only
    written = write({"total": [2], **OLD, **moved})
    [[grave, event]] = [row for row in written.records if row]
    same = ("time", "distinct_id", "$user_id", "$insert_id")
    assert grave["event"] == before["event"]
    assert grave["properties"] == {name: before["properties"][name] for name in same} | {"_deleted": True, "ip": 0}
    assert event["properties"]["$insert_id"] != before["properties"]["$insert_id"]
    assert written.encoded.records_per_row == 2


def test_a_delete_is_a_tombstone_with_no_other_property() -> None:
    found = write({"total": [1], **OLD, "_mp_op": ["delete"]}).properties
    assert found.keys() == {"time", "distinct_id", "$user_id", "$insert_id", "_deleted", "ip"}


def test_a_change_of_a_row_that_was_never_delivered_is_an_insert_or_nothing() -> None:
    never = {name: [None, None] for name in ("_mp_old_key", "_mp_old_event", "_mp_old_user")}
    written = write({"total": [1, 2], **never, "_mp_old_time": [None, None], "_mp_op": ["update", "delete"]})
    assert [len(row or []) for row in written.records] == [1, 0]
    assert written.reasons == {}


def test_a_deleted_row_is_never_rejected() -> None:
    gone = {"_mp_key": [None], "_mp_event": [None], "_mp_time": [None], "_mp_user": ["anon"], "_mp_fault": ["odd"]}
    written = write({"total": [None], **OLD, **gone, "_mp_op": ["delete"]})
    assert written.properties["_deleted"] is True


def test_two_threads_at_once_write_what_one_writes() -> None:
    columns = {"total": list(range(3_000)), "name": [f"n{row}" if row % 7 else None for row in range(3_000)],
               "_mp_user": ["anon" if row % 50 == 0 else f"user {row}" for row in range(3_000)]}  # fmt: skip
    batch = batch_of(columns)
    parts = [batch.slice(start, 500) for start in range(0, 3_000, 500)]
    encoder = encoder_of(sync(), batch)
    alone = [encoder.encode(part) for part in parts]
    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            together = list(threads.map(encoder_of(sync(), batch).encode, parts))
            assert together == alone
