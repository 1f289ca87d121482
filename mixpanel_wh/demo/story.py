"""The demo from beginning to end, told as it goes."""

import time
from collections.abc import Callable

from mixpanel_wh.demo.agreement import compare, surprises
from mixpanel_wh.demo.edits import edit
from mixpanel_wh.demo.folder import Folder
from mixpanel_wh.demo.report import agreement_table, edit_table, loaded_table, run_table, travelled_line
from mixpanel_wh.demo.runs import SyncRun, run_all
from mixpanel_wh.demo.screens import dagster_ui, free_port
from mixpanel_wh.demo.tables import load
from mixpanel_wh.sandbox import asked_to_stop

Say = Callable[[str], None]


def tell(folder: Folder, url: str, say: Say) -> tuple[list[SyncRun], bool]:
    """Load, run, edit, run again, compare; returns both runs and whether everything was as it must be."""
    say(f"The sandbox answers at {url}. Loading the source tables into {folder.warehouse}:\n")
    say(loaded_table(load(folder.warehouse)))
    first = _run(1, say)
    edited = edit(folder.warehouse)
    say(f"\nThe source tables change:\n\n{edit_table(edited)}")
    runs = [*first, *_run(2, say)]
    say(f"\n{travelled_line(runs)}")
    found = compare(url, folder.warehouse, folder.path)
    say(f"\nWhat the sandbox holds, against SQL over the source tables:\n\n{agreement_table(found.agreements)}")
    say(f"\nHidden as tombstones: {found.tombstones:,} flights that were deleted, or moved to another time or plane.")
    wrong = surprises(runs, edited, found.tombstones)
    agreed = all(one.holds for one in found.agreements) and not wrong
    say("\n" + "\n".join([*wrong, "Both ends agree." if agreed else "The two ends do not agree."]))
    return runs, agreed


def leave_running(folder: Folder, url: str, port: int, say: Say) -> None:
    """The Dagster UI beside the sandbox page, until Ctrl-C or SIGTERM."""
    with asked_to_stop() as asked:
        say("\nStarting the Dagster UI (about ten seconds) ...")
        with dagster_ui(folder, free_port(port)) as ui:
            say(f"\n  Sandbox page  {url}\n  Dagster UI    {ui}\n\nCtrl-C stops both.")
            asked.wait()
            say("Stopping ...")


def _run(number: int, say: Say) -> list[SyncRun]:
    say(f"\nRun {number}, through Dagster:\n")
    started = time.monotonic()
    runs = run_all(number)
    say(f"{run_table(runs)}\n\nRun {number} took {time.monotonic() - started:.1f} s.")
    return runs
