"""`mixpanel-wh check`: everything that can be found wrong before a run, each problem with its fix."""

from argparse import Namespace

from mixpanel_wh.cli.arguments import project_file
from mixpanel_wh.cli.screen import print_json
from mixpanel_wh.config import load_project
from mixpanel_wh.config.health import Finding, findings
from mixpanel_wh.engine.errors import ConfigError


def execute(options: Namespace) -> int:
    """Print what was looked at and what is wrong; exit status 1 for problems, 2 for mistakes in the project file."""
    path = project_file(options)
    try:
        project = load_project(path)
    except ConfigError as error:
        if options.json:
            _print_json([Finding(f"project file {path}", tuple(error.mistakes))])
            return error.exit_status
        raise
    found = [Finding(f"project file {path}"), *findings(project)]
    if options.json:
        _print_json(found)
    else:
        for one in found:
            print("\n".join(lines(one)))
    return int(any(one.problems for one in found))


def lines(one: Finding) -> list[str]:
    """`ok     sync flights`, or `wrong  sync flights` with the problems below it."""
    if not one.problems:
        return [f"ok     {one.subject}"]
    return [f"wrong  {one.subject}", *(f"       {problem}" for problem in one.problems)]


def _print_json(found: list[Finding]) -> None:
    wrong = [{"subject": one.subject, "problem": problem} for one in found for problem in one.problems]
    print_json({"ok": not wrong, "problems": wrong, "checked": [one.subject for one in found]})
