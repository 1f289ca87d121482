"""Audits against the real sandbox: what agrees is found to agree, and every planted difference is found and named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from mixpanel_wh.engine.audit import audit_sync
from mixpanel_wh.engine.audit_result import AuditOptions, AuditResult, Compare
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh_tests.acceptance import holding
from mixpanel_wh_tests.acceptance.visits import EVENT, GROUP, LOOKUP, USER, Way, make, more, ways
from mixpanel_wh_tests.mixpanel.delivering import settings
from mixpanel_wh_tests.warehouses.duckdb_ground import DuckDBGround

KEYED = replace(EVENT, row_key=("id",))
Audit = Callable[[SyncSpec], AuditResult]


@pytest.fixture
def audit(warehouse: Warehouse, project: MixpanelProject) -> Audit:
    """Audits a sync."""
    return lambda spec: audit_sync(spec, warehouse, project)


@pytest.fixture
def synced(ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject) -> Callable[[SyncSpec], None]:
    """Makes the table, 60 rows, and runs a sync of it."""

    def run(spec: SyncSpec) -> None:
        make(ground, 60)
        run_sync(spec, warehouse, project)

    return run


def plant(url: str, path: str, *records: dict[str, Any]) -> None:
    """Send records past the sync."""
    query = {"project_id": "42", "strict": "1"}
    answer = requests.post(f"{url}{path}", json=list(records), params=query, auth=("account-1", "hush-hush"), timeout=60)
    assert answer.status_code == 200, answer.text


def held_event(url: str) -> dict[str, Any]:
    """One of the visible events."""
    return holding.lines(url, "events")[0]


def counts(found: AuditResult) -> tuple[int, int, int]:
    return found.missing, found.extra, found.differing


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.label)
def test_both_ends_agree_after_a_run_and_after_the_next_one(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, audit: Audit, way: Way
) -> None:
    make(ground, 120)
    run_sync(way.spec, warehouse, project)
    found = audit(way.spec)
    assert found.agrees, found
    assert (found.rows, found.expected) == (120, 120)
    assert found.held == (None if way.spec.record is RecordType.LOOKUP else 120)
    if way.spec.mode is Mode.MIRROR:
        ground.run("UPDATE visits SET label = 'new', amount = -1, tags = NULL WHERE id IN ('v1', 'v8')")
        ground.run("DELETE FROM visits WHERE id IN ('v2', 'v50')")
        run_sync(way.spec, warehouse, project)
        found = audit(way.spec)
        assert (found.agrees, found.expected) == (True, 118), found


def test_an_event_that_never_arrived_is_missing(
    ground: DuckDBGround, synced: Callable[[SyncSpec], None], audit: Audit
) -> None:
    synced(KEYED)
    ground.run("INSERT INTO visits SELECT * REPLACE ('unsent' AS id) FROM visits WHERE id = 'v3'")
    found = audit(KEYED)
    assert (counts(found), found.agrees) == ((1, 0, 0), False)
    [difference] = found.differences
    assert (difference.kind, difference.identity[0]) == ("missing", "Visit")


def test_an_event_that_somebody_hid_with_a_tombstone_is_missing(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str
) -> None:
    synced(KEYED)
    event = held_event(url)
    names = ("time", "distinct_id", "$insert_id", "$user_id")
    grave = {name: event["properties"][name] for name in names if name in event["properties"]}
    plant(url, "/import", {"event": "Visit", "properties": grave | {"_deleted": True}})
    found = audit(KEYED)
    assert counts(found) == (1, 0, 0)
    assert found.differences[0].identity[-1] == event["properties"]["$insert_id"]


def test_an_event_of_the_sync_that_the_table_does_not_have_is_extra(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str
) -> None:
    synced(KEYED)
    event = held_event(url)
    event["properties"]["$insert_id"] = "planted"
    plant(url, "/import", event)
    found = audit(KEYED)
    assert (counts(found), found.held) == ((0, 1, 0), 61)
    assert found.differences[0].identity[-1] == "planted"


def test_events_of_others_and_copies_of_an_event_are_not_counted(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str
) -> None:
    synced(KEYED)
    event = held_event(url)
    plant(url, "/import", event, event)
    others = {"$warehouse_import_id": "another", "$insert_id": "of-another"}
    plant(url, "/import", {"event": "Visit", "properties": event["properties"] | others})
    assert counts(audit(KEYED)) == (0, 0, 0)


def test_a_value_that_differs_is_named_with_what_stands_at_either_end(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str
) -> None:
    synced(KEYED)
    event = held_event(url)
    event["properties"] |= {"born": "1900-01-01", "planted": 1}
    plant(url, "/import", event)
    found = audit(KEYED)
    assert counts(found) == (0, 0, 1)
    assert [(one.property_name, one.held) for one in found.differences] == [("born", '"1900-01-01"'), ("planted", "1")]
    assert found.differences[0].expected == '"1999-12-31"'


@pytest.mark.parametrize("spec", [USER, GROUP], ids=["user", "group"])
def test_a_deleted_profile_is_missing_and_one_that_others_made_is_no_difference(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str, spec: SyncSpec
) -> None:
    synced(spec)
    who: dict[str, Any] = {"$token": "token-1"}
    who |= {"$group_key": "city"} if spec.record is RecordType.GROUP else {}
    name = "$group_id" if spec.record is RecordType.GROUP else "$distinct_id"
    path = "/groups" if spec.record is RecordType.GROUP else "/engage"
    plant(url, path, who | {name: "v3", "$delete": ""}, who | {name: "stranger", "$set": {"a": 1}})
    found = audit(spec)
    assert (counts(found), found.held, found.total) == ((1, 0, 0), 59, 60)
    assert found.differences[0].identity == ("v3",)


def test_a_profile_with_another_value_differs_and_more_properties_do_not_matter(
    synced: Callable[[SyncSpec], None], audit: Audit, url: str
) -> None:
    synced(USER)
    plant(url, "/engage", {"$token": "token-1", "$distinct_id": "v4", "$set": {"born": "1900-01-01", "mine": 1}})
    plant(url, "/engage", {"$token": "token-1", "$distinct_id": "v5", "$set": {"label": "it is NULL in the table"}})
    found = audit(USER)
    assert counts(found) == (0, 0, 2)
    assert {(one.identity[0], one.property_name, one.expected) for one in found.differences} == {
        ("v4", "born", '"2000-01-04"'), ("v5", "label", None),
    }  # fmt: skip


def test_more_profiles_than_a_page_holds_are_read_page_by_page(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, audit: Audit, url: str
) -> None:
    ground.run("CREATE TABLE visits AS SELECT 'v' || n AS id, n AS size FROM range(2500) AS r(n)")
    run_sync(USER, warehouse, project)
    found = audit(USER)
    assert (found.agrees, found.held, found.total) == (True, 2500, 2500)
    asked = requests.get(f"{url}/sandbox/requests", timeout=60).text.splitlines()
    pages = [one for one in asked if "/api/2.0/engage" in one]
    assert len(pages) == 3


def test_of_very_many_profiles_a_sample_is_compared(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixpanel_wh.engine.audit.PROFILES_READ", 100)
    monkeypatch.setattr("mixpanel_wh.engine.audit.PROFILES_SAMPLED", 50)
    ground.run("CREATE TABLE visits AS SELECT 'v' || n AS id, n AS size FROM range(300) AS r(n)")
    run_sync(USER, warehouse, project)
    found = audit(USER)
    assert found.agrees
    assert 0 < found.expected == (found.held or 0) <= 50
    assert found.share == 1 / 8
    assert "a sample of 12.50%" in found.sentence


def test_rows_that_append_has_not_read_yet_are_not_missing(
    ground: DuckDBGround, synced: Callable[[SyncSpec], None], audit: Audit
) -> None:
    append = replace(KEYED, mode=Mode.APPEND, insert_time="written")
    synced(append)
    more(ground, 60, 80)
    found = audit(append)
    assert (found.agrees, found.expected) == (True, 60)


def test_only_the_last_days_of_events_are_compared(
    ground: DuckDBGround, synced: Callable[[SyncSpec], None], warehouse: Warehouse, project: MixpanelProject
) -> None:
    synced(KEYED)
    later = "* REPLACE (id || ' of May' AS id, \"at\" + to_days(61) AS \"at\")"
    ground.run(f"INSERT INTO visits SELECT {later} FROM visits")
    found = audit_sync(KEYED, warehouse, project, AuditOptions(days=3))
    assert (found.since, found.before) == ("2024-04-29T00:00:00Z", "2024-05-01T16:00:43Z")
    assert counts(found) == (60, 0, 0)


def test_rejected_rows_are_not_expected(ground: DuckDBGround, synced: Callable[[SyncSpec], None], audit: Audit) -> None:
    synced(USER)
    ground.run("UPDATE visits SET id = NULL WHERE id = 'v3'")
    found = audit(USER)
    assert (found.rows, found.rejected, found.expected, found.agrees) == (60, 1, 59, True)


def test_a_lookup_table_that_mixpanel_does_not_list_is_a_difference(
    ground: DuckDBGround, audit: Audit, url: str
) -> None:
    make(ground, 5)
    found = audit(LOOKUP)
    assert not found.agrees
    assert "Mixpanel lists no lookup table 'places'" in found.sentence


def test_without_a_service_account_nothing_can_be_read_back(
    ground: DuckDBGround, warehouse: Warehouse, url: str
) -> None:
    make(ground, 5)
    with MixpanelProject(settings(url, service_account=None)) as project, pytest.raises(ConfigError, match="service"):
        audit_sync(KEYED, warehouse, project)


COUNTS = AuditOptions(Compare.COUNTS)


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.label)
def test_the_numbers_agree_after_a_run(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str, way: Way
) -> None:
    make(ground, 60)
    run_sync(way.spec, warehouse, project)
    if way.spec.mode is Mode.MIRROR:
        ground.run("DELETE FROM visits WHERE id IN ('v2', 'v50')")
        run_sync(way.spec, warehouse, project)
    found = audit_sync(way.spec, warehouse, project, COUNTS)
    assert found.agrees, found
    assert found.expected == (58 if way.spec.mode is Mode.MIRROR else 60)


def test_numbers_of_events_are_counted_by_name_with_one_query_each(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    named = replace(KEYED, event_name=None, event_column="label")
    make(ground, 60)
    ground.run("UPDATE visits SET label = 'kind ' || (CAST(substr(id, 2) AS INTEGER) % 3)")
    run_sync(named, warehouse, project)
    assert audit_sync(named, warehouse, project, COUNTS).agrees
    ground.run("DELETE FROM visits WHERE id IN ('v4', 'v5')")
    ground.run("INSERT INTO visits SELECT * REPLACE ('new' AS id, 'kind 2' AS label) FROM visits WHERE id = 'v6'")
    found = audit_sync(named, warehouse, project, COUNTS)
    assert (found.rows, found.held, counts(found)) == (59, 60, (0, 1, 0))
    told = [(one.kind, one.record, one.expected, one.held) for one in found.differences]
    assert told == [("extra", "kind 1", "19", "20")]
    asked = requests.get(f"{url}/sandbox/requests", timeout=60).text.splitlines()
    assert len([one for one in asked if "segmentation" in one]) == 6
    ground.run("UPDATE visits SET label = 'kind 0' WHERE id IN ('v7', 'v10')")
    found = audit_sync(named, warehouse, project, COUNTS)
    assert counts(found) == (2, 3, 0), "one name does not make up for another"


def test_numbers_allow_for_rows_that_runs_rejected(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject
) -> None:
    make(ground, 60)
    ground.run("UPDATE visits SET who = 'anon' WHERE id IN ('v7', 'v9')")
    run_sync(KEYED, warehouse, project)
    found = audit_sync(KEYED, warehouse, project, COUNTS)
    assert (found.agrees, found.held, found.rejected) == (True, 58, 2)
    more(ground, 60, 63)
    found = audit_sync(KEYED, warehouse, project, COUNTS)
    assert counts(found) == (3, 0, 0)
    assert "the last run began at" in found.note


def test_a_span_of_time_narrows_both_ends(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 200)
    run_sync(KEYED, warehouse, project)
    second = AuditOptions(since=1_709_337_600_000, before=1_709_424_000_000)
    for options in (second, replace(second, compare=Compare.COUNTS)):
        found = audit_sync(KEYED, warehouse, project, options)
        assert (found.agrees, found.since, found.before) == (True, "2024-03-02T00:00:00Z", "2024-03-03T00:00:00Z")
        assert found.expected == found.held == 88
    ground.run("DELETE FROM visits WHERE id IN ('v0', 'v100')")
    for options in (second, replace(second, compare=Compare.COUNTS)):
        assert counts(audit_sync(KEYED, warehouse, project, options)) == (0, 1, 0)


def test_what_mixpanel_itself_refused_is_excused_and_told(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, url: str
) -> None:
    make(ground, 60)
    refused = {"kind": "partial_400", "records": 2}
    requests.post(f"{url}/sandbox/faults", json=refused, timeout=60).raise_for_status()
    result = run_sync(KEYED, warehouse, project)
    assert result.rejected
    found = audit_sync(KEYED, warehouse, project)
    assert (found.agrees, found.excused) == (True, result.rejected), found
    assert "refused by Mixpanel" in found.sentence
    ground.run("INSERT INTO visits SELECT * REPLACE ('unsent' AS id) FROM visits WHERE id = 'v3'")
    assert counts(audit_sync(KEYED, warehouse, project)) == (1, 0, 0)


def test_a_lookup_table_that_changed_since_it_was_sent_differs(
    ground: DuckDBGround, synced: Callable[[SyncSpec], None], audit: Audit
) -> None:
    mirrored = replace(LOOKUP, mode=Mode.MIRROR)
    synced(mirrored)
    assert audit(mirrored).agrees
    ground.run("UPDATE visits SET label = 'new' WHERE id = 'v1'")
    found = audit(mirrored)
    assert counts(found) == (0, 0, 1)
    assert "no longer what was sent last" in found.sentence


def test_an_audit_of_an_empty_table_agrees(
    ground: DuckDBGround, warehouse: Warehouse, project: MixpanelProject, audit: Audit
) -> None:
    make(ground, 0)
    assert audit(KEYED).agrees
    assert audit_sync(KEYED, warehouse, project, COUNTS).agrees


def test_progress_is_told_for_both_ends(
    ground: DuckDBGround, synced: Callable[[SyncSpec], None], warehouse: Warehouse, project: MixpanelProject
) -> None:
    synced(KEYED)
    told: list[int] = []
    audit_sync(KEYED, warehouse, project, on_progress=lambda progress: told.append(progress.rows))
    assert told[0] == 60
