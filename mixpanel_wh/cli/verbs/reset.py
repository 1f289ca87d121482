"""`mixpanel-wh reset`: forget what syncs sent, so that their next runs send every row as something new."""

import sys
from argparse import Namespace

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import print_json
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import Connections, reset

WARNING = """\
A reset forgets what was sent of {syncs}. The next run sends every row, events with new insert ids. What Mixpanel
holds of them by now stays there: no run will update or delete these events, or delete these profiles. So
delete it in Mixpanel first, or events count twice. To go on, run  mixpanel-wh reset {names} --yes"""


def execute(options: Namespace) -> int:
    """Reset the syncs; without --yes only tell what that means, with exit status 2."""
    project = load_project(project_file(options))
    specs = [project.sync(name) for name in options.syncs]
    if not options.yes:
        names = [spec.name for spec in specs]
        print(WARNING.format(syncs=", ".join(names), names=" ".join(names)), file=sys.stderr)
        return 2
    found: list[dict[str, object]] = []
    with Connections(project) as connections:
        for spec in specs:
            epoch = reset(project, spec.name, connections)
            found.append({"sync": spec.name, "epoch": epoch})
            if not options.json:  # at once: the next one may be refused
                print(f"{spec.name}: forgotten; the next run sends every row (epoch {epoch})")
    if options.json:
        print_json(found)
    return 0
