"""What an administrator runs once, so that a user may do what its syncs need and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.postgres.dialect import PostgresDialect
from mixpanel_wh.warehouses.postgres.warehouse import parts_of

quote = PostgresDialect().quote


def setup_sql(settings: Mapping[str, Any], tables: Iterable[TableName]) -> list[str]:
    """The statements: the role, its way into the database, reading of exactly these tables, and a staging schema of its
    own, unless that is in a file. The role gets no password here: no statement should hold one."""
    given, staging = parts_of(settings), str(settings.get("staging_schema", "mixpanel"))
    named = list(dict.fromkeys(tables))
    usual = next(iter(settings.get("schemas", ())), "public")
    user, schemas = quote(str(given.get("user", "mixpanel"))), {_schema(table, usual): None for table in named}
    writing = [f"CREATE SCHEMA IF NOT EXISTS {quote(staging)} AUTHORIZATION {user}"]
    return [
        f"CREATE ROLE {user} LOGIN",
        f"GRANT CONNECT ON DATABASE {quote(str(given.get('dbname', 'postgres')))} TO {user}",
        *([] if settings.get("staging_path") else writing),
        *(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {user}" for schema in schemas),
        *(f"GRANT SELECT ON {quote(_schema(table, usual))}.{quote(table.parts[-1])} TO {user}" for table in named),
    ]


def _schema(table: TableName, usual: str) -> str:
    return table.parts[-2] if len(table.parts) > 1 else usual
