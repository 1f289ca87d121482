"""Databricks: who may do what, how one signs in, and what is told where something is refused or out of reach."""

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from databricks.sql.exc import DatabaseError, ServerOperationError

from mixpanel_wh.config.health import sync_finding
from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh.warehouses.databricks.signing_in import ServicePrincipal
from mixpanel_wh.warehouses.databricks.trouble import Place, explained, refused, session_ended
from mixpanel_wh.warehouses.databricks.warehouse import hostname
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
    staging = f"USE SCHEMA on schema main.{ground.staging}"
    for right in ("USE CATALOG on catalog", f"USE SCHEMA on schema main.{ground.schema}", "SELECT on table",
                  "CREATE SCHEMA on catalog", staging):  # fmt: skip
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


def test_a_warehouse_that_is_starting_is_waited_for(ground: DatabricksGround) -> None:
    ground.server.starting = 2
    with closing(opened(ground.server.settings(staging_schema=ground.staging))) as warehouse:
        assert ground.server.starting == 0
        ground.server.starting = 1
        assert warehouse.tables.count(user_spec(ground.fill("many", 10))) == 10


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b"{}", "refused client_id me (401): check client_id and client_secret of the warehouse"),
        (503, b"", "gives no token now (503): run again later"),
        (200, b"<html>Sign in</html>", "does not answer as a workspace does: check server_hostname of the warehouse"),
        (200, b'{"error": "none"}', "does not answer as a workspace does: check server_hostname of the warehouse"),
        (200, b"[]", "does not answer as a workspace does: check server_hostname of the warehouse"),
    ],
)
def test_what_is_no_token_is_told_in_a_sentence(status: int, body: bytes, told: str) -> None:
    with answering(status, body) as address, pytest.raises(WarehouseUnavailable) as raised:
        ServicePrincipal(address, "me", SECRET).headers()
    assert str(raised.value) == f"{address} {told}"


def test_a_token_serves_until_it_is_about_to_run_out() -> None:
    with answering(200, b'{"access_token": "short", "expires_in": 3600}') as address:
        principal = ServicePrincipal(address, "me", SECRET)
        assert [principal.headers() for _ in range(2)] == [{"Authorization": "Bearer short"}] * 2
        soon = principal.expires = time.monotonic() + 60
        principal.headers()
    assert principal.expires > soon + 3000
    assert SECRET not in repr(principal)
    assert "short" not in repr(principal)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The address of a server that answers everything alike."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("written", ["dbc-1.cloud.example", "https://dbc-1.cloud.example/", " https://dbc-1.cloud.example/?o=1"])
def test_a_host_may_be_written_as_the_browser_shows_it(written: str) -> None:
    assert hostname({"server_hostname": written}) == "dbc-1.cloud.example"


PLACE = Place("dbc-1.cloud.example", "/sql/1.0/warehouses/1", "main", ("main", "mixpanel"), "me")


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        (
            "Error running query: [UNRESOLVED_COLUMN.WITH_SUGGESTION] org.apache.spark.sql.catalyst.ExtendedAnalysisException: "
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `a` cannot be resolved. SQLSTATE: 42703; line 1 pos 7;\n"
            "'Project ['a]",
            SourceError, "Databricks refused a statement: A column with name `a` cannot be resolved",
        ),
        (
            "Error running query: com.databricks.sql.io.FileReadException: Error while reading file s3://x. It is gone.",
            SourceError, "Databricks refused a statement: Error while reading file s3://x. It is gone",
        ),
        (
            "PERMISSION_DENIED: User does not have USE CATALOG on Catalog 'main'.",
            SourceError, "user me lacks USE CATALOG on catalog main: run  GRANT USE CATALOG ON CATALOG `main` TO `me`",
        ),
        (
            "Error running query: [INSUFFICIENT_PERMISSIONS] java.lang.SecurityException: Insufficient privileges: User does "
            "not have permission SELECT on table `main`.`sales`.`orders`",
            SourceError, "user me lacks SELECT on table main.sales.orders: run  GRANT SELECT ON TABLE "
            "`main`.`sales`.`orders` TO `me`",
        ),
        (
            "PERMISSION_DENIED: User does not have CREATE TABLE and USE SCHEMA on Schema 'tools.mixpanel'.",
            StagingError, "user me lacks CREATE TABLE, USE SCHEMA on schema tools.mixpanel: run  GRANT CREATE TABLE, USE "
            "SCHEMA ON SCHEMA `tools`.`mixpanel` TO `me`",
        ),
        ("Connection reset by peer", WarehouseUnavailable, "Databricks at dbc-1.cloud.example: Connection reset by peer"),
    ],
    ids=["cluster", "file", "catalog", "table", "schema", "network"],
)  # fmt: skip
def test_what_the_server_says_becomes_one_sentence(message: str, kind: type[MixpanelWhError], told: str) -> None:
    error = explained(ServerOperationError(message), PLACE)  # type: ignore[no-untyped-call]
    assert (type(error), str(error)) == (kind, told)


def test_who_may_not_even_enter_is_told_which_grant_is_missing() -> None:
    said = "[INSUFFICIENT_PERMISSIONS] User does not have USE CATALOG on Catalog 'main'."
    error = refused(DatabaseError(said), PLACE)  # type: ignore[no-untyped-call]
    assert str(error) == "user me lacks USE CATALOG on catalog main: run  GRANT USE CATALOG ON CATALOG `main` TO `me`"
    unknown = refused(DatabaseError(said), replace(PLACE, user=""))  # type: ignore[no-untyped-call]
    assert str(unknown).startswith("this user lacks USE CATALOG on catalog main: run  GRANT")


def test_of_two_leases_that_were_added_at_once_neither_is_taken(ground: DatabricksGround) -> None:
    """Databricks may let two MERGE statements add a row each: it looks for conflicts among rows that are there."""
    mine, other = (Lease("people", holder, datetime.now(UTC) + timedelta(minutes=1)) for holder in ("mine", "other"))
    with closing(ground.open()) as warehouse:
        assert warehouse.state.acquire(mine) is None
        ground.run(
            f"INSERT INTO main.{ground.staging}.leases VALUES ('people', 'other', '{other.expires_at.isoformat()}')"
        )
        assert warehouse.state.acquire(mine) == other
        assert warehouse.state.acquire(other) is None
        warehouse.state.release("people", "other")
        assert warehouse.state.acquire(mine) is None


def test_a_table_that_is_not_there_is_named_with_the_nearest_one(ground: DatabricksGround) -> None:
    ground.fill("visitors", 1)
    told = r"there is no table main\.shop_\w+\.visitor in .*; did you mean visitors\?"
    with closing(ground.open()) as warehouse, pytest.raises(SourceError, match=told):
        warehouse.tables.describe(ground.name("visitor"))


@pytest.mark.parametrize("said", ["Invalid SessionHandle: the session is closed", "[INVALID_HANDLE.SESSION_NOT_FOUND] Gone."])
def test_a_statement_of_a_session_that_the_server_forgot_runs_in_another_one(ground: DatabricksGround, said: str) -> None:
    spec = user_spec(ground.fill("many", 10))
    with closing(ground.open()) as warehouse:
        assert warehouse.tables.count(spec) == 10
        ground.server.service.sessions.clear()
        assert warehouse.tables.count(spec) == 10
        ground.server.lake.faults.append(("count(*)", said))
        assert warehouse.tables.count(spec) == 10
        assert ground.server.lake.faults == []


def test_where_advice_is_asked_for_and_refused_the_refusal_is_a_problem_of_the_sync(ground: DatabricksGround) -> None:
    spec = user_spec(ground.fill("many", 10))
    with closing(ground.open()) as warehouse:
        assert (sync_finding(spec, warehouse).problems, sync_finding(spec, warehouse).advice) == ((), ())
        ground.run(f"ALTER TABLE {ground.source('many')} SET TBLPROPERTIES (delta.enableChangeDataFeed = false)")
        assert "SET TBLPROPERTIES (delta.enableChangeDataFeed = true)" in sync_finding(spec, warehouse).advice[0]
        said = "[UNRESOLVED_ROUTINE] It cannot be described. SQLSTATE: 42883"
        ground.server.lake.faults.append(("DESCRIBE DETAIL", said))
        found = sync_finding(spec, warehouse)
        assert (len(found.problems), found.advice) == (1, ())
        assert "It cannot be described" in found.problems[0]


def test_a_statement_whose_operation_the_server_forgot_may_have_been_run_and_is_not_run_again() -> None:
    said = "[INVALID_HANDLE.{}_NOT_FOUND] The handle is invalid. SQLSTATE: HY000"
    found = [session_ended(ServerOperationError(said.format(one))) for one in ("SESSION", "OPERATION")]  # type: ignore[no-untyped-call]
    assert found == [True, False]


def test_what_does_not_start_is_told_in_a_sentence(ground: DatabricksGround) -> None:
    spec = user_spec(ground.fill("many", 10))
    with closing(ground.open()) as warehouse:
        ground.server.starting = 1_000
        try:
            for ask in (lambda: warehouse.tables.count(spec), lambda: opened(ground.server.settings()).close()):
                with pytest.raises(WarehouseUnavailable, match=r"0123456789abcdef at .* did not start in time"):
                    ask()
        finally:
            ground.server.starting = 0
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
