"""`mixpanel-wh reset`: forget what syncs sent, so that their next runs send every row as something new."""

import sys
from argparse import Namespace

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import print_json
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import Connections, reset

WARNING = """\
A reset forgets what was sent of {syncs}. The next run sends every row, events with new insert ids. What Mixpanel
holds of them by now stays there, never to be updated or deleted again: delete it in Mixpanel first, or events count
twice. To go on, run  mixpanel-wh reset {names} --yes"""


def execute(options: Namespace) -> int:
    """Reset the syncs; without --yes only tell what that means, with exit status 2."""
    project = load_project(project_file(options))
    specs = [project.sync(name) for name in options.syncs]
    if not options.yes:
        names = [spec.name for spec in specs]
        print(WARNING.format(syncs=", ".join(names), names=" ".join(names)), file=sys.stderr)
        return 2
    with Connections(project) as connections:
        found = [{"sync": spec.name, "epoch": reset(project, spec.name, connections)} for spec in specs]
    if options.json:
        print_json(found)
        return 0
    for one in found:
        print(f"{one['sync']}: forgotten; the next run sends every row (epoch {one['epoch']})")
    return 0
