"""From a command line to an exit status: the verb is imported on use, and every error ends as one clear sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from mixpanel_wh.cli.arguments import VERBS, parse

if TYPE_CHECKING:
    import argparse

FAILED, MISTAKE, INTERNAL, INTERRUPTED = 1, 2, 70, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status. Wrong usage exits with status 2 by itself."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        given = ["--help"]
    options, rest = parse(given)
    try:
        return _execute(options, rest)
    except KeyboardInterrupt:
        print(
            "stopped" + ("; the next run finishes what was started" if options.verb == "run" else ""), file=sys.stderr
        )
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return FAILED
    except Exception as error:
        return told(error, options.debug)


def _execute(options: argparse.Namespace, rest: list[str]) -> int:
    verb = VERBS[options.verb]
    module = import_module(verb.module)
    status: int = module.main(rest) if verb.forwarded else module.execute(options)
    sys.stdout.flush()
    return status


def told(error: Exception, debug: bool, about: str = "") -> int:
    """Print an error as a person should read it; returns the exit status that it asks for.

    The words of an error that nobody foresaw may hold a secret, so they are shown with --debug only.
    """
    from mixpanel_wh.engine.errors import MixpanelWhError

    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, MixpanelWhError):
        print(f"{about}{error}", file=sys.stderr)
        return error.exit_status
    print(f"{about}{_unforeseen(error, debug)}", file=sys.stderr)
    return INTERNAL


def _unforeseen(error: Exception, debug: bool) -> str:
    trace, place = error.__traceback__, ""
    while trace:
        code = trace.tb_frame.f_code
        if "mixpanel_wh" in code.co_filename:
            place = f" in {code.co_filename.rpartition('mixpanel_wh')[2].lstrip('/')}:{trace.tb_lineno}"
        trace = trace.tb_next
    shown = "the trace above" if debug else "the trace that --debug shows"
    return f"this is an error of mixpanel-wh itself ({type(error).__name__}{place}): please report it with {shown}"


def _forget_output() -> None:
    """Nobody reads what is printed any more; keep the interpreter from trying again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
