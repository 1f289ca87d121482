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
    """`ok     sync flights`, or `wrong  sync flights`, with problems and advice below it."""
    below = [f"       {sentence}" for sentence in (*one.problems, *one.advice)]
    return [f"{'wrong' if one.problems else 'ok':5}  {one.subject}", *below]


def _print_json(found: list[Finding]) -> None:
    wrong = [{"subject": one.subject, "problem": problem} for one in found for problem in one.problems]
    advice = [{"subject": one.subject, "advice": sentence} for one in found for sentence in one.advice]
    print_json({"ok": not wrong, "problems": wrong, "advice": advice, "checked": [one.subject for one in found]})
