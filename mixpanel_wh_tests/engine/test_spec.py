"""What a spec says about its columns and its limits."""

import dataclasses
from typing import Any

import pytest

from mixpanel_wh.engine.spec import DefaultRejectLimit, Limit, Mode, Properties, RecordType, SyncSpec, TableName

TABLE = TableName(("lake", "main", "visits"))


def spec(record: RecordType, **more: Any) -> SyncSpec:
    return SyncSpec("sync", TABLE, record, Mode.MIRROR, **more)


def test_a_table_is_shown_with_its_schema() -> None:
    assert str(TABLE) == "lake.main.visits"


@pytest.mark.parametrize(
    ("limit", "count", "total", "allowed"),
    [
        (Limit(), 10**9, 1, True),
        (Limit(rows=5), 5, 5, True),
        (Limit(rows=5), 6, 10**9, False),
        (Limit(share=0.1), 10, 100, True),
        (Limit(share=0.1), 11, 100, False),
        (Limit(rows=5, share=0.1), 6, 100, False),
        (Limit(rows=50, share=0.1), 11, 100, False),
        (Limit(rows=0), 0, 0, True),
        (Limit(rows=0), 1, 100, False),
        (DefaultRejectLimit(), 20, 20, True),
        (DefaultRejectLimit(), 21, 21, False),
        (DefaultRejectLimit(), 100, 10_000, True),
        (DefaultRejectLimit(), 101, 10_000, False),
    ],
)
def test_a_limit_allows_up_to_its_rows_and_its_share(limit: Limit, count: int, total: int, allowed: bool) -> None:
    assert limit.allows(count, total) is allowed


def test_the_id_column_is_that_of_the_record_type() -> None:
    ids: dict[str, Any] = {"distinct_id": "d", "group_id": "g", "lookup_id": "l"}
    found = {record: spec(record, **ids).id_column for record in RecordType}
    assert found[RecordType.EVENT] is None
    assert [found[record] for record in (RecordType.USER, RecordType.GROUP, RecordType.LOOKUP)] == ["d", "g", "l"]


def test_rows_are_identified_by_row_key_else_id_else_content() -> None:
    assert spec(RecordType.EVENT).key_columns == ()
    assert spec(RecordType.EVENT, row_key=("a", "b")).key_columns == ("a", "b")
    assert spec(RecordType.USER, distinct_id="d").key_columns == ("d",)
    assert spec(RecordType.USER, distinct_id="d", row_key=("a",)).key_columns == ("a",)


def test_columns_with_a_role_are_named_once_and_not_sent() -> None:
    sync = spec(RecordType.EVENT, event_column="e", time_column="t", user_id="u", device_id="u", json_column="j",
                ip_column="i", group_keys={"c": "airline"})  # fmt: skip
    assert sync.role_columns == ("e", "t", "u", "j", "i", "c")
    assert sync.sent_columns(["e", "t", "u", "j", "i", "c", "x", "y"]) == ["x", "y"]


def test_a_row_key_is_sent_like_any_other_column() -> None:
    assert spec(RecordType.EVENT, row_key=("id",)).sent_columns(["id", "x"]) == ["id", "x"]


def test_allowed_columns_are_sent_without_the_denied_ones_in_the_order_of_the_table() -> None:
    properties = Properties(allow=("c", "a", "b"), deny=("b",))
    assert spec(RecordType.USER, properties=properties).sent_columns(["a", "b", "c", "d"]) == ["a", "c"]


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec(RecordType.USER).name = "other"  # type: ignore[misc]
