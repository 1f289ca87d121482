"""What an administrator runs once, so that a user may do what its syncs need and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.databricks.catalogue import switched_on
from mixpanel_wh.warehouses.databricks.dialect import DatabricksDialect
from mixpanel_wh.warehouses.databricks.warehouse import CATALOG, staging_of

quote = DatabricksDialect().quote


def setup_sql(settings: Mapping[str, Any], tables: Iterable[TableName]) -> list[str]:
    """The statements: reading of exactly these tables, a staging schema to write in unless that is in a file, and the
    change data feed of the tables, which changes nothing for others who read them. Views have no feed: leave the last
    statements out for them.
    """
    user = quote(str(settings.get("client_id") or "mixpanel"))
    named = list(dict.fromkeys(_whole(table, settings) for table in tables))
    catalogs = dict.fromkeys(name[0] for name in named)
    schemas = dict.fromkeys(name[:2] for name in named)
    staging, writing = staging_of(settings), []
    if not settings.get("staging_path"):
        catalogs |= {staging[0]: None}
        writing = [
            f"CREATE SCHEMA IF NOT EXISTS {_quoted(staging)}",
            f"GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA {_quoted(staging)} TO {user}",
        ]
    return [
        *(f"GRANT USE CATALOG ON CATALOG {quote(catalog)} TO {user}" for catalog in catalogs),
        *(f"GRANT USE SCHEMA ON SCHEMA {_quoted(name)} TO {user}" for name in schemas),
        *(f"GRANT SELECT ON TABLE {_quoted(name)} TO {user}" for name in named),
        *writing,
        *(switched_on(_quoted(name)) for name in named),
    ]


def _quoted(name: tuple[str, ...]) -> str:
    return ".".join(quote(part) for part in name)


def _whole(table: TableName, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The name with its catalogue and schema."""
    usual = (str(settings.get("catalog", CATALOG)), str(next(iter(settings.get("schemas", ())), "default")))
    return (*usual[: 3 - len(table.parts)], *table.parts)
