"""How syncs stand, read without writing."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from mixpanel_wh.config.status import age, status
from mixpanel_wh.config.wiring import run
from mixpanel_wh.engine.errors import CredentialsRefused
from mixpanel_wh.sandbox import Sandbox, SandboxOptions, ServiceAccount
from mixpanel_wh_tests.config.writing import loaded, whole_file


def test_syncs_that_never_ran_say_so_and_nothing_is_written(folder: Path, box: Sandbox) -> None:
    path = folder / "flights.duckdb"
    before = path.read_bytes()
    assert {one.state for one in status(loaded(folder, whole_file(box.url)))} == {"never ran"}
    assert path.read_bytes() == before


def test_a_sync_that_ran_shows_its_numbers_its_cursor_and_its_age(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url))
    for name in ("flights", "weather"):
        run(project, name)
    flights, weather = status(project, datetime(2013, 1, 2, tzinfo=UTC))[:2]
    assert flights.state == weather.state == "succeeded"
    assert flights.last_run is not None
    assert (flights.last_run["rows_read"], flights.last_run["rejected"], flights.pending) == (50, 0, None)
    assert (weather.cursor, weather.lag_seconds) == ("2013-01-01 19:00:00", 5 * 3600)
    assert flights.committed_at is not None


def test_a_run_that_could_not_send_leaves_an_unfinished_sync(folder: Path) -> None:
    account = ServiceAccount("somebody", "else")
    with Sandbox.start(SandboxOptions(port=0, service_account=account)) as strict:
        project = loaded(folder, whole_file(strict.url))
        with pytest.raises(CredentialsRefused):
            run(project, "flights")
    flights = status(project)[0]
    assert flights.state == "unfinished"
    assert flights.pending is not None
    assert (flights.pending["rows"], flights.pending["acknowledged"]) == (50, 0)
    assert "Mixpanel refused the service account" in flights.message


def test_a_warehouse_that_is_not_there_makes_its_syncs_unknown_with_the_reason(tmp_path: Path) -> None:
    found = status(loaded(tmp_path, whole_file("http://127.0.0.1:9")))
    assert {one.state for one in found} == {"unknown"}
    assert "there is no DuckDB file at" in found[0].message


READ_ONLY = "read_only: true, staging_path: staging.duckdb, path:"


def test_a_look_at_a_read_only_warehouse_makes_no_staging_file(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url).replace("path:", READ_ONLY))
    assert status(project)[0].state == "never ran"
    assert not (folder / "staging.duckdb").exists()


def test_the_state_of_a_read_only_warehouse_is_read_from_its_staging_file(folder: Path, box: Sandbox) -> None:
    project = loaded(folder, whole_file(box.url).replace("path:", READ_ONLY))
    run(project, "flights")
    before = (folder / "staging.duckdb").read_bytes()
    assert status(project)[0].state == "succeeded"
    assert (folder / "staging.duckdb").read_bytes() == before
    with duckdb.connect(str(folder / "flights.duckdb"), read_only=True) as source:
        found = source.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema <> 'main'").fetchall()
    assert found == [(0,)]


@pytest.mark.parametrize(
    ("moment", "zone", "seconds"),
    [
        ("2013-01-01 00:00:00", "UTC", 86_400.0),
        ("2013-01-01 00:00:00", "America/New_York", 68_400.0),
        ("2013-01-01T00:00:00+00:00", "America/New_York", 86_400.0),
        ("12345", "UTC", None),
        ("", "UTC", None),
        (None, "UTC", None),
    ],
)
def test_the_age_of_a_cursor_is_known_when_it_is_a_moment(moment: str | None, zone: str, seconds: float | None) -> None:
    assert age(moment, zone, datetime(2013, 1, 2, tzinfo=UTC)) == seconds
