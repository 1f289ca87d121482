"""Project files for tests: a good one in pieces, and what is told when a piece is spoilt."""

from pathlib import Path

import pytest

from mixpanel_wh.config import Project, load_project
from mixpanel_wh.engine.errors import ConfigError

SECRET = "very-secret-indeed"
ENVIRON = {"MIXPANEL_TOKEN": SECRET, "EMPTY": ""}

HEAD = """\
version: 1
warehouse: {type: duckdb, path: flights.duckdb}
destination: {project_id: "1234567", token: "${MIXPANEL_TOKEN}", service_account: account, service_secret: hush}
syncs:
"""
EVENT = "table: main.flights, record: event, mode: mirror, event: Flight, time: departure_at"
USER = "table: main.planes, record: user, mode: full, distinct_id: tailnum"
GROUP = "table: main.airlines, record: group, mode: mirror, group_key: airline, group_id: carrier"
LOOKUP = "table: main.airports, record: lookup, mode: full, lookup_table: airports, lookup_id: faa"
APPEND = "table: main.weather, record: event, mode: append, event: Weather, time: time_hour, insert_time: written_at"


def written(folder: Path, text: str) -> Path:
    """A project file with this text."""
    path = folder / "project.yaml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Project:
    """The project of a file with this text."""
    return load_project(written(folder, text), ENVIRON if environ is None else environ)


def sync_file(sync: str) -> str:
    """A project file with one sync, in line 5."""
    return f"{HEAD}  one: {{{sync}}}\n"


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is told of a file with this text, without its name in front."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_project(path, ENVIRON if environ is None else environ)
    assert caught.value.exit_status == 2
    return [one.removeprefix(f"{path}:").removeprefix(" ") for one in caught.value.mistakes]


def only_mistake(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """The one thing that is told."""
    found = mistakes(folder, text, environ)
    assert len(found) == 1, found
    return found[0]


def whole_file(url: str, lock_timeout: float = 10) -> str:
    """A project file with a sync of every record type that sends to `url`."""
    head = HEAD.replace("token:", f"url: '{url}', rate: off, token:").replace(
        "path:", f"lock_timeout: {lock_timeout}, path:"
    )
    syncs = {"flights": EVENT, "weather": APPEND, "planes": USER, "airlines": GROUP, "airports": LOOKUP}
    return head + "".join(f"  {name}: {{{sync}}}\n" for name, sync in syncs.items())
