"""The command line: every verb with its options. `--project` and `--json` may stand before or after the verb."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PROJECT_VARIABLE = "MIXPANEL_WH_PROJECT"
PROJECT_FILE = "mixpanel_wh.yaml"
EPILOG = f"""\
The project file is --project FILE, else what {PROJECT_VARIABLE} names, else ./{PROJECT_FILE}.

exit status: 0 well, 1 a run, a check or an audit failed, or a guard would stop a planned run, 2 a mistake in the
project file or on the command line, 70 an error of mixpanel-wh itself, 130 stopped with Ctrl-C"""


@dataclass(frozen=True)
class Verb:
    """A verb: the module whose `execute` does it, what it is for, and its own options.

    A verb that is `forwarded` reads the rest of the command line itself, in a `main` of its own.
    """

    name: str
    module: str
    about: str
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    forwarded: bool = False


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("syncs", nargs="*", metavar="SYNC", help="the syncs to run, in this order (default: all)")
    parser.add_argument("--full-resync", action="store_true", help="send every row again, whatever was sent before")
    parser.add_argument(
        "--accept-guards", action="store_true", help="go on where max_rejected, max_deletes or max_changes would stop"
    )


def _preview(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sync", metavar="SYNC", help="the sync to look at")
    parser.add_argument("--rows", type=positive, default=5, help="how many rows of the table to encode (default 5)")
    parser.add_argument("--sql", action="store_true", help="print the statement that selects the rows as well")


def _plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("syncs", nargs="*", metavar="SYNC", help="the syncs to look at (default: all)")
    most = parser.add_mutually_exclusive_group()
    most.add_argument(
        "--rows", type=positive, default=100_000,
        help="how many rows of a sync to encode; requests, bytes and rejections of more are estimated (default 100000)",
    )  # fmt: skip
    most.add_argument("--exact", action="store_true", help="encode every row that a run would send")


def _rejected(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("syncs", nargs="*", metavar="SYNC", help="the syncs to look at (default: all)")
    parser.add_argument("--rows", type=positive, default=20, help="how many rows of each sync to show (default 20)")


def _reset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("syncs", nargs="+", metavar="SYNC", help="the syncs whose sent rows are to be forgotten")
    parser.add_argument("--yes", action="store_true", help="do it; without, only what it means is told")


def _audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("syncs", nargs="*", metavar="SYNC", help="the syncs to look at (default: all)")
    parser.add_argument("--counts", action="store_true", help="compare numbers of records only, which is cheap")
    parser.add_argument("--from", dest="since", type=day, metavar="DATE", help="events from this day on, in UTC")
    parser.add_argument(
        "--to", dest="upto", type=day, metavar="DATE",
        help="events up to the end of this day (default: the last 7 days of the table, with --counts all of it)",
    )  # fmt: skip


def _sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port, default=8787, help="the port to listen on, 0 for a free one (default 8787)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="a DuckDB file to keep everything in (default: memory)"
    )
    parser.add_argument(
        "--identity", choices=("simplified", "original"), default="simplified", help="how the project tells users apart"
    )


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("run", "mixpanel_wh.cli.verbs.run", "bring Mixpanel in step with the tables", _run),
        Verb(
            "preview", "mixpanel_wh.cli.verbs.preview", "show the records of the first rows; nothing is sent", _preview
        ),
        Verb("plan", "mixpanel_wh.cli.verbs.plan", "tell what a run would do now; nothing is sent", _plan),
        Verb("status", "mixpanel_wh.cli.verbs.status", "show how every sync stands"),
        Verb("rejected", "mixpanel_wh.cli.verbs.rejected", "show the rows that were not delivered, and why", _rejected),
        Verb("check", "mixpanel_wh.cli.verbs.check", "look for mistakes: project file, tables, grants, credentials"),
        Verb(
            "setup-sql", "mixpanel_wh.cli.verbs.setup_sql", "print the SQL that gives the syncs' user what it needs"
        ),
        Verb("audit", "mixpanel_wh.cli.verbs.audit", "compare tables with what Mixpanel holds of them", _audit),
        Verb("reset", "mixpanel_wh.cli.verbs.reset", "forget what was sent, once it is deleted in Mixpanel", _reset),
        Verb("sandbox", "mixpanel_wh.cli.verbs.sandbox", "run a local Mixpanel to send to", _sandbox),
        Verb("schema", "mixpanel_wh.cli.verbs.schema", "print the JSON schema of the project file"),
        Verb("demo", "mixpanel_wh.demo.command", "sync real tables to a local Mixpanel, twice", forwarded=True),
        Verb("bench", "mixpanel_wh.bench.command", "measure what the engine costs here", forwarded=True),
    )
}


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text) if text.isdecimal() else 0
    if not number:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return number


def day(text: str) -> date:
    """A day, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day; write it as 2026-01-31") from None


def port(text: str) -> int:
    """A TCP port; 0 asks for a free one."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; write a number from 0 to 65535")
    return int(text)


def _shared(parser: argparse.ArgumentParser, top: bool) -> None:
    """The options of every verb. Below the top they have no default, which would undo what stood before the verb."""

    def otherwise(value: object) -> object:
        return value if top else argparse.SUPPRESS

    parser.add_argument("--project", metavar="FILE", default=otherwise(None), help="the project file")
    parser.add_argument("--json", action="store_true", default=otherwise(False), help="print JSON and nothing else")
    parser.add_argument(
        "--debug", action="store_true", default=otherwise(False), help="show where in the code an error arose"
    )


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = argparse.ArgumentParser(
        "mixpanel-wh", description="Keeps Mixpanel in step with a data warehouse.", epilog=EPILOG, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _shared(made, top=True)
    verbs = made.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS.values():
        own = verbs.add_parser(
            verb.name, help=verb.about, description=verb.about, add_help=not verb.forwarded, allow_abbrev=False
        )
        if not verb.forwarded:
            _shared(own, top=False)
        verb.options(own)
    return made


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what a forwarded verb is to read itself. Exits with status 2 after a mistake."""
    whole = parser()
    options, rest = whole.parse_known_args(arguments)
    if not VERBS[options.verb].forwarded:
        if rest:
            whole.error(f"{options.verb} does not take {' '.join(rest)}: see  mixpanel-wh {options.verb} --help")
        return options, []
    return options, rest + (["--json"] if options.json and "--json" not in rest else [])


def project_file(options: argparse.Namespace) -> str:
    """Which project file is meant."""
    return options.project or os.environ.get(PROJECT_VARIABLE) or PROJECT_FILE
