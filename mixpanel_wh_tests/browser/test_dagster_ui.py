"""The Dagster UI as a person uses it: syncs are found, run by a click, and tell what they did."""

import pytest
from selenium import webdriver

from mixpanel_wh_tests.browser.person import Person

SENSOR = "mixpanel__airports__change_sensor"


def materialize(person: Person, sync: str) -> None:
    """Click until the run of a sync has ended well; its page stays open."""
    person.opens(f"/assets/mixpanel/{sync}?view=overview")
    person.reads("Latest materialization")
    person.clicks("Materialize")
    person.follows("View", "/runs/")  # in the word about the launch, which goes after four seconds
    person.reads("Success")


@pytest.fixture(scope="module")
def clicked(driver: webdriver.Chrome, dagster: str) -> str:
    """What the page of a run says that was started by a click."""
    person = Person(driver, dagster)
    materialize(person, "flights")
    return person.reads("RUN_SUCCESS")


def test_every_sync_of_a_group_is_listed_with_what_it_does(person: Person) -> None:
    person.opens("/locations/mixpanel_wh/asset-groups/mixpanel/list")
    shown = person.reads("airports", "arrivals", "flights", "opening", "Flights, once.")
    assert "planes" not in shown  # of another group


def test_the_graph_shows_tables_before_syncs_with_their_kinds(person: Person) -> None:
    person.opens("/locations/mixpanel_wh/asset-groups/fleet/lineage")
    shown = person.reads("planes", "Latest event", "DuckDB", "mixpanel")
    assert shown.count("planes") >= 2


def test_a_run_started_by_a_click_succeeds_and_says_what_it_did(clicked: str) -> None:
    assert "flights: 80 rows read (80 inserted, 0 updated, 0 deleted), 80 accepted" in clicked


def test_the_page_of_an_asset_shows_rows_numbers_columns_and_the_statement(person: Person, clicked: str) -> None:
    person.opens("/assets/mixpanel/flights?view=overview")
    numbers = {"rows_read": "80", "accepted": "80", "rejected": "0", "fidelity": "best_effort"}
    shown = person.reads(
        *(f"mixpanel/{name} " for name in numbers),
        "Row count 80",
        "Column name",
        "distance BIGINT",
        "main.flights sent to Mixpanel as events, mode mirror.",
        "domain: air",
        'FROM "main"."flights" WHERE TRUE',
    )
    for name, value in numbers.items():
        assert value in shown.split(f"mixpanel/{name} ")[1][:40]


def test_the_numbers_of_runs_are_plotted(person: Person, clicked: str) -> None:
    person.opens("/assets/mixpanel/flights?view=overview")
    person.reads("mixpanel/rows_read")
    person.clicks("Plots")
    person.reads("dagster/row_count", "mixpanel/accepted")
    assert person.finds("//canvas").size["width"] > 100


def test_the_checks_of_a_sync_warn_with_the_rejected_rows(person: Person, clicked: str) -> None:
    materialize(person, "planes")
    person.opens("/assets/mixpanel/planes?view=checks&checkDetail=rejected_rows")
    person.reads(
        "1 of 7 rows were rejected",
        "mixpanel/rejected_rows",
        "access Succeeded",
        "No row of the last run was refused by Mixpanel's rules.",
    )


def test_a_schedule_runs_and_a_sensor_waits_to_be_switched_on(person: Person) -> None:
    person.opens("/automation")
    person.reads("mixpanel__flights__schedule", "mixpanel__flights__change_sensor")
    assert person.is_on("mixpanel__flights__schedule")
    assert not person.is_on(SENSOR)
    person.switches(SENSOR, on=True)
    person.opens(f"/locations/mixpanel_wh/sensors/{SENSOR}")
    person.reads("Runs the sync airports when airports has changed.", "1 run requested")
    person.opens("/automation")
    person.switches(SENSOR, on=False)


def test_the_launchpad_offers_the_run_config(person: Person) -> None:
    person.opens("/assets/mixpanel/flights?view=overview")
    person.reads("Latest materialization")
    person.clicks_on("//button[normalize-space()='Materialize']/following::button[1]")
    person.clicks("Open launchpad")
    shown = person.reads("accept_guards", "dry_run", "full_resync", "No errors")
    assert "the-secret" not in shown
