"""One case in a process of its own: `python -m mixpanel_wh.bench CASE DATABASE URL [--profile]`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from mixpanel_wh.bench.cases import CASES
from mixpanel_wh.bench.measure import measure_here
from mixpanel_wh.bench.stages import CLOCK

if __name__ == "__main__":
    name, path, url, *flags = sys.argv[1:]
    CLOCK.on = "--profile" in flags
    case = next(case for case in CASES if case.name == name)
    print(json.dumps(asdict(measure_here(case, Path(path), url))))
    if CLOCK.on:
        print(f"{name}: where the time went", *CLOCK.lines(), sep="\n  ", file=sys.stderr)
