"""Mixpanel's limits on one record, at the last value that passes and the first that does not."""

from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.spec import RecordType
from mixpanel_wh_tests.mixpanel.records.examples import NOW, ORIGINAL, batch_of, encoder_of, sync, write

USER = RecordType.USER


def bytes_of(columns: dict[str, Any], **more: Any) -> int:
    """The length of the one record, without what frames it."""
    return len(write(columns, **more).encoded.lines[0].as_py().strip(",\n").encode())


@pytest.mark.parametrize("letter", ["x", "é"])
def test_rule_an_event_is_under_a_megabyte(letter: str) -> None:
    width = len(letter.encode())
    room = 1_048_575 - bytes_of({"a": [""], "b": [""]})
    filled = {"a": [letter * (room // width)], "b": ["x" * (room % width)]}
    assert bytes_of(filled) == 1_048_575
    column, reason = write({**filled, "b": [filled["b"][0] + "x"]}).reason
    assert (column, "1,048,575 bytes" in reason) == (None, True)


def test_rule_a_profile_update_is_at_most_a_megabyte() -> None:
    room = 1_048_576 - bytes_of({"a": [""]}, spec=sync(USER))
    assert bytes_of({"a": ["x" * room]}, spec=sync(USER)) == 1_048_576
    assert "1,048,576 bytes" in write({"a": ["x" * (room + 1)]}, sync(USER)).reason[1]


def test_rule_the_limit_of_bytes_is_one_of_each_record_of_a_row() -> None:
    room = 1_048_575 - bytes_of({"a": [""]})
    moved = {"_mp_op": ["update"], "_mp_old_key": ["key 0"], "_mp_old_event": ["Old"], "_mp_old_time": [NOW], "_mp_old_user": ["jane"]}
    assert [len(row or []) for row in write({"a": ["x" * room], **moved}).records] == [2]
    assert write({"a": ["x" * (room + 1)], **moved}).reason[0] is None


def test_only_the_record_that_is_too_large_is_left_out() -> None:
    written = write({"a": ["small", "x" * 2_000_000, None, "also small"]})
    assert list(written.reasons) == [1]
    assert [bool(row) for row in written.records] == [True, False, True, True]


def test_rule_an_event_has_at_most_254_properties() -> None:
    others = len(write({"a": [None]}).properties)
    columns: dict[str, Any] = {f"p{i}": [1, i if i < 254 - others else None] for i in range(255 - others)}
    written = write(columns)
    assert list(written.reasons) == [0]
    assert "255" in written.reasons[0][1]
    [event] = written.records[1] or []
    assert len(event["properties"]) == 254


@pytest.mark.parametrize("user", ["jane", None])
def test_rule_the_254_properties_are_those_that_are_there(user: str | None) -> None:
    """An id that is absent takes no place."""
    columns: dict[str, Any] = {"_mp_user": [user, "joe"], "_mp_device": [None, "phone"]}
    others = len(write({**columns, "a": [1, 1]}).records[0][0]["properties"]) - 1  # type: ignore[index]
    written = write({**columns, **{f"p{i}": [1, None] for i in range(254 - others)}})
    assert written.reasons == {}


def test_rule_original_identity_leaves_room_for_two_more_properties() -> None:
    spec = sync(user_id=None, device_id=None, distinct_id="u")
    others = len(write({"a": [None]}, spec, settings=ORIGINAL).properties)
    full = {f"p{i}": [1] for i in range(254 - others)}
    assert len(write(full, spec, settings=ORIGINAL).properties) == 254
    assert write({**full, "more": [1]}, spec, settings=ORIGINAL).reason


def test_rule_members_of_the_json_column_count_as_properties() -> None:
    others = len(write({"a": [None]}).properties)
    texts = ["{" + ",".join(f'"k{i}":{i}' for i in range(count)) + "}" for count in (254 - others, 255 - others)]
    written = write({"j": texts}, sync(json_column="j"))
    assert list(written.reasons) == [1]


def test_rule_a_profile_has_at_most_2000_properties() -> None:
    columns: dict[str, Any] = {f"p{i}": [i, i if i else None] for i in range(2_001)}
    written = write(columns, sync(USER))
    assert list(written.reasons) == [0]


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else 1


def test_rule_objects_are_at_most_3_levels_deep_in_events() -> None:
    assert write({"a": [nested(3)]}).properties["a"] == nested(3)
    assert write({"a": [nested(4)]}).reason[0] == "a"
    assert write({"a": [nested(9)]}, sync(USER)).properties["a"] == nested(9)


def test_rule_lists_on_the_way_do_not_count_as_levels() -> None:
    assert write({"a": [[[[nested(3)]]]]}).properties["a"] == [[[nested(3)]]]
    assert write({"a": [[[[nested(4)]]]]}).reason[0] == "a"


@pytest.mark.parametrize("outer", ["list", "object", "map"])
def test_rule_a_list_has_at_most_254_elements_in_events(outer: str) -> None:
    lists = [list(range(254)), list(range(255))]
    values: dict[str, Any] = {
        "list": lists,
        "object": [{"a": one} for one in lists],
        "map": pa.array([[("a", one)] for one in lists], pa.map_(pa.string(), pa.list_(pa.int64()))),
    }
    written = write({"x": values[outer]})
    assert {row: column for row, (column, _) in written.reasons.items()} == {1: "x"}
    assert write({"x": values[outer]}, sync(USER)).reasons == {}


def test_rule_an_object_has_at_most_254_keys_in_events() -> None:
    maps = pa.array([[(str(i), i) for i in range(count)] for count in (254, 255)], pa.map_(pa.string(), pa.int64()))
    assert list(write({"x": maps}).reasons) == [1]
    assert write({"x": [{str(i): i for i in range(255)}]}).reason[0] == "x"
    assert write({"x": [{str(i): i for i in range(254)}]}).reasons == {}


@pytest.mark.parametrize(("record", "most"), [(RecordType.EVENT, 8 * 1024), (USER, 256 * 1024)])
def test_rule_a_list_or_object_has_a_limit_of_bytes_and_text_has_not(record: RecordType, most: int) -> None:
    written = write({"x": [["x" * (most - 4)], ["x" * (most - 3)]]}, sync(record))
    assert {row: column for row, (column, _) in written.reasons.items()} == {1: "x"}
    assert write({"x": ["x" * (most + 1)]}, sync(record)).reasons == {}


@pytest.mark.parametrize("value", [2**53, -(2**53)])
def test_integers_that_a_double_holds_are_numbers_and_others_are_text(value: int) -> None:
    beyond = value + (1 if value > 0 else -1)
    rows = write({"x": [value, beyond], "inside": [[value, beyond], None]}).records
    assert [row[0]["properties"]["x"] for row in rows if row] == [value, str(beyond)]
    assert rows[0] is not None
    assert rows[0][0]["properties"]["inside"] == [value, str(beyond)]


@pytest.mark.parametrize("array", [
    pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    pa.ListArray.from_arrays([0, 1], pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])),
])  # fmt: skip
def test_a_column_without_a_json_form_is_named_with_what_to_do(array: pa.Array) -> None:
    batch = batch_of({"good": [1], "odd one": array})
    with pytest.raises(SourceError, match=r"column 'odd one' has the type .*: cast it in a view, or leave it out"):
        encoder_of(sync(), batch).encode(batch)


def broken(*values: bytes | None) -> pa.Array:
    """Text that claims to be UTF-8."""
    stored = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(stored), stored.buffers(), stored.null_count)


BROKEN = broken(b"fine", b"\xff\xfe", "é".encode(), None, b'"', b"\xed\xa0\x80", b"cut \xe2\x82")


@pytest.mark.parametrize("layout", ["text", "list", "object", "map key", "dictionary", "json", "flattened", "hash"])
@pytest.mark.parametrize("record", [RecordType.EVENT, USER])
def test_text_that_is_not_utf_8_rejects_its_row_only(layout: str, record: RecordType) -> None:
    rows = len(BROKEN)
    json_texts = broken(b'{"a":"fine"}', b'{"a":"\xff"}', '{"a":"é"}'.encode(), None, b"{}", b'{"\xed\xa0\x80":1}', b'{"a":"\xe2\x82"}')
    arrays = {
        "text": BROKEN, "hash": BROKEN, "json": json_texts, "flattened": json_texts,
        "list": pa.ListArray.from_arrays(list(range(rows + 1)), BROKEN),
        "object": pa.StructArray.from_arrays([BROKEN, pa.array([0.5] * rows)], names=["a", "b"]),
        "map key": pa.MapArray.from_arrays(list(range(rows + 1)), BROKEN.fill_null("x"), BROKEN),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array(range(rows), pa.int8()), BROKEN),
    }  # fmt: skip
    event = record is RecordType.EVENT
    spec = sync(record, json_column="x" if layout == "flattened" and event else None)
    written = write({"good": list(range(rows)), "x": arrays[layout]}, spec, json=("x",) if layout in ("json", "flattened") else ())
    assert written.reasons == dict.fromkeys((1, 5, 6), ("x", "the text is not valid UTF-8"))


@pytest.mark.parametrize(("control", "column"), [("_mp_user", "u"), ("_mp_event", "e"), ("_mp_key", "id"), ("_mp_device", "d")])
def test_an_identity_that_is_not_utf_8_rejects_its_row_only(control: str, column: str) -> None:
    written = write({control: broken(b"a", b"\xff", b"c")}, sync(row_key=("id",)))
    assert written.reasons == {1: (column, "the text is not valid UTF-8")}


def test_a_batch_without_rows_becomes_nothing() -> None:
    batch = batch_of({"a": [1], "list": [[1.5]], "j": ["{}"]})
    encoder = encoder_of(sync(json_column="j"), batch)
    encoded = encoder.encode(batch.slice(0, 0))
    assert (encoded.rows, encoded.rejected) == (0, None)


def test_a_batch_of_bad_rows_only_becomes_reasons_only() -> None:
    written = write({"_mp_time": [None, 0, NOW * 1000]})
    assert written.records == [None, None, None]
    assert sorted(written.reasons) == [0, 1, 2]
