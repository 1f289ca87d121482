"""Who may open a Snowflake warehouse and how, what a mistake is answered with, and what else one session meets."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError, SourceError, WarehouseUnavailable
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh_tests.stand_ins.snowflake import DATABASE, PASSWORD, RunningSnowflake
from mixpanel_wh_tests.warehouses.asking import read, user_spec
from mixpanel_wh_tests.warehouses.contract_access import WRONG, AccessContract, cannot_be_opened
from mixpanel_wh_tests.warehouses.contract_sessions import SessionsContract
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

PASSPHRASE = "Open-Sesame-1"
TOKEN = "0auth-T0ken"
SECRETS = (PASSWORD, PASSPHRASE, TOKEN, WRONG)


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    """A schema with two people."""
    with closing(SnowflakeGround(snowflake)) as ground:
        ground.make("PEOPLE", {"ID": "VARCHAR", "NAME": "VARCHAR"}, [("a", "Ann"), ("b", None)])
        yield ground


class TestSnowflakeAccess(AccessContract):
    """By a password, as most tests get in."""

    kind = "snowflake"
    driver = "snowflake.connector"
    password = PASSWORD


class TestSnowflakeSessions(SessionsContract):
    """Sessions of one account."""


def key_pair(passphrase: str | None = None) -> tuple[str, bytes]:
    """A private key as PEM text, and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    lock: Any = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


def without_password(server: RunningSnowflake, **more: Any) -> dict[str, Any]:
    """Settings with another way in."""
    return {name: value for name, value in server.settings(**more).items() if name != "password"}


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("way", ["private_key", "private_key_path"])
def test_a_key_pair_opens_the_warehouse(snowflake: RunningSnowflake, tmp_path: Path, locked: bool, way: str) -> None:
    private, public = key_pair(PASSPHRASE if locked else None)
    snowflake.account.keys["KEYED"] = public
    (tmp_path / "key.p8").write_text(private)
    given = {way: private if way == "private_key" else str(tmp_path / "key.p8")}
    given |= {"passphrase": PASSPHRASE} if locked else {}
    open_warehouse("snowflake", without_password(snowflake, user="keyed", **given)).close()


def test_a_token_opens_the_warehouse(snowflake: RunningSnowflake) -> None:
    snowflake.account.tokens["TOKENED"] = TOKEN
    open_warehouse("snowflake", without_password(snowflake, user="tokened", token=TOKEN)).close()


@pytest.mark.parametrize(
    ("changed", "kind", "sentence"),
    [
        ({"password": WRONG}, WarehouseUnavailable, "refused user tester: check user and password"),
        ({"role": "nobody"}, WarehouseUnavailable, r"may not use role nobody.*GRANT ROLE nobody TO USER tester"),
        ({"password": None, "token": TOKEN}, WarehouseUnavailable, "refused the token of user tester"),
        ({"password": None, "private_key": "nonsense"}, ConfigError, "private_key of the warehouse is no key"),
        ({"password": None, "private_key_path": "/no/such.p8"}, ConfigError, "private_key_path /no/such.p8 .*cannot be read"),
        ({"port": 1, "connect_timeout": 1}, WarehouseUnavailable, "does not answer: check account"),
    ],
)
def test_a_mistaken_way_in_is_one_sentence_without_a_secret(
    snowflake: RunningSnowflake, changed: dict[str, Any], kind: type[MixpanelWhError], sentence: str
) -> None:
    cannot_be_opened("snowflake", snowflake.settings(**changed), sentence, kind, SECRETS)


def test_a_key_of_somebody_else_and_a_wrong_passphrase_are_told_apart(snowflake: RunningSnowflake) -> None:
    private, public = key_pair(PASSPHRASE)
    snowflake.account.keys["OTHER"] = key_pair()[1]
    given = without_password(snowflake, user="other", private_key=private)
    for passphrase, sentence, kind in (
        (PASSPHRASE, r"refused the key of user other.*RSA_PUBLIC_KEY", WarehouseUnavailable),
        (WRONG, "passphrase is not the one", ConfigError),
        (None, "needs its passphrase", ConfigError),
    ):
        more = {"passphrase": passphrase} if passphrase else {}
        cannot_be_opened("snowflake", given | more, sentence, kind, SECRETS)
    assert public != snowflake.account.keys["OTHER"]


@pytest.mark.parametrize("parts", [("people",), ("PEOPLE",), None, (DATABASE.lower(), None, "people")])
def test_a_name_is_taken_as_it_is_written_and_else_in_upper_case(
    ground: SnowflakeGround, parts: tuple[str | None, ...] | None
) -> None:
    named = ("people",) if parts is None else parts
    whole = tuple(part or ground.schema.lower() for part in named) if parts else (ground.schema.lower(), "people")
    with closing(ground.open()) as warehouse:
        table = warehouse.tables.describe(TableName(whole))
        assert table.name.parts == (DATABASE, ground.schema, "PEOPLE")
        assert [column.name for column in table.columns] == ["ID", "NAME"]
        assert (table.rows, table.is_view) == (2, False)
        spec = user_spec(TableName(whole), distinct_id="ID")
        assert sorted(row["NAME"] or "" for row in read(warehouse, spec)) == ["", "Ann"]


def test_a_table_that_is_not_to_be_seen_is_named_with_the_grants_that_would_show_it(ground: SnowflakeGround) -> None:
    with closing(ground.open()) as warehouse:
        (problem,) = check_warehouse(warehouse, [user_spec(TableName((ground.schema, "SECRETS_OF_OTHERS")))])
        assert f'GRANT SELECT ON "{DATABASE}"."{ground.schema}"."SECRETS_OF_OTHERS" TO ROLE "SYSADMIN"' in problem
        with pytest.raises(SourceError, match=r"did you mean .*PEOPLE"):
            warehouse.tables.describe(TableName((ground.schema, "PEOPEL")))


def test_the_setup_statements_give_what_the_syncs_need_and_hold_no_secret(ground: SnowflakeGround) -> None:
    settings = ground.server.settings(staging_schema=ground.staging, role="mixpanel")
    tables = [user_spec(TableName(("web", "orders"))), user_spec(ground.name("PEOPLE"))]
    statements = setup_statements("snowflake", settings, tables)
    assert not [one for one in statements if PASSWORD in one]
    for told in (
        'GRANT ROLE "MIXPANEL" TO USER "TESTER"',
        'GRANT USAGE ON WAREHOUSE "LOADING" TO ROLE "MIXPANEL"',
        f'GRANT OWNERSHIP ON SCHEMA "{DATABASE}"."{ground.staging}" TO ROLE "MIXPANEL" COPY CURRENT GRANTS',
        f'GRANT SELECT ON "{DATABASE}"."WEB"."ORDERS" TO ROLE "MIXPANEL"',
        f'ALTER TABLE "{DATABASE}"."{ground.schema}"."PEOPLE" SET CHANGE_TRACKING = TRUE',
    ):
        assert told in statements


def test_a_large_answer_is_fetched_in_chunks_and_keeps_its_order(ground: SnowflakeGround) -> None:
    table = ground.fill("many", 70_000)
    before = len(ground.server.fetched)
    with closing(ground.open()) as warehouse:
        rows = [row[batches.KEY] for row in read(warehouse, user_spec(table))]
    assert [int(row) for row in rows] == list(range(70_000))
    assert len(ground.server.fetched) - before == 4


def test_a_type_that_cannot_be_compared_is_refused_by_name() -> None:
    from mixpanel_wh.engine.ports import Column
    from mixpanel_wh.warehouses.snowflake.dialect import SnowflakeDialect

    for type in ("GEOGRAPHY", "GEOMETRY", "VECTOR(FLOAT, 3)"):
        with pytest.raises(SourceError, match=rf"column PLACE is of type {type.partition('(')[0]}.*properties\.deny"):
            SnowflakeDialect().kind(Column("PLACE", type))
