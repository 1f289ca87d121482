"""Opening a Databricks SQL warehouse or cluster, and its parts as a warehouse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError, MissingDriver
from mixpanel_wh.warehouses.ledger import SqlLedger

try:
    from databricks import sql
except ImportError as error:
    raise MissingDriver("databricks") from error

from mixpanel_wh.warehouses.databricks.catalogue import DatabricksCatalogue
from mixpanel_wh.warehouses.databricks.dialect import DatabricksDialect
from mixpanel_wh.warehouses.databricks.session import FAILURES, DatabricksSession
from mixpanel_wh.warehouses.databricks.signing_in import ServicePrincipal
from mixpanel_wh.warehouses.databricks.snapshots import DatabricksSnapshots
from mixpanel_wh.warehouses.databricks.staging import DatabricksStaging, DatabricksState
from mixpanel_wh.warehouses.databricks.tables import DatabricksTables
from mixpanel_wh.warehouses.databricks.trouble import Place, refused

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from databricks.sql.client import Connection

CATALOG, STAGING_SCHEMA = "main", "mixpanel"
# A statement on a warehouse that is asleep waits for it to start, which takes minutes on a classic one.
CONNECTING = {
    "user_agent_entry": "mixpanel_wh", "enable_telemetry": False, "max_download_threads": 6, "_socket_timeout": 900,
}  # fmt: skip


@dataclass
class DatabricksWarehouse:
    """`ports.Warehouse` on a Databricks workspace."""

    session: DatabricksSession
    tables: DatabricksTables
    snapshots: DatabricksSnapshots
    ledger: SqlLedger
    state: DatabricksState
    kind: str = "databricks"

    def transaction(self) -> AbstractContextManager[None]:
        """What is written to the state inside is written at the end, or not at all."""
        return self.session.transaction()

    def close(self) -> None:
        """Give the session back."""
        self.session.close()


def connect(settings: Mapping[str, Any]) -> DatabricksWarehouse:
    """Open a workspace. Settings: `server_hostname`, `http_path` (of a SQL warehouse or a cluster), `access_token`, or
    `client_id` and `client_secret` of a service principal; `catalog` ("main") and `schemas`, whose first one holds the
    tables that are named without; `staging_catalog` (the catalogue) and `staging_schema` ("mixpanel"); `connection`, a
    mapping of the connector's own arguments.

    Raises WarehouseUnavailable with what to check.
    """
    catalog = str(settings.get("catalog", CATALOG))
    staging = staging_of(settings)
    host, user = hostname(settings), str(settings.get("client_id") or "")
    place = Place(host, str(settings["http_path"]), catalog, staging, user)
    arguments = _arguments(settings, catalog)

    def opened() -> Connection:
        return _opened(arguments, place)

    session, dialect = DatabricksSession(opened, place), DatabricksDialect()
    session.place = replace(place, user=str(session.rows("SELECT current_user()")[0][0]))
    stands = DatabricksStaging(session, dialect, staging)
    tables = DatabricksTables(DatabricksCatalogue(session, dialect), stands)
    snapshots = DatabricksSnapshots(tables)
    return DatabricksWarehouse(session, tables, snapshots, SqlLedger(tables), DatabricksState(stands))


def hostname(settings: Mapping[str, Any]) -> str:
    """The workspace's host; what people copy from a browser is an address."""
    return re.sub(r"^https?://|/.*$", "", str(settings["server_hostname"]).strip())


def staging_of(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The catalogue and the schema of the staging schema."""
    catalog = settings.get("staging_catalog") or settings.get("catalog") or CATALOG
    return str(catalog), str(settings.get("staging_schema", STAGING_SCHEMA))


def _arguments(settings: Mapping[str, Any], catalog: str) -> dict[str, Any]:
    """What the connector is called with."""
    host = hostname(settings)
    given = {"server_hostname": host, "http_path": settings["http_path"], "catalog": catalog, **CONNECTING}
    if settings.get("schemas"):
        given["schema"] = str(next(iter(settings["schemas"])))
    if settings.get("access_token"):
        given["access_token"] = settings["access_token"]
    elif settings.get("client_id") and settings.get("client_secret"):
        address = settings.get("connection", {}).get("address") or f"https://{host}"
        given["credentials_provider"] = ServicePrincipal(address, settings["client_id"], settings["client_secret"])
    else:
        raise ConfigError(["a databricks warehouse needs access_token, or client_id and client_secret"])
    more = dict(settings.get("connection", {}))
    more.pop("address", None)
    return given | more


def _opened(arguments: Mapping[str, Any], place: Place) -> Connection:
    principal = arguments.get("credentials_provider")
    if principal is not None:
        principal.headers()  # here, where what it says of a refusal is not lost
    try:
        connection: Connection = sql.connect(**arguments)
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
    except FAILURES as error:
        raise refused(error, place) from None  # the driver's own error may show what was sent
    return connection
