"""`mixpanel-wh demo`: load real tables, sync them through Dagster to a sandbox, change them, sync again, compare."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.engine.stopping import stoppable

SANDBOX_PORT = 8787
UI_PORT = 3000


def main(argv: Sequence[str]) -> int:
    """Runs the demo. Exit status 0 when both ends agree, 1 when they do not or something failed."""
    options = _options(argv)
    try:
        return _demo(options)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("the demo was stopped; the next one starts afresh", file=sys.stderr)
        return 130


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("mixpanel-wh demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="folder of the demo's files (default .demo)")
    parser.add_argument("--json", action="store_true", help="print both runs as a JSON list and nothing else")
    parser.add_argument("--ui", action="store_true", help="leave the sandbox page and the Dagster UI running")
    parser.add_argument("--port", type=int, default=SANDBOX_PORT,
                        help=f"port of the sandbox page (default {SANDBOX_PORT})")  # fmt: skip
    parser.add_argument("--ui-port", type=int, default=UI_PORT, help=f"port of the Dagster UI (default {UI_PORT})")
    return parser.parse_args(argv)


def _demo(options: argparse.Namespace) -> int:
    from mixpanel_wh.demo.box import running_sandbox
    from mixpanel_wh.demo.folder import environment, fresh_folder
    from mixpanel_wh.demo.report import runs_json
    from mixpanel_wh.demo.screens import free_port
    from mixpanel_wh.demo.story import leave_running, tell

    say = _on_stderr if options.json else _on_stdout
    port = free_port(options.port) if options.ui else 0
    with (
        stoppable(),
        fresh_folder(options.data) as folder,
        running_sandbox(folder.store, port) as url,
        environment(folder.environment(url)),
    ):
        runs, agreed = tell(folder, url, say)
        if options.json:
            print(runs_json(runs), flush=True)
        if options.ui:
            leave_running(folder, url, options.ui_port, say)
    return 0 if agreed else 1


def _on_stdout(text: str) -> None:
    print(text, flush=True)


def _on_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
