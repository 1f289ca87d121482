"""Missing privileges as servers of Postgres' family tell them: what is missing, and the statement that grants it."""

import re
from dataclasses import dataclass

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError

_NAME = r'"((?:[^"]|"")+)"'


@dataclass(frozen=True)
class Place:
    """Where a connection leads, for messages: nothing in it is secret."""

    host: str
    port: int
    database: str
    user: str
    staging: str

    @property
    def server(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def denied(kind: str, name: str, place: Place, sql: str) -> MixpanelWhError:
    """The error for a refused statement `sql`; `kind` and `name` say what was not allowed: a database, a schema, or
    anything with rows."""
    if kind == "database":
        return StagingError(
            f"user {place.user} may not make the staging schema {place.staging}: run  CREATE SCHEMA "
            f"{quoted(place.staging)} AUTHORIZATION {quoted(place.user)}"
        )
    return _denied_schema(name, place) if kind == "schema" else _denied_rows(kind, name, place, sql)


def _denied_rows(kind: str, name: str, place: Place, sql: str) -> MixpanelWhError:
    user = quoted(place.user)
    owner = next((schema for schema, table in re.findall(rf"{_NAME}\.{_NAME}", sql) if table == name), None)
    if owner == place.staging:
        return StagingError(
            f"user {place.user} may not use table {name} of the staging schema: run  GRANT ALL ON ALL TABLES IN "
            f"SCHEMA {quoted(owner)} TO {user}"
        )
    whole = f"{quoted(owner)}.{quoted(name)}" if owner else quoted(name)
    return SourceError(f"user {place.user} may not read {kind} {name}: run  GRANT SELECT ON {whole} TO {user}")


def _denied_schema(name: str, place: Place) -> MixpanelWhError:
    schema, user = quoted(name), quoted(place.user)
    if name == place.staging:
        return StagingError(
            f"user {place.user} may not write in the staging schema {name}: run  GRANT USAGE, CREATE ON SCHEMA "
            f"{schema} TO {user}"
        )
    grant = f"GRANT USAGE ON SCHEMA {schema} TO {user}"
    return SourceError(f"user {place.user} may not look into schema {name}: run  {grant}")
