"""A Snowflake warehouse in the project file: what it takes, and what is told of a mistake, never with a secret in it."""

from pathlib import Path

import pytest

from mixpanel_wh_tests.config.test_postgres_settings import with_warehouse
from mixpanel_wh_tests.config.writing import loaded, only_mistake

SECRET = "Very-Secret-1"
PLACE = "type: snowflake, account: acme-eu1, user: me, warehouse: loading, database: shop"


def test_every_key_of_a_snowflake_warehouse_is_read(tmp_path: Path) -> None:
    section = (f"{{{PLACE}, private_key_path: keys/me.p8, passphrase: {SECRET}, role: mixpanel, schemas: [web, public], "
               "staging_schema: staged, staging_database: scratch, streams: all, connect_timeout: 5}")  # fmt: skip
    (warehouse,) = loaded(tmp_path, with_warehouse(section)).warehouses.values()
    assert warehouse.kind == "snowflake"
    assert warehouse.settings == {
        "account": "acme-eu1", "user": "me", "warehouse": "loading", "database": "shop",
        "private_key_path": str(tmp_path / "keys" / "me.p8"), "passphrase": SECRET, "role": "mixpanel",
        "schemas": ("web", "public"), "staging_schema": "staged", "staging_database": "scratch", "streams": "all",
        "connect_timeout": 5.0,
    }  # fmt: skip
    assert SECRET not in repr(warehouse)


@pytest.mark.parametrize("way", ["password", "private_key", "token"])
def test_each_way_in_is_enough_alone(tmp_path: Path, way: str) -> None:
    (warehouse,) = loaded(tmp_path, with_warehouse(f"{{{PLACE}, {way}: {SECRET}}}")).warehouses.values()
    assert warehouse.settings[way] == SECRET
    assert SECRET not in repr(warehouse)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (f"{{{PLACE}}}", "warehouse.password: missing; write one of password, private_key, private_key_path, token"),
        (f"{{{PLACE}, password: {SECRET}, token: {SECRET}}}", "warehouse.token: password is given too"),
        (f"{{{PLACE}, password: {SECRET}, passphrase: {SECRET}}}", "no private key that it could open"),
        (f"{{{PLACE}, password: {SECRET}, streams: some}}", "'some' is not a choice of streams; write one of tables"),
        (f"{{{PLACE}, password: {SECRET}, rolle: x}}", "no such key (did you mean 'role'?)"),
        (f"{{{PLACE.replace('account: acme-eu1, ', '')}, password: {SECRET}}}", "warehouse.account: missing"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_no_secret(tmp_path: Path, section: str, told: str) -> None:
    found = only_mistake(tmp_path, with_warehouse(section))
    assert told in found
    assert SECRET not in found
