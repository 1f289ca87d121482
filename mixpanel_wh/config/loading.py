"""The project file as a whole: read, every section checked, all mistakes told at once."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mixpanel_wh.config.destinations import read_destination
from mixpanel_wh.config.kinds import is_empty, is_lost, shown
from mixpanel_wh.config.mistakes import Mistakes, Place, did_you_mean
from mixpanel_wh.config.project import Project, WarehouseSettings
from mixpanel_wh.config.source import SHAPE, Entries, Node, Scalar, read_project_source, tree_of
from mixpanel_wh.config.specs import Surroundings, read_sync
from mixpanel_wh.config.syntax import name as checked_name
from mixpanel_wh.config.warehouse_settings import read_warehouse
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.mixpanel.settings import ProjectSettings

VERSION = "1"
KEYS = ("version", "warehouse", "warehouses", "destination", "destinations", "syncs")
MAIN = "main"
T = TypeVar("T")


def load_project(path: str | Path, environ: Mapping[str, str] | None = None) -> Project:
    """The project of a file; `environ` stands for the process's environment.

    Raises ConfigError with every mistake, each as `FILE:LINE: place: what is wrong and what to write instead`.
    """
    file = Path(path).expanduser()
    mistakes = Mistakes(str(path))
    root = read_project_source(file, mistakes, os.environ if environ is None else environ)
    _check_keys(root, Place(mistakes))
    return _project(root, mistakes, file)


def project_from_values(values: Mapping[str, Any], origin: str, file: Path) -> Project:
    """A project from plain Python values with the keys of a project file; `file` is where relative paths begin.

    Raises ConfigError with every mistake, each as `ORIGIN: place: what is wrong`. References to the environment are not
    replaced.
    """
    mistakes = Mistakes(origin)
    root = tree_of({"version": VERSION, **values})
    if not isinstance(root, Entries):
        raise AssertionError("a mapping is read as entries")
    _check_keys(root, Place(mistakes))
    return _project(root, mistakes, file)


def _project(root: Entries, mistakes: Mistakes, file: Path) -> Project:
    """The checked project of a file's tree."""
    folder = file.resolve().parent
    warehouses = {name: read_warehouse(name, node, place, folder)
                  for name, node, place in _named(root, "warehouse", Place(mistakes))}  # fmt: skip
    destinations = {name: read_destination(node, place)
                    for name, node, place in _named(root, "destination", Place(mistakes))}  # fmt: skip
    syncs = _syncs(root, Place(mistakes), Surroundings(tuple(warehouses), destinations))
    mistakes.stop_if_any()
    return Project(
        file,
        {name: one for name, one in warehouses.items() if one},
        {name: one for name, one in destinations.items() if one},
        tuple(syncs),
    )


def sync_from_values(
    name: str, values: Mapping[str, Any], origin: str, destination: ProjectSettings | None = None
) -> SyncSpec:
    """One sync from plain Python values with the keys of a sync in a project file.

    Raises ConfigError with every mistake, each as `ORIGIN: key: what is wrong`. References to the environment are not
    replaced. `destination` adds the checks that depend on it.
    """
    mistakes = Mistakes(origin)
    spec = read_sync(name, tree_of(values), Place(mistakes), Surroundings(destinations={MAIN: destination}))
    mistakes.stop_if_any()
    if spec is None:
        raise AssertionError("a sync that cannot be read has mistakes")
    return spec


def warehouse_from_values(values: Mapping[str, Any], origin: str) -> WarehouseSettings:
    """A warehouse from plain Python values; relative paths begin at the working directory. ConfigError as above."""
    mistakes = Mistakes(origin)
    found = read_warehouse(MAIN, tree_of(values), Place(mistakes, "warehouse"), Path.cwd())
    mistakes.stop_if_any()
    return _whole(found)


def destination_from_values(values: Mapping[str, Any], origin: str) -> ProjectSettings:
    """A destination from plain Python values. ConfigError as above."""
    mistakes = Mistakes(origin)
    found = read_destination(tree_of(values), Place(mistakes))
    mistakes.stop_if_any()
    return _whole(found)


def _whole(found: T | None) -> T:
    if found is None:
        raise AssertionError("what cannot be read has mistakes")
    return found


def _check_keys(root: Entries, place: Place) -> None:
    """Tell unknown keys (those that begin with x- are free, for YAML anchors) and a version that is not ours."""
    for key in root.nodes:
        if key not in KEYS and not key.startswith("x-"):
            meant = did_you_mean(key, KEYS)
            place.under(key).wrong(root.lines[key], f"a project file has no such key{meant or '; ' + SHAPE}")
    version = root.nodes.get("version")
    if version is None:
        place.under("version").wrong(root.line, f"missing; write version: {VERSION}")
    elif not is_lost(version) and not (isinstance(version, Scalar) and version.text == VERSION):
        found = "nothing" if is_empty(version) else shown(version)
        place.under("version").wrong(version.line, f"{found} is not a version of project files; write {VERSION}")


def _named(root: Entries, key: str, place: Place) -> list[tuple[str, Node, Place]]:
    """What stands under `warehouse` (its name is main) or, by name, under `warehouses`; the same for destinations."""
    plural = f"{key}s"
    if key in root.nodes and plural in root.nodes:
        place.under(plural).wrong(root.lines[plural], f"there is {key} as well; write one of them")
    if key in root.nodes:
        return [(MAIN, root.nodes[key], place.under(key))]
    if plural not in root.nodes:
        place.under(key).wrong(root.line, f"missing; write {key}, or {plural} with a name for each")
        return []
    return _members(root.nodes[plural], place.under(plural), f"a mapping of names to {plural}")


def _members(node: Node, place: Place, what: str) -> list[tuple[str, Node, Place]]:
    """The members of a mapping with names of one's own choice."""
    if not isinstance(node, Entries) or not node.nodes:
        if not is_lost(node):
            found = "nothing" if is_empty(node) or isinstance(node, Entries) else shown(node)
            place.wrong(node.line, f"{found} is not {what}")
        return []
    for name in node.nodes:
        try:
            checked_name(name)
        except ValueError as error:
            place.under(name).wrong(node.lines[name], f"this is not a name; {error}")
    return [(name, one, place.under(name)) for name, one in node.nodes.items()]


def _syncs(root: Entries, place: Place, around: Surroundings) -> list[SyncSpec]:
    if "syncs" not in root.nodes:
        place.under("syncs").wrong(root.line, "missing; write a mapping of names to syncs")
        return []
    node = root.nodes["syncs"]
    members = _members(node, place.under("syncs"), "a mapping of names to syncs")
    alike: dict[str, str] = {}
    for name, one, at in members:
        other = alike.setdefault(name.casefold().replace("-", "_"), name)
        if other != name:
            at.wrong(one.line, f"the sync '{other}' has nearly the same name, which some warehouses and Dagster do not "
                     "tell apart; choose another")  # fmt: skip
    read = [read_sync(name, one, at, around) for name, one, at in members]
    return [spec for spec in read if spec]
