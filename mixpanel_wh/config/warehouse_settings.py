"""A warehouse's section, checked by the fields of its type, with its paths made absolute."""

import os
from pathlib import Path

from mixpanel_wh.config.fields import WAREHOUSE_FIELDS
from mixpanel_wh.config.kinds import Choice, is_empty, is_lost, shown
from mixpanel_wh.config.mistakes import Place
from mixpanel_wh.config.project import WarehouseSettings
from mixpanel_wh.config.sections import Section, read_section
from mixpanel_wh.config.source import Entries, Node

TYPES = Choice(tuple(WAREHOUSE_FIELDS), "a type of warehouse")
PATHS = ("path", "staging_path", "credentials_file", "private_key_path")
ELSEWHERE = ("staging_catalog", "staging_database", "streams")  # say where in the warehouse, or what is made there
SNOWFLAKE_WAYS = ("password", "private_key", "private_key_path", "token")


def read_warehouse(name: str, node: Node, place: Place, folder: Path) -> WarehouseSettings | None:
    """The settings, or None when anything about them is wrong; relative paths begin in `folder`."""
    if not isinstance(node, Entries):
        if not is_lost(node):
            found = "nothing" if is_empty(node) else shown(node)
            place.wrong(node.line, f"{found} is not a warehouse; write a mapping with type and its settings")
        return None
    before = len(place.mistakes.found)
    if "type" not in node.nodes:
        place.under("type").wrong(node.line, f"missing; write one of {', '.join(WAREHOUSE_FIELDS)}")
        return None
    kind = TYPES.read(node.nodes["type"], place.under("type"))
    if kind is None:
        return None
    section = read_section(node, WAREHOUSE_FIELDS[kind], place, f"a {kind} warehouse")
    values = {key: _absolute(value, folder) if key in PATHS else value for key, value in section.values.items()}
    _check_staging(section, values)
    if kind == "postgres" and not section.given("url") and not section.given("database"):
        section.wrong("database", "missing; write database, or a url that names it")
    if section.given("credentials") and section.given("credentials_file"):
        section.wrong("credentials", "given beside credentials_file; keep one of them")
    if kind == "redshift":
        _check_login(section)
    if kind == "databricks":
        _check_databricks(section)
    if kind == "snowflake":
        _check_way_in(section)
    if len(place.mistakes.found) > before or not section.is_whole:
        return None
    return WarehouseSettings(name, kind, {key: value for key, value in values.items() if key != "type"})


def _check_way_in(section: Section) -> None:
    """A user of Snowflake's proves who it is in one way."""
    given = [name for name in SNOWFLAKE_WAYS if section.given(name)]
    if not given:
        section.wrong("password", f"missing; write one of {', '.join(SNOWFLAKE_WAYS)}")
    elif len(given) > 1:
        section.wrong(given[1], f"{given[0]} is given too; take one of them away")
    if section.given("passphrase") and not set(given) & {"private_key", "private_key_path"}:
        section.wrong("passphrase", "there is no private key that it could open; take it away")


def _absolute(path: str, folder: Path) -> str:
    return os.path.normpath(folder / Path(path).expanduser())


def _check_staging(section: Section, values: dict[str, object]) -> None:
    if section.get("read_only") and not section.given("staging_path"):
        section.wrong("staging_path", "missing; with read_only, name another file that holds the staging schema")
    if section.given("staging_path"):
        for key in ELSEWHERE:
            if section.given(key):
                section.wrong(key, "staging_path keeps snapshots and state in a file; take one of the two keys away")
    if "staging_path" in values and values["staging_path"] == values.get("path"):
        section.wrong("staging_path", "this is the warehouse itself; name another file, or take this key away")


def _check_login(section: Section) -> None:
    """One way into Redshift: a host with user and password, or a cluster or workgroup by IAM."""
    ways = [key for key in ("cluster", "workgroup") if section.given(key)]
    if not section.given("host") and not ways:
        section.wrong("host", "missing; write host, user and password, or cluster or workgroup to log in by IAM")
    if len(ways) > 1:
        section.wrong("workgroup", "the warehouse is a cluster already; take one of cluster and workgroup away")
    if ways and section.given("password"):
        section.wrong("password", f"{ways[0]} logs in by IAM, without a password; take one of them away")
    if not ways and not section.given("user"):
        section.wrong("user", "missing; write the user that logs in to host")


def _check_databricks(section: Section) -> None:
    """One way to sign in, whole."""
    if section.given("access_token"):
        return
    for key in ("client_id", "client_secret"):
        if not section.given(key):
            section.wrong(key, "missing; write access_token, or client_id and client_secret of a service principal")
            return
