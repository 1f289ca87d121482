"""Checks with steps of their own: reconciliation, the age of the snapshot, and the staging schema."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mixpanel_wh.defs.assembly import project_definitions
from mixpanel_wh.defs.decorator import mixpanel_sync_assets
from mixpanel_wh.defs.own_checks import mixpanel_sync_checks
from mixpanel_wh.defs.resources import MixpanelResource
from mixpanel_wh.defs.settings import sync_spec
from mixpanel_wh.engine.state import Checkpoint
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import unwritable_staging
from mixpanel_wh.warehouses.expiry import EXPIRES
from mixpanel_wh_tests.defs.looking import Box, change, key, metadata, run

Look = Callable[..., dg.AssetCheckEvaluation]


@pytest.fixture
def defs(project_file: Path) -> dg.Definitions:
    """The code location of the project file."""
    return location(project_file)


def location(project_file: Path) -> dg.Definitions:
    """The code location of a project file."""
    made: dg.Definitions = project_definitions(project_file)
    return made


def executed(
    defs: dg.Definitions, instance: dg.DagsterInstance, sync: str, *names: str, **config: Any
) -> dg.ExecuteInProcessResult:
    """Checks of a sync, executed alone; `config` is that of the reconciliation."""
    selection = dg.AssetSelection.checks(*(dg.AssetCheckKey(key(sync), name) for name in names))
    job = dg.define_asset_job("look", selection)
    whole = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("look")
    ops = {f"mixpanel__{sync}__reconciliation": {"config": config}} if config else {}
    return whole.execute_in_process(instance=instance, run_config={"ops": ops})


@pytest.fixture
def look(defs: dg.Definitions, instance: dg.DagsterInstance) -> Look:
    """Executes one check of a sync alone."""

    def answer(sync: str, name: str = "reconciliation", **config: Any) -> dg.AssetCheckEvaluation:
        result = executed(defs, instance, sync, name, **config)
        assert result.success
        [found] = result.get_asset_check_evaluations()
        assert (found.asset_key, found.check_name) == (key(sync), name)
        assert not result.get_asset_materialization_events()
        return found

    return answer


def plain(found: dg.AssetCheckEvaluation) -> dict[str, Any]:
    """The metadata of an answer as plain values."""
    return {name: value.value for name, value in found.metadata.items() if name != "mixpanel/differences"}


def edit(project_file: Path, old: str, new: str) -> dg.Definitions:
    """The code location after a change of the project file."""
    text = project_file.read_text()
    assert old in text
    project_file.write_text(text.replace(old, new))
    return location(project_file)


def own_checks(defs: dg.Definitions, sync: str) -> set[str]:
    """The names of a sync's checks."""
    return {one.name for one in defs.resolve_asset_graph().asset_check_keys if one.asset_key == key(sync)}


@pytest.mark.parametrize("compare", ["counts", "content"])
@pytest.mark.parametrize("sync", ["flights", "arrivals", "planes", "airports", "opening"])
def test_after_a_run_both_ends_are_found_to_agree(
    defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, sync: str, compare: str
) -> None:
    run(defs, instance, key(sync))
    found = look(sync, compare=compare)
    assert found.passed, found.description
    assert "agree" in (found.description or "")
    assert plain(found)["mixpanel/compared"] == compare


def test_numbers_are_compared_by_default_and_one_query_is_asked(
    defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, air: Path, box: Box
) -> None:
    run(defs, instance, key("flights"))
    change(air, "INSERT INTO flights SELECT * REPLACE (900 AS flight) FROM flights WHERE flight = 3")
    before = len(box.requests())
    found = look("flights")
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    numbers = plain(found)
    assert (numbers["mixpanel/expected"], numbers["mixpanel/held"], numbers["mixpanel/missing"]) == (81, 80, 1)
    assert [one["path"] for one in box.requests()[: len(box.requests()) - before]] == ["/api/query/segmentation"]


def test_contents_are_compared_where_the_sync_asks_for_it_with_a_sample_of_the_differences(
    project_file: Path, air: Path, instance: dg.DagsterInstance
) -> None:
    defs = edit(project_file, "group: fleet", "group: fleet, reconciliation: content")
    run(defs, instance, key("planes"))
    change(air, "UPDATE planes SET seats = 7 WHERE tailnum = 'N12'", "INSERT INTO planes VALUES ('N99', 1)")
    [found] = executed(defs, instance, "planes", "reconciliation").get_asset_check_evaluations()
    assert not found.passed
    sample = found.metadata["mixpanel/differences"]
    assert isinstance(sample, dg.TableMetadataValue)
    rows = [record.data for record in sample.records]
    assert {(row["what"], row["record"], row["table"], row["mixpanel"]) for row in rows} == {
        ("missing", "N99", "", ""), ("differing", "N12", "7", "102"),
    }  # fmt: skip


def test_days_narrow_a_reconciliation(defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, air: Path) -> None:
    run(defs, instance, key("flights"))
    change(air, "DELETE FROM flights WHERE flight = 3")
    assert not look("flights", compare="content", from_date="2024-01-01").passed
    assert look("flights", compare="content", from_date="2024-01-03", to_date="2024-01-04").passed
    wrong = look("flights", from_date="January")
    assert (wrong.passed, wrong.description) == (False, "from_date: 'January' is not a day; write it as 2026-01-31")
    assert "write counts or content" in (look("flights", compare="all").description or "")


def test_what_keeps_a_reconciliation_from_being_answered_is_its_answer(
    defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, air: Path, box: Box
) -> None:
    run(defs, instance, key("flights"))
    box.fail(kind="unauthorized", path="/api/query/segmentation")
    found = look("flights")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "service account" in (found.description or "")
    assert "the-secret" not in str(found)
    change(air, "DROP TABLE planes")
    assert "planes" in (look("planes").description or "")


def test_a_reconciliation_writes_nothing_and_needs_no_write_access(
    defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, air: Path
) -> None:
    run(defs, instance, key("planes"))
    before = air.read_bytes()
    with duckdb.connect(str(air), read_only=True), duckdb.connect(str(air), read_only=True):
        assert look("planes", compare="content").passed
    assert air.read_bytes() == before


def test_a_reconciliation_waits_for_a_run_that_holds_the_file(
    defs: dg.Definitions, instance: dg.DagsterInstance, look: Look, air: Path
) -> None:
    run(defs, instance, key("planes"))
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(air)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        letting_go = threading.Timer(1.5, other.stdin.close)  # longer than a look in passing waits
        letting_go.start()
        found = look("planes")
        letting_go.join()
    assert found.passed, found.description


def test_reconciliation_can_be_switched_off_and_is_not_there_without_a_service_account(project_file: Path) -> None:
    usual = {"rejected_rows", "access", "staging_access"}
    assert own_checks(project_definitions(project_file), "planes") == {*usual, "reconciliation"}
    off = edit(project_file, "group: fleet", "group: fleet, reconciliation: off")
    assert own_checks(off, "planes") == usual
    assert "reconciliation" in own_checks(off, "flights")
    text = project_file.read_text()
    text = text.replace("  service_account: robot\n", "").replace("  service_secret: ${SECRET:-the-secret}\n", "")
    project_file.write_text(text[: text.index("  airports:")] + text[text.index("  opening:") :])
    assert own_checks(project_definitions(project_file), "flights") == usual


def test_schedules_and_sensors_run_a_sync_without_the_checks_that_have_steps_of_their_own(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    schedule = defs.resolve_schedule_def("mixpanel__flights__schedule")
    job = defs.resolve_job_def(schedule.job_name)
    assert {one.name for one in job.asset_layer.asset_graph.asset_check_keys} == {"rejected_rows", "access"}
    assert "reconciliation" in {one.name for one in graph.asset_check_keys}


def test_the_staging_schema_is_written_to_and_its_refusal_is_an_error(
    project_file: Path, instance: dg.DagsterInstance, look: Look, tmp_path: Path
) -> None:
    assert look("planes", "staging_access").passed
    kept = tmp_path / "not-there" / "staging.duckdb"
    defs = edit(project_file, "path: air.duckdb", f"path: air.duckdb, read_only: true, staging_path: {kept}")
    [found] = executed(defs, instance, "planes", "staging_access").get_asset_check_evaluations()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "not-there" in (found.description or "")


def test_only_mirrors_in_warehouses_that_forget_snapshots_have_an_age(
    project_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "snapshot_age" not in own_checks(project_definitions(project_file), "flights")
    monkeypatch.setitem(EXPIRES, "duckdb", timedelta(days=21))
    defs = project_definitions(project_file)
    assert "snapshot_age" in own_checks(defs, "flights")
    assert "snapshot_age" not in own_checks(defs, "planes")
    in_file = edit(project_file, "path: air.duckdb", "path: air.duckdb, read_only: true, staging_path: kept.duckdb")
    assert "snapshot_age" not in own_checks(in_file, "flights")


@pytest.mark.parametrize(
    ("days", "passed", "severity", "told"),
    [
        (None, True, "WARN", "no snapshot is kept yet"),
        (13, True, "WARN", "the snapshot is 13.0 days old and expires after 21"),
        (15, False, "WARN", "run the sync before that"),
        (22, False, "ERROR", "the warehouse keeps it for 21: run the sync"),
    ],
)
def test_the_age_of_the_snapshot_is_a_warning_at_two_thirds_and_an_error_beyond_the_limit(
    project_file: Path, air: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch,
    days: int | None, passed: bool, severity: str, told: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(EXPIRES, "duckdb", timedelta(days=21))
    if days is not None:
        commit(air, datetime.now(UTC) - timedelta(days=days))
    result = executed(project_definitions(project_file), instance, "flights", "snapshot_age")
    [found] = result.get_asset_check_evaluations()
    assert (found.passed, found.severity.value) == (passed, severity)
    assert told in (found.description or "")
    assert plain(found)["mixpanel/expires_after_days"] == 21
    assert plain(found).get("mixpanel/snapshot_days") == (None if days is None else pytest.approx(days, abs=0.01))


def commit(air: Path, moment: datetime) -> None:
    """Write a checkpoint of the flights as if a run had committed it then."""
    warehouse = open_warehouse("duckdb", {"path": str(air)})
    assert unwritable_staging(warehouse, PLANES) == []  # makes the staging schema
    warehouse.state.commit("flights", Checkpoint(committed_at=moment.isoformat()))
    warehouse.close()


PLANES = [sync_spec("planes", table="main.planes", record="user", mode="full", distinct_id="tailnum")]


def move(context: dg.AssetExecutionContext, mixpanel: MixpanelResource) -> Any:
    """A function of one's own."""
    yield from mixpanel.sync(context, PLANES)


fleet = mixpanel_sync_assets(syncs=PLANES, name="fleet")(move)


def test_a_decorated_function_has_the_same_checks_beside_it(
    air: Path, box: Box, instance: dg.DagsterInstance
) -> None:
    mixpanel = MixpanelResource(
        project_id="1", token="the-token", service_account="robot", service_secret="hush", url=box.url,
        warehouse={"type": "duckdb", "path": str(air)},
    )  # fmt: skip
    checks = mixpanel_sync_checks(syncs=PLANES)
    defs = dg.Definitions([fleet], asset_checks=checks, resources={"mixpanel": mixpanel})
    run(defs, instance, key("planes"))
    result = executed(defs, instance, "planes", "reconciliation", "staging_access")
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == {
        "reconciliation": True, "staging_access": True,
    }  # fmt: skip
    change(air, "INSERT INTO planes VALUES ('N99', 1)")
    [found] = executed(defs, instance, "planes", "reconciliation", compare="content").get_asset_check_evaluations()
    assert not found.passed


def test_beside_a_function_a_snapshot_has_an_age_where_the_warehouse_forgets_it() -> None:
    mirrored = [sync_spec("planes", table="main.planes", record="user", mode="mirror", distinct_id="tailnum")]

    def aged(**given: Any) -> bool:
        checks = mixpanel_sync_checks(syncs=mirrored, **given)
        return any(spec.name == "snapshot_age" for check in checks for spec in check.check_specs)

    assert [aged(), aged(warehouse="snowflake"), aged(warehouse="snowflake", in_file=True)] == [False, True, False]


def test_rows_that_a_resumed_run_rejected_are_in_the_sample_though_they_stand_under_the_first_runs_id(
    project_file: Path, air: Path, box: Box, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixpanel_wh.engine.run.SAVE_EVERY_SECONDS", 0)
    who = "CASE WHEN i % 10000 = 1 THEN 'anon' ELSE 'N' || i END AS tailnum"
    at = "TIMESTAMP '2024-01-01 06:00:00' + i * INTERVAL 1 SECOND AS departed"
    change(air, f"CREATE OR REPLACE TABLE flights AS SELECT i AS flight, {who}, {at} FROM range(140000) AS t(i)")
    defs = location(project_file)
    box.fail(kind="unauthorized", path="/import", skip=60)  # of 73 requests; those of the first rows are answered by then
    assert not run(defs, instance, key("flights")).success
    second = run(defs, instance, key("flights"))
    numbers = metadata(second, key("flights"))
    assert (numbers["mixpanel/resumed"], 0 < numbers["mixpanel/rejected"] < 14) == (True, True)
    [found] = executed(defs, instance, "flights", "rejected_rows").get_asset_check_evaluations()
    assert not found.passed
    sample = found.metadata["mixpanel/rejected_rows"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert {record.data["row_key"] for record in sample.records} == {str(10000 * n + 1) for n in range(14)}
