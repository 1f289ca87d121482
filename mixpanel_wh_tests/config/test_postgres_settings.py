"""A Postgres warehouse in the project file: what it takes, and what is told of a mistake, never with a secret in it."""

from pathlib import Path

import pytest

from mixpanel_wh_tests.config.writing import EVENT, HEAD, loaded, only_mistake

DUCKDB = "{type: duckdb, path: flights.duckdb}"
SECRET = "Very-Secret-1"


def with_warehouse(section: str) -> str:
    """A project file with this warehouse."""
    return f"{HEAD.replace(DUCKDB, section)}  one: {{{EVENT}}}\n"


def test_every_key_of_a_postgres_warehouse_is_read(tmp_path: Path) -> None:
    section = ("{type: postgres, host: db, port: 6432, database: shop, user: me, password: pw, sslmode: require, "
               "schemas: [shop, public], staging_schema: staged, connect_timeout: 3}")  # fmt: skip
    (warehouse,) = loaded(tmp_path, with_warehouse(section)).warehouses.values()
    assert warehouse.kind == "postgres"
    assert warehouse.settings == {
        "host": "db", "port": 6432, "database": "shop", "user": "me", "password": "pw", "sslmode": "require",
        "schemas": ("shop", "public"), "staging_schema": "staged", "connect_timeout": 3.0,
    }  # fmt: skip
    assert "pw" not in repr(warehouse)


def test_an_address_stands_for_host_to_password(tmp_path: Path) -> None:
    text = with_warehouse("{type: postgres, url: '${DATABASE_URL}'}")
    url = f"postgresql://me:{SECRET}@db:5432/shop"
    (warehouse,) = loaded(tmp_path, text, {"DATABASE_URL": url, "MIXPANEL_TOKEN": "t"}).warehouses.values()
    assert warehouse.settings == {"url": url}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{type: postgres}", "warehouse.database: missing; write database, or a url that names it"),
        ("{type: postgres, database: shop, port: 70000}", "write a number from 1 to 65535"),
        ("{type: postgres, database: shop, sslmode: maybe}", "'maybe' is not an sslmode; write one of disable"),
        ("{type: postgres, database: shop, pasword: x}", "no such key (did you mean 'password'?)"),
        (f"{{type: postgres, url: 'mysql://me:{SECRET}@db/shop'}}", "write an address such as postgresql://user:password"),
        (f"{{type: postgres, url: 'postgresql://me:{SECRET}@db'}}", "write an address such as postgresql://"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_no_secret(tmp_path: Path, section: str, told: str) -> None:
    found = only_mistake(tmp_path, with_warehouse(section))
    assert told in found
    assert SECRET not in found
