"""What an administrator runs once, so that a user may do what its syncs need and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses.snowflake.writing import folded, quoted


def setup_sql(settings: Mapping[str, Any], tables: Iterable[TableName]) -> list[str]:
    """The statements: a role, its warehouse, and reading of exactly these tables; change tracking on them and a staging
    schema of its own, unless that is in a file. The user gets no password and no key here: no statement should hold
    one."""
    database = folded(str(settings.get("database", "DATABASE")))
    usual = folded(next(iter(settings.get("schemas", ())), "PUBLIC"))
    role, user = (quoted(folded(str(settings.get(name, "mixpanel")))) for name in ("role", "user"))
    whole = list(dict.fromkeys(_full(table, database, usual) for table in tables))
    home = quoted(folded(str(settings.get("staging_database", database))))
    staging = f"{home}.{quoted(folded(str(settings.get('staging_schema', 'mixpanel'))))}"
    schemas = dict.fromkeys(f"{quoted(parts[0])}.{quoted(parts[1])}" for parts in whole)
    in_file = bool(settings.get("staging_path"))
    databases = dict.fromkeys([*(quoted(parts[0]) for parts in whole), *([] if in_file else [home])])
    sources = [".".join(quoted(part) for part in parts) for parts in whole]
    writing = [
        f"CREATE SCHEMA IF NOT EXISTS {staging}",
        f"GRANT OWNERSHIP ON SCHEMA {staging} TO ROLE {role} COPY CURRENT GRANTS",
    ]
    return [
        f"CREATE ROLE IF NOT EXISTS {role}",
        f"GRANT ROLE {role} TO USER {user}",
        f"GRANT USAGE ON WAREHOUSE {quoted(folded(str(settings.get('warehouse', 'WAREHOUSE'))))} TO ROLE {role}",
        *(f"GRANT USAGE ON DATABASE {one} TO ROLE {role}" for one in databases),
        *([] if in_file else writing),
        *(f"GRANT USAGE ON SCHEMA {one} TO ROLE {role}" for one in schemas),
        *(f"GRANT SELECT ON {one} TO ROLE {role}" for one in sources),
        *([] if in_file else [f"ALTER TABLE {one} SET CHANGE_TRACKING = TRUE" for one in sources]),
    ]


def _full(table: TableName, database: str, schema: str) -> tuple[str, ...]:
    parts = tuple(folded(part) for part in table.parts)
    return ((database, schema)[: 3 - len(parts)] + parts) if len(parts) < 3 else parts
