"""How old a snapshot is against the time that its warehouse keeps it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.engine.state import Checkpoint
from mixpanel_wh.warehouses.expiry import expires, snapshot_age

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SYNC = SyncSpec("visits", TableName(("visits",)), RecordType.USER, Mode.MIRROR)


def test_two_warehouses_forget_and_only_mirror_minds() -> None:
    assert [kind for kind in ("bigquery", "snowflake", "databricks", "postgres", "duckdb") if expires(kind, SYNC)] == [
        "snowflake", "databricks",
    ]  # fmt: skip
    assert not expires("snowflake", replace(SYNC, mode=Mode.APPEND))


def test_with_a_staging_file_only_what_the_warehouse_does_not_keep_by_itself_is_forgotten() -> None:
    assert [kind for kind in ("snowflake", "databricks", "postgres") if expires(kind, SYNC, in_file=True)] == [
        "databricks"
    ]


@pytest.mark.parametrize(("kind", "limit"), [("snowflake", 14), ("databricks", 30)])
def test_two_thirds_are_old_and_the_whole_is_expired(kind: str, limit: int) -> None:
    ages = [limit * 2 / 3 - 0.01, limit * 2 / 3, limit, limit + 0.01]
    found = [
        snapshot_age(kind, Checkpoint(committed_at=(NOW - timedelta(days=days)).isoformat()), NOW) for days in ages
    ]
    assert [(one.is_old, one.is_expired) for one in found] == [
        (False, False), (True, False), (True, False), (True, True),
    ]  # fmt: skip


def test_before_the_first_run_there_is_none() -> None:
    found = snapshot_age("snowflake", Checkpoint(), NOW)
    assert (found.age, found.is_old, found.sentence) == (None, False, "no snapshot is kept yet")
