"""Opening a Redshift database, and its parts as a warehouse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError, MissingDriver
from mixpanel_wh.warehouses.ledger import SqlLedger
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.state import SqlState
from mixpanel_wh.warehouses.tables import SqlTables

try:
    import redshift_connector
except ImportError as error:
    raise MissingDriver("redshift") from error

from mixpanel_wh.warehouses.denials import Place
from mixpanel_wh.warehouses.redshift.catalogue import RedshiftCatalogue
from mixpanel_wh.warehouses.redshift.dialect import RedshiftDialect
from mixpanel_wh.warehouses.redshift.session import RedshiftSession, asked
from mixpanel_wh.warehouses.redshift.trouble import refused
from mixpanel_wh.warehouses.redshift.unloading import Store

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redshift_connector.core import Connection

PORT, CONNECT_TIMEOUT = 5439, 30
# What the text of values must not be left to; and names are taken as they are written.
SESSION_SETTINGS = (
    "SET timezone TO 'UTC'", "SET datestyle TO 'ISO, YMD'", "SET extra_float_digits TO 2",
    "SET enable_case_sensitive_identifier TO true", "SET query_group TO 'mixpanel_wh'",
)  # fmt: skip
PLAIN = {"host": "host", "database": "database", "user": "user", "password": "password", "region": "region",
         "profile": "profile", "cluster": "cluster_identifier", "workgroup": "serverless_work_group"}  # fmt: skip


@dataclass
class RedshiftWarehouse:
    """`ports.Warehouse` on a Redshift database."""

    session: RedshiftSession
    tables: SqlTables
    snapshots: HashSnapshots
    ledger: SqlLedger
    state: SqlState
    kind: str = "redshift"

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all, and reads the rows of one moment."""
        return self.session.transaction()

    def close(self) -> None:
        """Give the connection back."""
        self.session.close()


def connect(settings: Mapping[str, Any]) -> RedshiftWarehouse:
    """Open a database. Settings: `host`, `port` (5439), `database`, `user`, `password`, `sslmode`; or, to log in by
    IAM, `cluster` or `workgroup` with `region`, `profile` and `user`; `schemas` (where a table named without its schema
    is looked for); `staging_schema` ("mixpanel"); `unload_to` (`s3://bucket/prefix`), `iam_role` ("default"),
    `unload_rows` (100,000: answers of so many rows go through S3), `s3_endpoint`; `connect_timeout` (seconds, 30).

    Raises ConfigError for settings that do not fit together, WarehouseUnavailable with what to check.
    """
    given, staging = driver_settings(settings), str(settings.get("staging_schema", "mixpanel"))
    place = Place(
        str(given.get("host") or settings.get("cluster") or settings.get("workgroup") or "localhost"),
        int(given["port"]), str(given.get("database", "")), str(given.get("user", "")), staging,
    )  # fmt: skip
    schemas = tuple(str(schema) for schema in settings.get("schemas", ())) or (place.user, "public")
    dialect = RedshiftDialect()
    path = f"SET search_path TO {', '.join(dialect.quote(schema) for schema in schemas)}"
    timeout = math.ceil(settings.get("connect_timeout", CONNECT_TIMEOUT))

    def opened() -> Connection:
        return _opened(given, (*SESSION_SETTINGS, path), timeout, place)

    session = RedshiftSession(opened, place, store_of(settings), int(settings.get("unload_rows", 100_000)))
    catalogue = RedshiftCatalogue(session, dialect, schemas)
    tables = SqlTables(catalogue, Staging(session, dialect, (staging,)))
    return RedshiftWarehouse(session, tables, HashSnapshots(tables), SqlLedger(tables), SqlState(tables.staging))


def store_of(settings: Mapping[str, Any]) -> Store | None:
    """Where large answers go; None where nothing is said."""
    if not settings.get("unload_to"):
        return None
    scheme, _, rest = str(settings["unload_to"]).partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigError(["unload_to of the warehouse is no place in S3: write s3://bucket/prefix"])
    words = {"region": "region", "profile": "profile", "endpoint": "s3_endpoint"}
    named = {ours: str(settings[theirs]) for ours, theirs in words.items() if settings.get(theirs)}
    return Store(bucket, prefix.strip("/"), str(settings.get("iam_role", "default")), **named)


def driver_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the driver's words."""
    given = {theirs: settings[ours] for ours, theirs in PLAIN.items() if settings.get(ours) is not None}
    given["port"] = int(settings.get("port", PORT))
    sslmode = settings.get("sslmode")
    given |= {"ssl": False} if sslmode == "disable" else {"sslmode": sslmode} if sslmode else {}
    if settings.get("cluster") or settings.get("workgroup"):
        user = given.get("user")
        given |= {"iam": True, "is_serverless": bool(settings.get("workgroup"))} | ({"db_user": user} if user else {})
    return given


def _opened(given: Mapping[str, Any], statements: tuple[str, ...], timeout: int, place: Place) -> Connection:
    try:
        # Without cached statements: a table may get other columns between two runs of one query.
        connection = redshift_connector.connect(
            application_name="mixpanel_wh", max_prepared_statements=0, timeout=timeout, **given
        )
        connection._usock.settimeout(None)  # it is meant for the connection, and the driver keeps it for every answer
        connection.autocommit = True
        for statement in statements:
            asked(connection, statement)
    except Exception as error:  # the driver, TLS and AWS raise errors of very many kinds
        raise refused(error, place) from None  # the driver's own error may show what it was given
    return connection
