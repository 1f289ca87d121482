"""A Databricks warehouse in the project file: what it takes, and what is told of a mistake, never with a secret in it."""

from pathlib import Path

import pytest

from mixpanel_wh_tests.config.test_postgres_settings import SECRET, with_warehouse
from mixpanel_wh_tests.config.writing import loaded, only_mistake

PLACE = "type: databricks, server_hostname: dbc-1.cloud.example, http_path: /sql/1.0/warehouses/1"


def test_every_key_of_a_databricks_warehouse_is_read(tmp_path: Path) -> None:
    section = (f"{{{PLACE}, client_id: me, client_secret: {SECRET}, catalog: shop, schemas: [sales], "
               "staging_catalog: tools, staging_schema: staged}")  # fmt: skip
    (warehouse,) = loaded(tmp_path, with_warehouse(section)).warehouses.values()
    assert warehouse.kind == "databricks"
    assert warehouse.settings == {
        "server_hostname": "dbc-1.cloud.example", "http_path": "/sql/1.0/warehouses/1", "client_id": "me",
        "client_secret": SECRET, "catalog": "shop", "schemas": ("sales",), "staging_catalog": "tools",
        "staging_schema": "staged",
    }  # fmt: skip
    assert SECRET not in repr(warehouse)


def test_a_token_is_enough_to_sign_in(tmp_path: Path) -> None:
    (warehouse,) = loaded(tmp_path, with_warehouse(f"{{{PLACE}, access_token: {SECRET}}}")).warehouses.values()
    assert warehouse.settings["access_token"] == SECRET
    assert SECRET not in repr(warehouse)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (f"{{{PLACE}}}", "warehouse.client_id: missing; write access_token, or client_id and client_secret"),
        (f"{{{PLACE}, client_id: me}}", "warehouse.client_secret: missing; write access_token, or client_id and"),
        ("{type: databricks, http_path: /x, access_token: t}", "server_hostname: missing"),
        (f"{{{PLACE}, acess_token: {SECRET}, client_id: me, client_secret: x}}", "(did you mean 'access_token'?)"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_no_secret(tmp_path: Path, section: str, told: str) -> None:
    found = only_mistake(tmp_path, with_warehouse(section))
    assert told in found
    assert SECRET not in found
