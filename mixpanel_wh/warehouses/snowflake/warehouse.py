"""Opening a Snowflake session, and its parts as a warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError, MissingDriver
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

try:
    import snowflake.connector
except ImportError as error:
    raise MissingDriver("snowflake") from error

from mixpanel_wh.warehouses.snowflake.catalogue import SnowflakeCatalogue
from mixpanel_wh.warehouses.snowflake.credentials import credentials
from mixpanel_wh.warehouses.snowflake.dialect import SnowflakeDialect
from mixpanel_wh.warehouses.snowflake.session import SESSION_SETTINGS, SnowflakeSession
from mixpanel_wh.warehouses.snowflake.snapshots import SnowflakeSnapshots
from mixpanel_wh.warehouses.snowflake.staging import LOCKS, SnowflakeStaging
from mixpanel_wh.warehouses.snowflake.streams import Streams
from mixpanel_wh.warehouses.snowflake.trouble import Place, refused
from mixpanel_wh.warehouses.snowflake.writing import folded, quoted

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from snowflake.connector import SnowflakeConnection

LOGIN_TIMEOUT = 30
PLAIN = ("account", "user", "role", "warehouse", "database", "host", "port", "protocol")
PARSED_BY_SERVER = "qmark"


@dataclass
class SnowflakeWarehouse:
    """`ports.Warehouse` on a Snowflake database."""

    session: SnowflakeSession
    tables: SqlTables
    snapshots: SnowflakeSnapshots
    ledger: SqlLedger
    state: SqlState
    kind: str = "snowflake"

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside since the last change of a table's shape is committed together or not at all."""
        return self.session.transaction()

    def close(self) -> None:
        """Give the connection back."""
        self.session.close()


def connect(settings: Mapping[str, Any]) -> SnowflakeWarehouse:
    """Open a session. Settings: `account`, `user`, one of `password`, `private_key` (PEM), `private_key_path` (with
    `passphrase` where the key has one) and `token` (OAuth); `role`, `warehouse`, `database`; `schemas` (where a table
    named without its schema is looked for, PUBLIC by default); `staging_schema` ("mixpanel") in `staging_database` (by
    default the database); `streams` ("tables", "all" or "off": of what mirror makes streams); `connect_timeout`
    (seconds, 30); `host`, `port` and `protocol` for another address than the account's.

    Raises WarehouseUnavailable with what to check, ConfigError for a key that is none.
    """
    return assemble(_opened(settings), settings)


def _place(settings: Mapping[str, Any], database: str) -> Place:
    home = folded(str(settings.get("staging_database") or database))
    staging = (home, folded(str(settings.get("staging_schema", "mixpanel"))))
    account, user, role, warehouse = (
        str(settings.get(name) or "") for name in ("account", "user", "role", "warehouse")
    )
    return Place(account, user, role, warehouse, database, staging)


def _opened(settings: Mapping[str, Any]) -> SnowflakeConnection:
    chosen = {name: settings[name] for name in PLAIN if settings.get(name) is not None} | credentials(settings)
    timeout = int(settings.get("connect_timeout", LOGIN_TIMEOUT))
    try:
        return snowflake.connector.connect(
            **chosen, session_parameters=dict(SESSION_SETTINGS), paramstyle=PARSED_BY_SERVER, login_timeout=timeout,
            arrow_number_to_decimal=True, client_session_keep_alive=True, application="mixpanel_wh",
        )  # fmt: skip
    except snowflake.connector.errors.Error as error:
        place = _place(settings, str(settings.get("database", "")))
        raise refused(error, place) from None  # the driver's own error may show what it was given
    except (ValueError, TypeError) as error:
        raise ConfigError([f"the warehouse cannot be opened: {type(error).__name__}"]) from None


def assemble(connection: SnowflakeConnection, settings: Mapping[str, Any]) -> SnowflakeWarehouse:
    """The parts of a warehouse over an open connection."""
    place = _place(settings, connection.database or folded(str(settings.get("database", ""))))
    place = replace(place, role=connection.role or place.role, warehouse=connection.warehouse or place.warehouse)
    lock_table = ".".join(quoted(part) for part in (*place.staging, LOCKS))
    session, dialect = SnowflakeSession(connection, place, lock_table), SnowflakeDialect()
    schemas = tuple(str(schema) for schema in settings.get("schemas", ())) or ("PUBLIC",)
    staging = SnowflakeStaging(session, dialect, place.staging)
    tables = SqlTables(SnowflakeCatalogue(session, dialect, schemas), staging)
    snapshots = SnowflakeSnapshots(tables, Streams(staging, str(settings.get("streams", "tables"))))
    return SnowflakeWarehouse(session, tables, snapshots, SqlLedger(tables), SqlState(staging))
