"""Opening a Postgres database, and its parts as a warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError, MissingDriver, WarehouseUnavailable
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

try:
    import psycopg
except ImportError as error:
    raise MissingDriver("postgres") from error

from mixpanel_wh.warehouses.denials import Place
from mixpanel_wh.warehouses.postgres.catalogue import PostgresCatalogue
from mixpanel_wh.warehouses.postgres.dialect import PostgresDialect
from mixpanel_wh.warehouses.postgres.session import SESSION_SETTINGS, Connection, PostgresSession
from mixpanel_wh.warehouses.postgres.trouble import refused

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

OLDEST = 140_000
CONNECT_TIMEOUT = 15
PLAIN = {"host": "host", "port": "port", "database": "dbname", "user": "user", "password": "password",
         "sslmode": "sslmode"}  # fmt: skip


@dataclass
class PostgresWarehouse:
    """`ports.Warehouse` on a Postgres database."""

    session: PostgresSession
    tables: SqlTables
    snapshots: HashSnapshots
    ledger: SqlLedger
    state: SqlState
    kind: str = "postgres"

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all, and reads the rows of one moment."""
        return self.session.transaction()

    def close(self) -> None:
        """Give the connection back."""
        self.session.close()


def connect(settings: Mapping[str, Any]) -> PostgresWarehouse:
    """Open a database. Settings: `url`, or `host`, `port`, `database`, `user`, `password`, `sslmode`, each of which
    stands above the same part of a `url`; `schemas` (where a table named without its schema is looked for);
    `staging_schema` ("mixpanel"); `skip_partitions` (True: Mirror leaves out partitions whose counters did not move);
    `connect_timeout` (seconds, 15).

    What is not given comes from libpq's environment (PGHOST, PGPASSWORD, ~/.pgpass …). Raises WarehouseUnavailable with
    what to check.
    """
    given, staging = parts_of(settings), str(settings.get("staging_schema", "mixpanel"))
    schemas = [str(schema) for schema in settings.get("schemas", ())]
    dialect = PostgresDialect()
    place = Place(
        str(given.get("host", "localhost")), int(given.get("port", 5432)), str(given.get("dbname", "")),
        str(given.get("user", "")), staging,
    )  # fmt: skip

    def opened() -> Connection:
        return _opened(given, [dialect.quote(schema) for schema in schemas], place)

    session = PostgresSession(opened, place)
    session.place = _known(session.connection, place)
    catalogue = PostgresCatalogue(session, dialect, bool(settings.get("skip_partitions", True)))
    tables = SqlTables(catalogue, Staging(session, dialect, (staging,)))
    return PostgresWarehouse(session, tables, HashSnapshots(tables), SqlLedger(tables), SqlState(tables.staging))


def parts_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in libpq's words."""
    try:
        found: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(settings.get("url", ""))
    except psycopg.ProgrammingError:
        raise ConfigError(["the url of the warehouse is no address of a database: write "
                           "postgresql://user@host:5432/database"]) from None  # fmt: skip
    found |= {theirs: settings[ours] for ours, theirs in PLAIN.items() if settings.get(ours) is not None}
    return found | {"connect_timeout": int(settings.get("connect_timeout", CONNECT_TIMEOUT))}


def _opened(given: Mapping[str, Any], schemas: list[str], place: Place) -> Connection:
    try:
        connection: Connection = psycopg.connect(
            autocommit=True, prepare_threshold=None, application_name="mixpanel_wh", client_encoding="UTF8", **given
        )
    except psycopg.Error as error:
        raise refused(error, place) from None  # the driver's own error may show the address with its password
    if connection.info.server_version < OLDEST:
        connection.close()
        raise WarehouseUnavailable(f"Postgres at {place.server} is older than version 14, the oldest that is supported")
    chosen = SESSION_SETTINGS | ({"search_path": ", ".join(schemas)} if schemas else {})
    calls = ", ".join("set_config(%s, %s, false)" for _ in chosen)
    connection.execute(f"SELECT {calls}".encode(), [part for pair in chosen.items() for part in pair])
    return connection


def _known(connection: Connection, place: Place) -> Place:
    """The place, as it turned out to be."""
    info = connection.info
    return Place(info.host or place.host, info.port, info.dbname, info.user, place.staging)
