"""Who may do what in Postgres, and what a person is told who may not, or who mistyped something: never a password."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mixpanel_wh.engine.errors import ConfigError, StagingError
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, user_spec
from mixpanel_wh_tests.warehouses.contract_access import (
    PASSWORD,
    WRONG,
    GrantsContract,
    cannot_be_opened,
    newcomer,
)
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    """A schema with two people, and a role with a password that may do nothing."""
    with closing(PostgresGround(postgres)) as ground, newcomer(ground):
        yield ground


class TestPostgresAccess(GrantsContract):
    """Roles of the server's own."""

    kind = "postgres"
    driver = "psycopg"
    created = 'CREATE ROLE "SCHEMA" LOGIN'
    unread = 'GRANT SELECT ON "SCHEMA"."people" TO "SCHEMA"'


def test_a_server_that_takes_no_writes_is_told_from_one_that_refuses(ground: PostgresGround) -> None:
    ground.settings = {}
    ground.run("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        with (
            closing(ground.open()) as warehouse,
            pytest.raises(StagingError, match=r"read-only.*primary"),
        ):
            Mirroring(warehouse, user_spec(ground.name("people")))
    finally:
        ground.run("SET default_transaction_read_only = off")
        ground.run("ALTER ROLE postgres RESET default_transaction_read_only")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"password": WRONG}, r"refused user shop_\w+: check user and password of the warehouse"),
        ({"password": None}, r"refused user shop_\w+: check user and password"),
        ({"user": "nobody_here", "password": "x"}, "refused user nobody_here: check user"),
        ({"database": "shopp", "user": "postgres"}, r"no database shopp at 127\.0\.0\.1:\d+: check database"),
        ({"host": "no-such-host.invalid"}, r"no host no-such-host\.invalid: check host"),
        ({"port": 1}, r"nothing answers at 127\.0\.0\.1:1: check host and port"),
        ({"sslmode": "require"}, "encrypted connection .* failed: check sslmode"),
    ],
)
def test_a_mistyped_connection_is_one_sentence_without_the_password(
    ground: PostgresGround, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    cannot_be_opened("postgres", ground.server.settings(**ground.settings | changed), sentence)


def test_an_address_in_one_opens_the_database_and_keys_beside_it_count_more(ground: PostgresGround) -> None:
    place = f"127.0.0.1:{ground.server.port}"
    for url, more in (
        (f"postgresql://{ground.schema}:{PASSWORD}@{place}/postgres", {}),
        (f"postgres://{ground.schema}:nonsense@{place}/nowhere", {"password": PASSWORD, "database": "postgres"}),
    ):
        open_warehouse("postgres", {"url": url, **more}).close()
    url = f"postgresql://{ground.schema}:{WRONG}@{place}/postgres"
    cannot_be_opened("postgres", {"url": url}, "refused user")
    cannot_be_opened("postgres", {"url": f"postgresql://{PASSWORD}@[:x/"}, "no address of a database", ConfigError)
