"""The screenshots of the README and the guides: the demo, looked at through the browser (`make screenshots`).

As a program it writes them into the folder it is given, all of them or those that are named after it; without Chromium
it says so and ends with status 1.
"""

import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from selenium.webdriver.remote.webdriver import WebDriver

from mixpanel_wh.demo.box import running_sandbox
from mixpanel_wh.demo.database import opened
from mixpanel_wh.demo.edits import edit
from mixpanel_wh.demo.folder import PROJECT, environment, fresh_folder
from mixpanel_wh.demo.runs import run_all
from mixpanel_wh.demo.screens import dagster_ui
from mixpanel_wh.demo.tables import load
from mixpanel_wh_tests.browser.chromium import NoBrowser, chromium
from mixpanel_wh_tests.browser.person import Person
from mixpanel_wh_tests.stand_ins.ports import free_port

COLORS = 256
SPOIL = "UPDATE planes SET tailnum = NULL WHERE tailnum = (SELECT min(tailnum) FROM planes)"
"""A row that breaks a rule, so that there is a rejection to look at."""
STILL_SECONDS = 1.5
"""How long a page must look the same: charts and graphs move into their places."""


def take(driver: WebDriver, path: Path) -> None:
    """A picture of the window once it stands still, with 256 colors, so that it is small."""
    before, deadline = b"", time.monotonic() + 8
    while before != (now := driver.get_screenshot_as_png()) and time.monotonic() < deadline:
        before = now
        time.sleep(STILL_SECONDS)
    picture = Image.open(io.BytesIO(now)).convert("RGB")
    picture.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path} ({path.stat().st_size // 1024} kB)", flush=True)


def asset_graph(person: Person) -> None:
    """Source tables and the syncs after them."""
    person.opens("/asset-groups?expanded=global%40global%3Amixpanel%2Cglobal%40global%3Awarehouse")
    person.reads("Materialized", "Passed")


def asset_page(person: Person) -> None:
    """The page of a sync: status, rows, description, columns."""
    person.opens("/assets/mixpanel/flights?view=overview")
    person.reads("mixpanel/rows_read", "Row count")


def asset_metadata(person: Person) -> None:
    """The numbers of the last run and the statement."""
    asset_page(person)
    person.scrolls_to("//*[normalize-space()='mixpanel/seconds']")


def asset_plots(person: Person) -> None:
    """The numbers of all runs, plotted."""
    asset_page(person)
    person.clicks("Plots")
    person.reads("mixpanel/accepted")
    person.scrolls_to("//*[normalize-space()='Plots']")


def run(person: Person) -> None:
    """A run that was started by a click."""
    person.opens("/assets/mixpanel/planes?view=overview")
    person.reads("mixpanel/rows_read")
    person.clicks("Materialize")
    person.follows("View", "/runs/")  # in the word about the launch, which goes after four seconds
    person.reads("Success", "RUN_SUCCESS")
    person.driver.refresh()  # the word about the launch goes
    person.reads("RUN_SUCCESS")


def checks(person: Person) -> None:
    """The checks of a sync."""
    person.opens("/assets/mixpanel/planes?view=checks&checkDetail=rejected_rows")
    person.reads("1 of 3,361 rows were rejected", "mixpanel/rejected_rows")


def launchpad(person: Person) -> None:
    """What may be asked of one run."""
    person.opens("/assets/mixpanel/flights?view=overview")
    person.reads("mixpanel/rows_read")
    person.clicks_on("//button[normalize-space()='Materialize']/following::button[1]")
    person.clicks("Open launchpad")
    person.reads("full_resync", "No errors")


IN_DAGSTER: dict[str, Callable[[Person], None]] = {
    "dagster-graph": asset_graph,
    "dagster-asset": asset_page,
    "dagster-metadata": asset_metadata,
    "dagster-plots": asset_plots,
    "dagster-run": run,
    "dagster-checks": checks,
    "dagster-launchpad": launchpad,
}


def take_all(target: Path, wanted: Collection[str] = ()) -> None:
    """Run the demo in a folder that goes, and take the wanted pictures, by default every one. Raises NoBrowser."""
    with ExitStack() as stack:
        driver = stack.enter_context(chromium())
        place = Path(tempfile.gettempdir()) / "mixpanel_wh_demo"  # it can be read in the pictures
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        folder = stack.enter_context(fresh_folder(place))
        url = stack.enter_context(running_sandbox(folder.store))
        project = str(shutil.copy(PROJECT, place))
        stack.enter_context(environment(folder.environment(url) | {"MIXPANEL_WH_PROJECT": project}))
        load(folder.warehouse)
        run_all(1)
        edit(folder.warehouse)
        run_all(2)
        with opened(folder.warehouse) as connection:
            connection.execute(SPOIL)
        person = Person(driver, stack.enter_context(dagster_ui(folder, free_port())))
        for name, look in IN_DAGSTER.items():
            if not wanted or name in wanted:
                look(person)
                take(driver, target / f"{name}.png")
        if wanted and "sandbox" not in wanted:
            return
        page = Person(driver, url)
        page.opens("/")
        page.reads("Latest requests", "Route opened")
        take(driver, target / "sandbox.png")


if __name__ == "__main__":
    try:
        take_all(Path(sys.argv[1]), sys.argv[2:])
    except NoBrowser as missing:
        sys.exit(str(missing))
