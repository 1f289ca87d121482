"""`mixpanel-wh setup-sql`: the statements that give the syncs' user what it needs in each warehouse, and no more."""

import sys
from argparse import Namespace

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import print_json
from mixpanel_wh.config import load_project
from mixpanel_wh.config.project import Project
from mixpanel_wh.warehouses.check import setup_statements


def execute(options: Namespace) -> int:
    """Print SQL for an administrator to read and run; exit status 0. Nothing is connected to."""
    found = statements(load_project(project_file(options)))
    if options.json:
        print_json(found)
        return 0
    for name, written in found.items():
        if written:
            print(f"-- warehouse {name}: to be run by an administrator")
            print("\n".join(f"{statement};" for statement in written))
        else:
            print(f"warehouse {name} has no users: there is nothing to set up", file=sys.stderr)
    return 0


def statements(project: Project) -> dict[str, list[str]]:
    """The statements of each warehouse that a sync reads, by its name."""
    found: dict[str, list[str]] = {}
    for name, chosen in project.warehouses.items():
        specs = [spec for spec in project.syncs if spec.warehouse == name]
        if specs:
            found[name] = setup_statements(chosen.kind, dict(chosen.settings), specs)
    return found
