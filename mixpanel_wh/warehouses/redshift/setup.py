"""What an administrator runs once, so that a user may do what its syncs need and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.redshift.dialect import RedshiftDialect

quote, literal = RedshiftDialect().quote, RedshiftDialect().literal


def setup_sql(settings: Mapping[str, Any], tables: Iterable[TableName]) -> list[str]:
    """The statements: the user, reading of exactly these tables, a staging schema of its own unless that is in a file,
    the view that the change sensor reads, and the role that unloads. The user gets no password here: no statement
    should hold one."""
    staging, named = str(settings.get("staging_schema", "mixpanel")), list(dict.fromkeys(tables))
    usual = str(next(iter(settings.get("schemas", ())), "public"))
    user, schemas = quote(str(settings.get("user", "mixpanel"))), {_schema(table, usual): None for table in named}
    role = str(settings.get("iam_role", "default"))
    assumed = [f"GRANT ASSUMEROLE ON {literal(role)} TO {user} FOR UNLOAD"] if role != "default" else []
    writing = [f"CREATE SCHEMA IF NOT EXISTS {quote(staging)} AUTHORIZATION {user}"]
    return [
        f"CREATE USER {user} PASSWORD DISABLE",
        *([] if settings.get("staging_path") else writing),
        *(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {user}" for schema in schemas),
        *(f"GRANT SELECT ON {quote(_schema(table, usual))}.{quote(table.parts[-1])} TO {user}" for table in named),
        f"GRANT SELECT ON svv_table_info TO {user}",
        *assumed,
    ]


def _schema(table: TableName, usual: str) -> str:
    return table.parts[-2] if len(table.parts) > 1 else usual
