"""Databricks: who may do what, how one signs in, and what is told where something is refused or out of reach."""

import gc
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import pytest

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh_tests.stand_ins.databricks import RunningDatabricks
from mixpanel_wh_tests.warehouses.asking import Mirroring, ops, read, user_spec
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround

SECRET = "Very-Secret-1"


@pytest.fixture
def ground(databricks: RunningDatabricks) -> Iterator[DatabricksGround]:
    with closing(DatabricksGround(databricks)) as ground:
        yield ground


@pytest.fixture
def given(ground: DatabricksGround) -> dict[str, Any]:
    """The settings of a service principal that has no right yet."""
    client = f"principal-{uuid4().hex[:8]}"
    ground.server.principals[client] = SECRET
    return ground.server.settings(
        None, client_id=client, client_secret=SECRET, staging_schema=ground.staging, schemas=[ground.schema]
    )


def opened(given: dict[str, Any]) -> Warehouse:
    """The warehouse, open."""
    return open_warehouse("databricks", given)


def test_what_setup_sql_grants_is_enough_and_check_names_each_thing_that_is_missing(
    ground: DatabricksGround, given: dict[str, Any]
) -> None:
    spec = user_spec(ground.make("people", {"id": "STRING"}, [("a",)]))
    statements = setup_statements("databricks", given, [spec])
    missing: list[str] = []
    for statement in statements:
        with closing(opened(given)) as warehouse:
            missing += check_warehouse(warehouse, [spec])
        ground.run(statement)
    with closing(opened(given)) as warehouse:
        assert check_warehouse(warehouse, [spec]) == []
        assert ops(Mirroring(warehouse, spec).run()) == {"a": "insert"}
        ground.run(f"INSERT INTO {ground.source('people')} VALUES ('b')")
        assert ops(Mirroring(warehouse, spec).run()) == {"b": "insert"}
    for right in ("USE CATALOG on catalog", "USE SCHEMA on schema", "SELECT on table", "CREATE SCHEMA on catalog"):
        assert any(f"lacks {right}" in one and "run  GRANT" in one for one in missing), (right, missing)
    assert not [one for one in missing if SECRET in one or "\n" in one]


def test_a_table_outside_of_the_grants_cannot_be_read(ground: DatabricksGround, given: dict[str, Any]) -> None:
    spec, other = (user_spec(ground.make(name, {"id": "STRING"}, [("a",)])) for name in ("people", "salaries"))
    for statement in setup_statements("databricks", given, [spec]):
        ground.run(statement)
    with closing(opened(given)) as warehouse:
        assert len(read(warehouse, spec)) == 1
        (sentence,) = warehouse.tables.missing_privileges(other.table)
        assert f"run  GRANT SELECT ON TABLE `main`.`{ground.schema}`.`salaries` TO `{given['client_id']}`" in sentence
        with pytest.raises(SourceError, match="lacks SELECT on table"):
            read(warehouse, other)


def test_a_user_who_may_read_only_is_told_what_the_staging_schema_needs(
    ground: DatabricksGround, given: dict[str, Any]
) -> None:
    spec = user_spec(ground.make("people", {"id": "STRING"}, [("a",)]))
    for statement in setup_statements("databricks", given, [spec])[:3]:
        ground.run(statement)
    with closing(opened(given)) as warehouse, pytest.raises(StagingError, match="lacks CREATE SCHEMA on catalog main: run"):
        Mirroring(warehouse, spec)


def test_the_staging_schema_may_stand_in_another_catalogue(ground: DatabricksGround) -> None:
    spec = user_spec(ground.fill("many", 20))
    with closing(opened(ground.server.settings(staging_catalog="tools", staging_schema=ground.staging))) as warehouse:
        assert len(Mirroring(warehouse, spec).run()) == 20
        assert Mirroring(warehouse, spec).run() == []
    stands = {name[0] for name in ground.server.lake.tables if name[1] == ground.staging}
    ground.run(f"DROP SCHEMA tools.{ground.staging} CASCADE")
    assert stands == {"tools"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the connector leaves its socket open where it is refused
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"access_token": SECRET}, "refused the credentials: check access_token, or client_id and client_secret"),
        ({"access_token": None, "client_id": "nobody", "client_secret": SECRET}, "refused client_id nobody"),
        ({"connection": {"_connection_uri": "{address}/sql/1.0/warehouses/other"}}, "no SQL warehouse or cluster"),
        ({"connection": {"_connection_uri": "http://127.0.0.1:1/sql/1.0/warehouses/0"}}, "nothing answers at 127.0.0.1"),
    ],
    ids=["token", "principal", "path", "port"],
)
def test_why_no_connection_comes_about_is_one_sentence_without_secrets(
    databricks: RunningDatabricks, changed: dict[str, Any], told: str
) -> None:
    given = databricks.settings()
    connection = {name: str(value).format(address=databricks.address) for name, value in changed.pop("connection", {}).items()}
    given |= changed | {"connection": given["connection"] | connection | {"_retry_stop_after_attempts_count": 1}}
    with pytest.raises(WarehouseUnavailable) as raised:
        opened(given)
    assert told in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)
    del raised
    gc.collect()


def test_a_table_that_is_not_there_is_named_with_the_nearest_one(ground: DatabricksGround) -> None:
    ground.fill("visitors", 1)
    told = r"there is no table main\.shop_\w+\.visitor in .*; did you mean visitors\?"
    with closing(ground.open()) as warehouse, pytest.raises(SourceError, match=told):
        warehouse.tables.describe(ground.name("visitor"))


def test_a_session_that_the_server_forgot_is_an_outage_and_the_next_statement_has_another(
    ground: DatabricksGround,
) -> None:
    spec = user_spec(ground.fill("many", 10))
    with closing(ground.open()) as warehouse:
        assert warehouse.tables.count(spec) == 10
        ground.server.service.sessions.clear()
        with pytest.raises(WarehouseUnavailable):
            warehouse.tables.count(spec)
        assert warehouse.tables.count(spec) == 10


def test_a_statement_that_lost_against_another_one_runs_again(ground: DatabricksGround) -> None:
    spec = user_spec(ground.fill("many", 10))
    with closing(ground.open()) as warehouse:
        sync = Mirroring(warehouse, spec)
        lost = "[DELTA_CONCURRENT_APPEND] Files were added by a concurrent update. SQLSTATE: 2D521"
        ground.server.lake.faults += [("MERGE INTO", lost), ("MERGE INTO", lost)]
        assert len(sync.run()) == 10
        assert ground.server.lake.faults == []


STEPS = ("CREATE TABLE IF NOT EXISTS", "table_changes(", "INSERT INTO", "UPDATE", "DELETE FROM", "DROP TABLE")


@pytest.mark.parametrize("step", ["MERGE INTO", *(pytest.param(one, marks=pytest.mark.long) for one in STEPS)])
def test_a_run_that_dies_at_any_statement_is_made_good_by_the_next_one(ground: DatabricksGround, step: str) -> None:
    """Databricks commits statement by statement: each may be the last one of a run."""
    spec = user_spec(ground.fill("many", 60))
    with closing(ground.open()) as warehouse:
        Mirroring(warehouse, spec).run()
    sent: dict[str, str] = {}
    for attempt in range(12 if step in STEPS else 4):
        ground.change("many", "word", f"new {attempt}", "STRING", f"id IN ({attempt}, {attempt + 20})")
        ground.remove("many", f"id = {attempt + 40}")
        ground.server.lake.faults += [(step, "[INTERNAL_ERROR] It died. SQLSTATE: XX000")]
        with closing(ground.open()) as warehouse, suppress(MixpanelWhError):
            _go_on(warehouse, spec, sent)
        ground.server.lake.faults.clear()
    with closing(ground.open()) as warehouse:
        _go_on(warehouse, spec, sent)
        _go_on(warehouse, spec, sent)
    words = {str(id): word for id, word in ground.rows(f"SELECT id, word FROM {ground.source('many')}")}
    assert {key: word for key, word in sent.items() if word != "gone"}.items() <= words.items()
    assert {key for key, word in sent.items() if word == "gone"} == {str(n) for n in range(40, 40 + attempt + 1)}
    assert {key for key, word in words.items() if word.startswith("new")} <= sent.keys()


def _go_on(warehouse: Warehouse, spec: Any, sent: dict[str, str]) -> None:
    """What the engine does: finish the pending run if there is one, then another one."""
    sync = Mirroring(warehouse, spec)
    pending = warehouse.state.load(spec.name).pending
    if pending is not None:
        sync.pending = pending
    else:
        sync.stage()
    for row in sync.changes():
        sent[row["_mp_key"]] = "gone" if row["_mp_op"] == "delete" else row["word"]
    sync.acknowledge(sync.pending.rows - sync.pending.acknowledged)
    sync.commit()
