"""A run in a process of its own, to be killed: prints a line when it starts and one when it ends."""

import sys
from pathlib import Path

from mixpanel_wh.engine.run import run_sync
from mixpanel_wh.mixpanel.project import MixpanelProject
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.acceptance.visits import ways
from mixpanel_wh_tests.mixpanel.delivering import settings


def main(label: str, path: Path, url: str) -> None:
    """One run of a way to sync the table of visits."""
    (way,) = (way for way in ways() if way.label == label)
    warehouse = open_warehouse("duckdb", {"path": path})
    with MixpanelProject(settings(url)) as project:
        print("started", flush=True)
        run_sync(way.spec, warehouse, project)
        print("ended", flush=True)
    warehouse.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
