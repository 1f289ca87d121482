"""`mixpanel-wh sandbox`: a local Mixpanel that runs until it is stopped."""

import sys
from argparse import Namespace

from mixpanel_wh.cli.entry import FAILED
from mixpanel_wh.sandbox import SandboxError, SandboxOptions, serve


def execute(options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM; exit status 1 when the sandbox cannot start."""
    chosen = SandboxOptions(port=options.port, host=options.host, data=options.data, identity=options.identity)
    try:
        serve(chosen)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return FAILED
    return 0
