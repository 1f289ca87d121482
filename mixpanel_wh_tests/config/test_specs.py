"""What a good project file becomes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mixpanel_wh.config import load_project, project_from_values, sync_from_values
from mixpanel_wh.config.fields import WAREHOUSE_FIELDS
from mixpanel_wh.config.syntax import in_zone
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import (
    DefaultRejectLimit,
    Identity,
    Limit,
    Mode,
    Partitions,
    Properties,
    RecordType,
    SyncSpec,
    TableName,
)
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh.warehouses import WAREHOUSES
from mixpanel_wh_tests.config.writing import APPEND, EVENT, HEAD, SECRET, USER, loaded, sync_file

FULL = """\
version: 1
warehouse:
  type: duckdb
  path: flights.duckdb
destination:
  project_id: 1234567
  token: ${MIXPANEL_TOKEN}
  service_account: account
  service_secret: hush
  region: eu
  url: http://127.0.0.1:8899/
  identity: simplified
  rate: {events_per_second: 1_000, bytes_per_minute: off}
  gzip_profiles: yes
  max_concurrency: 4
syncs:
  flights:
    table: main.flights
    record: event
    mode: mirror
    row_key: [time_hour, carrier, flight]
    on_duplicate_key: reject
    event: {name: Flight}
    time: departure_at
    timezone: America/New_York
    user_id: tailnum
    device_id: device
    group_keys: {carrier: airline}
    json: extra
    ip: address
    properties: {deny: [year], rename: {a: b}, hash: [email], send_nulls: false}
    max_rejected: 2%
    max_deletes: 100
    max_changes: 50 %
    schedule: hourly
    description: Every flight.
    group: air
    owners: [ada@example.com, team:growth]
    tags: {tier: gold}
  weather:
    table: main.weather
    record: event
    mode: append
    event: {column: kind}
    time: time_hour
    insert_time: written_at
    lookback: 1 day
    start_at: 2026-01-31
    timezone: America/New_York
"""


def test_a_full_project_file_becomes_what_it_says(tmp_path: Path) -> None:
    flights, weather = loaded(tmp_path, FULL).syncs
    assert flights == SyncSpec(
        "flights", TableName(("main", "flights")), RecordType.EVENT, Mode.MIRROR,
        row_key=("time_hour", "carrier", "flight"), on_duplicate_key="reject", event_name="Flight",
        time_column="departure_at", timezone="America/New_York", user_id="tailnum", device_id="device",
        group_keys={"carrier": "airline"}, json_column="extra", ip_column="address",
        properties=Properties(deny=("year",), rename={"a": "b"}, hash=("email",)),
        max_rejected=Limit(share=0.02), max_deletes=Limit(rows=100), max_changes=Limit(share=0.5),
        schedule="hourly", description="Every flight.", group="air", owners=("ada@example.com", "team:growth"),
        tags={"tier": "gold"},
    )  # fmt: skip
    assert (weather.event_name, weather.event_column, weather.insert_time) == (None, "kind", "written_at")
    assert (weather.lookback, weather.max_rejected) == (timedelta(days=1), DefaultRejectLimit())
    assert weather.start_at is not None
    assert weather.start_at.astimezone(UTC) == datetime(2026, 1, 31, 5, tzinfo=UTC)


def test_a_destination_becomes_the_settings_of_a_mixpanel_project(tmp_path: Path) -> None:
    assert loaded(tmp_path, FULL).destinations == {
        "main": ProjectSettings(
            "1234567", SECRET, "account", "hush", "eu", "http://127.0.0.1:8899", Identity.SIMPLIFIED,
            events_per_second=1_000, bytes_per_minute=None, gzip_profiles=True, max_concurrency=4,
        )
    }  # fmt: skip


@pytest.mark.parametrize("word", ["off", "false", '"off"'])
def test_a_rate_that_is_off_lifts_both_limits(tmp_path: Path, word: str) -> None:
    settings = loaded(tmp_path, sync_file(EVENT).replace("token:", f"rate: {word}, token:")).destinations["main"]
    assert (settings.events_per_second, settings.bytes_per_minute) == (None, None)


def test_without_a_rate_mixpanels_own_limits_hold(tmp_path: Path) -> None:
    settings = loaded(tmp_path, sync_file(EVENT)).destinations["main"]
    assert (settings.events_per_second, settings.bytes_per_minute) == (30_000, 2_000_000_000)


def test_partitions_cut_an_append_sync_by_insert_time_and_others_by_the_events_time(tmp_path: Path) -> None:
    cut = "partitions: {every: hour, start: 2026-01-31}, timezone: America/New_York"
    mirror = loaded(tmp_path, sync_file(f"{EVENT}, {cut}")).sync("one")
    append = loaded(tmp_path, sync_file(f"{APPEND}, {cut}")).sync("one")
    by_time = loaded(tmp_path, sync_file(f"{APPEND}, {cut.replace('every', 'by: time, every')}")).sync("one")
    start = in_zone(datetime(2026, 1, 31), "America/New_York")
    assert mirror.partitions == Partitions("hour", "departure_at", start)
    assert append.partitions == Partitions("hour", "written_at", start)
    assert by_time.partitions == Partitions("hour", "time_hour", start)


def test_a_sync_may_run_after_its_upstream_but_not_with_partitions(tmp_path: Path) -> None:
    assert loaded(tmp_path, sync_file(f"{EVENT}, after_upstream: true")).sync("one").after_upstream
    both = f"{EVENT}, after_upstream: true, partitions: {{every: day, start: 2026-01-31}}"
    with pytest.raises(ConfigError, match="Dagster would run every partition"):
        loaded(tmp_path, sync_file(both))


def test_a_project_can_be_made_from_python_values(tmp_path: Path) -> None:
    values = {
        "warehouse": {"type": "duckdb", "path": "a.duckdb"},
        "destination": {"project_id": 1, "token": "t"},
        "syncs": {"planes": {"table": "planes", "record": "user", "mode": "full", "distinct_id": "tailnum"}},
    }
    project = project_from_values(values, "defs.yaml", tmp_path / "defs.yaml")
    assert project.names == ["planes"]
    assert project.warehouses["main"].settings["path"] == str(tmp_path / "a.duckdb")
    with pytest.raises(ConfigError, match=r"^defs\.yaml: warehouse: missing"):
        project_from_values({key: values[key] for key in ("destination", "syncs")}, "defs.yaml", tmp_path / "x")


def test_paths_begin_in_the_folder_of_the_project_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = sync_file(EVENT).replace("path:", "read_only: true, staging_path: ../staging.duckdb, path:")
    warehouse = loaded(tmp_path, text).warehouses["main"]
    assert warehouse.as_dict() == {
        "type": "duckdb",
        "path": str(tmp_path / "flights.duckdb"),
        "staging_path": str(tmp_path.parent / "staging.duckdb"),
        "read_only": True,
    }


def test_an_absolute_path_and_one_below_the_home_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = sync_file(EVENT).replace("flights.duckdb", "~/a.duckdb, staging_path: /data/b.duckdb")
    settings = loaded(tmp_path, text).warehouses["main"].settings
    assert (settings["path"], settings["staging_path"]) == (str(tmp_path / "home" / "a.duckdb"), "/data/b.duckdb")


def test_an_event_without_any_user_is_legal(tmp_path: Path) -> None:
    spec = loaded(tmp_path, sync_file(EVENT)).sync("one")
    assert (spec.user_id, spec.device_id, spec.distinct_id) == (None, None, None)


def test_several_warehouses_and_destinations_are_named_by_the_syncs(tmp_path: Path) -> None:
    text = (
        "version: 1\n"
        "warehouses: {main: {type: duckdb, path: a.duckdb}, other: {type: duckdb, path: b.duckdb}}\n"
        "destinations: {eu: {project_id: 1, token: t, region: eu, identity: original}}\n"
        f"syncs:\n  one: {{{EVENT}, distinct_id: who}}\n  two: {{{USER}, warehouse: other, destination: eu}}\n"
    )
    project = loaded(tmp_path, text)
    one, two = project.syncs
    assert (one.warehouse, one.destination, two.warehouse, two.destination) == ("main", "eu", "other", "eu")
    assert project.warehouse_of(two).settings["path"].endswith("b.duckdb")
    assert project.destination_of(one).identity is Identity.ORIGINAL


def test_an_unknown_sync_is_answered_with_the_names_there_are(tmp_path: Path) -> None:
    project = loaded(tmp_path, f"{HEAD}  flights: {{{EVENT}}}\n  planes: {{{USER}}}\n")
    with pytest.raises(ConfigError, match=r"write one of flights, planes \(did you mean 'flights'\?\)"):
        project.sync("flight")


def test_a_sync_can_be_made_from_python_values_with_the_same_checks() -> None:
    spec = sync_from_values(
        "weather",
        {"table": "main.weather", "record": RecordType.EVENT, "mode": Mode.APPEND, "event": "Weather", "time": "at",
         "insert_time": "at", "lookback": timedelta(hours=6), "start_at": datetime(2026, 1, 31, tzinfo=UTC),
         "row_key": ("a", "b"), "properties": {"deny": ["c"], "send_nulls": True}},
        "asset weather",
    )  # fmt: skip
    assert (spec.lookback, spec.row_key) == (timedelta(hours=6), ("a", "b"))
    assert spec.start_at == datetime(2026, 1, 31, tzinfo=UTC)
    assert spec.properties == Properties(deny=("c",), send_nulls=True)


def test_mistakes_in_python_values_name_where_they_stand_and_have_no_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        sync_from_values(
            "planes", {"table": "a.b", "record": "usr", "mode": "full", "distinct_id": "${ID}"}, "asset planes"
        )
    assert caught.value.mistakes == [
        "asset planes: record: 'usr' is not a record type; write one of event, user, group, lookup, history "
        "(did you mean 'user'?)"
    ]


def test_a_destination_adds_its_checks_to_python_values() -> None:
    values = {"table": "a.b", "record": "lookup", "mode": "full", "lookup_table": "t", "lookup_id": "i"}
    with pytest.raises(ConfigError, match="from a service account only"):
        sync_from_values("t", values, "asset t", ProjectSettings("1", "token"))


def test_every_warehouse_that_can_be_opened_has_fields_in_the_project_file() -> None:
    assert set(WAREHOUSE_FIELDS) == set(WAREHOUSES)


def test_the_demos_project_file_is_one(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "mixpanel_wh" / "demo" / "mixpanel_wh.yaml"
    assert {spec.record for spec in load_project(path, {}).syncs} == set(RecordType) - {RecordType.HISTORY}


def test_an_append_sync_looks_back_not_at_all_by_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, sync_file(APPEND)).sync("one").lookback == timedelta(0)
