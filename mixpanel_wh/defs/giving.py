"""Resources of Dagster's own integrations that say how to connect to a warehouse, read as our settings.

A resource is known by the name of its class, so that no integration is imported for it. Whoever adds a warehouse adds
one entry: its kind, and a function of the resource that gives the settings in the words of a project file.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from mixpanel_wh.engine.errors import ConfigError

Settings = dict[str, Any]


def fields(**named: str) -> Callable[[Any], Settings]:
    """Settings that are fields of the resource: ours by theirs, those that hold something."""

    def read(resource: Any) -> Settings:
        found = {ours: getattr(resource, theirs, None) for ours, theirs in named.items()}
        return {ours: value for ours, value in found.items() if value is not None}

    return read


def _redshift(resource: Any) -> Settings:
    """dagster-aws' RedshiftClientResource. Its modes of TLS that check no certificate are not ours: the certificate is
    checked."""
    found = fields(host="host", port="port", user="user", password="password", database="database",
                   sslmode="sslmode", connect_timeout="connect_timeout")(resource)  # fmt: skip
    if found.get("sslmode") not in ("disable", "verify-ca", "verify-full"):
        found.pop("sslmode", None)
    return found


def _snowflake(resource: Any) -> Settings:
    """dagster-snowflake's SnowflakeResource, with the address and the token among its additional arguments."""
    found = fields(account="account", user="user", password="password", private_key="private_key",
                   private_key_path="private_key_path", passphrase="private_key_password", role="role",
                   warehouse="warehouse", database="database", connect_timeout="login_timeout")(resource)  # fmt: skip
    schema, more = getattr(resource, "schema_", None), getattr(resource, "additional_snowflake_connection_args", None)
    named = {name: value for name, value in (more or {}).items() if name in ("host", "port", "protocol", "token")}
    return found | ({"schemas": [schema]} if schema else {}) | named


def _bigquery(resource: Any) -> Settings:
    """dagster-gcp's BigQueryResource, whose key is the JSON in base64."""
    found = fields(project="project", location="location", credentials="gcp_credentials")(resource)
    if "credentials" in found:
        found["credentials"] = b64decode(found["credentials"]).decode()
    return found


GIVING: Mapping[str, tuple[str, Callable[[Any], Settings]]] = {
    "BigQueryResource": ("bigquery", _bigquery),
    "RedshiftClientResource": ("redshift", _redshift),
    "SnowflakeResource": ("snowflake", _snowflake),
}
"""By the name of a resource's class: the kind of warehouse, and its settings."""


def settings_given(resource: object) -> Settings:
    """The settings of a warehouse, its `type` first; ConfigError for a resource that is not known."""
    kind, read = _known(resource)
    return {"type": kind, **read(resource)}


def kind_given(resource: object) -> str:
    """The kind of the warehouse that a resource connects to."""
    return _known(resource)[0]


def _known(resource: object) -> tuple[str, Callable[[Any], Settings]]:
    found = next((GIVING[one.__name__] for one in type(resource).__mro__ if one.__name__ in GIVING), None)
    if found is None:
        raise ConfigError([
            f"a {type(resource).__name__} is no warehouse_resource: give one of {', '.join(sorted(GIVING))}, or write "
            "the settings into warehouse"
        ])  # fmt: skip
    return found
