"""Rows that Mixpanel would not take: each is rejected with its key, its column and a reason; all others arrive."""

from dataclasses import replace

import pytest

from mixpanel_wh.engine.errors import CredentialsRefused, DuplicateKeys, GuardStopped, SourceError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import DefaultRejectLimit, Limit, Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.sandbox import Sandbox, SandboxOptions
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

GOOD = """
CREATE TABLE things AS SELECT 'good ' || n AS id, 'Thing' AS name, TIMESTAMP '2024-05-01' + to_seconds(n) AS moment,
    'user ' || n AS who, n / 2 AS ratio, '{"a": 1}'::JSON AS more, 'short' AS note, '{"b": {"c": 1}}'::JSON AS deep
FROM range(50) AS r(n)
"""
BAD = {
    "no time": ("moment = NULL", "moment", "NULL"),
    "1969": ("moment = TIMESTAMP '1969-12-31 23:00:00'", "moment", "1971"),
    "tomorrow": ("moment = now()::TIMESTAMP + to_days(1)", "moment", "ahead"),
    "nobody": ("who = 'anonymous'", "who", "no one"),
    "long name": ("name = repeat('n', 300)", "name", "255"),
    "no name": ("name = ''", "name", "empty"),
    "crowd": ("more = (SELECT json_group_object('p' || n, n) FROM range(300) AS r(n))", None, "254"),
    "two megabytes": ("note = repeat('x', 2000000)", None, "1,048,575"),
    "five deep": ("""deep = '{"a":{"b":{"c":{"d":{"e":1}}}}}'""", "deep", "levels"),
    "not json": ("more = '[1]'", "more", "object"),
}
SYNC = SyncSpec(
    "things", TableName(("main", "things")), RecordType.EVENT, Mode.MIRROR, row_key=("id",), event_column="name",
    time_column="moment", user_id="who", json_column="more", max_rejected=Limit(),
)  # fmt: skip


def plant(ground: DuckDBGround) -> None:
    """The good rows, a row with NaN, and one bad row of each kind."""
    ground.run(GOOD)
    ground.run("INSERT INTO things SELECT * REPLACE ('not a number' AS id, 'NaN'::DOUBLE AS ratio) FROM things LIMIT 1")
    for key, (change, _, _) in BAD.items():
        ground.run(f"INSERT INTO things SELECT * REPLACE ('{key}' AS id) FROM things WHERE id = 'good 1'")
        ground.run(f"UPDATE things SET {change} WHERE id = '{key}'")


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.ONE_TIME])
def test_each_bad_row_is_rejected_with_its_column_and_reason_and_the_others_arrive(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, mode: Mode
) -> None:
    plant(ground)
    result = run_sync(replace(SYNC, mode=mode), warehouse, project)
    assert (result.rows_read, result.accepted, result.rejected) == (61, 51, 10)
    found = {row["row_key"]: row for row in warehouse.state.rejections("things")}
    assert set(found) == set(BAD)
    for key, (_, column, words) in BAD.items():
        assert (found[key]["column"], found[key]["origin"]) == (column, "rules"), key
        assert words in found[key]["reason"], found[key]
    held = {one["properties"]["id"]: one["properties"] for one in holding.lines(url, "events")}
    assert len(held) == 51
    assert "ratio" not in held["not a number"]
    assert holding.summary(url)["rejected"] == 0


def test_a_bad_row_that_is_mended_arrives_and_one_that_turns_bad_is_told(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    plant(ground)
    run_sync(SYNC, warehouse, project)
    ground.run("UPDATE things SET moment = TIMESTAMP '2024-05-02' WHERE id = 'no time'")
    ground.run("UPDATE things SET who = 'null' WHERE id = 'good 7'")
    result = run_sync(SYNC, warehouse, project)
    assert (result.rows_read, result.updated, result.accepted, result.rejected) == (2, 2, 1, 1)
    assert run_sync(SYNC, warehouse, project).rows_read == 0
    held = {one["properties"]["id"]: one["properties"] for one in holding.lines(url, "events")}
    assert "no time" in held
    assert held["good 7"]["distinct_id"] == "user 7"


def test_more_rejections_than_allowed_stop_the_run_and_the_next_one_brings_everything(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    ground.run(GOOD)
    ground.run("UPDATE things SET moment = NULL WHERE id IN (SELECT 'good ' || n FROM range(30) AS r(n))")
    with pytest.raises(GuardStopped, match="30 of 50 rows were rejected") as stopped:
        run_sync(replace(SYNC, max_rejected=DefaultRejectLimit()), warehouse, project)
    assert stopped.value.result is not None
    assert stopped.value.result.rows_read == stopped.value.result.accepted + stopped.value.result.rejected
    ground.run("UPDATE things SET moment = TIMESTAMP '2024-05-01' WHERE moment IS NULL")
    run_sync(replace(SYNC, max_rejected=DefaultRejectLimit()), warehouse, project)
    assert len(holding.lines(url, "events")) == 50


def test_a_row_key_that_is_not_unique_stops_before_anything_is_sent(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    ground.run(GOOD)
    ground.run("INSERT INTO things SELECT * FROM things WHERE id = 'good 3'")
    with pytest.raises(DuplicateKeys, match="good 3"):
        run_sync(SYNC, warehouse, project)
    assert holding.summary(url)["requests"] == 0
    rejecting = replace(SYNC, on_duplicate_key="reject")
    result = run_sync(rejecting, warehouse, project)
    assert (result.accepted, result.rejected) == (49, 2)


def test_an_empty_table_and_a_table_without_changes_send_nothing(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    ground.run(GOOD)
    ground.run("DELETE FROM things")
    assert run_sync(SYNC, warehouse, project).rows_read == 0
    ground.run("INSERT INTO things VALUES ('one', 'Thing', TIMESTAMP '2024-05-01', 'me', 1, NULL, '', NULL)")
    assert run_sync(SYNC, warehouse, project).inserted == 1
    requests = holding.summary(url)["requests"]
    result = run_sync(SYNC, warehouse, project)
    assert (result.rows_read, result.requests) == (0, 0)
    assert holding.summary(url)["requests"] == requests


def test_refused_credentials_stop_at_once_and_nothing_is_lost(ground: DuckDBGround, warehouse: Warehouse) -> None:
    ground.run(GOOD)
    with Sandbox.start(SandboxOptions(port=0, project_token="the right one")) as box:
        wrong = replace(settings(box.url), token="a wrong one", service_account=None, service_secret=None)
        with MixpanelProject(wrong) as project, pytest.raises(CredentialsRefused) as refused:
            run_sync(SYNC, warehouse, project)
        assert "wrong one" not in str(refused.value)
        right = replace(wrong, token="the right one")
        with MixpanelProject(right) as project:
            assert run_sync(SYNC, warehouse, project).accepted == 50
        assert len(holding.lines(box.url, "events")) == 50


def test_a_missing_table_is_one_sentence(warehouse: Warehouse, project: MixpanelProject) -> None:
    with pytest.raises(SourceError, match=r"there is no table main\.things"):
        run_sync(SYNC, warehouse, project)
