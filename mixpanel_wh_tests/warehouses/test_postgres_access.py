"""Who may do what in Postgres, and what a person is told who may not, or who mistyped something: never a password."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh_tests.stand_ins.postgres import RunningPostgres
from mixpanel_wh_tests.warehouses.asking import Mirroring, event_spec, ops, read, user_spec
from mixpanel_wh_tests.warehouses.postgres_ground import PostgresGround

PASSWORD = "s3cret-Pass"


@pytest.fixture
def ground(postgres: RunningPostgres) -> Iterator[PostgresGround]:
    """A schema with two people, and a role with a password that may do nothing."""
    with closing(PostgresGround(postgres)) as ground:
        ground.make("people", {"id": "text", "name": "text"}, [("a", "Ann"), ("b", None)])
        ground.run(f"CREATE ROLE {ground.schema} LOGIN PASSWORD '{PASSWORD}'")
        ground.settings = {"user": ground.schema, "password": PASSWORD}
        yield ground
        ground.run(f"DROP SCHEMA IF EXISTS {ground.staging} CASCADE")
        ground.run(f"DROP OWNED BY {ground.schema}")
        ground.run(f"DROP ROLE {ground.schema}")


def problems(ground: PostgresGround) -> list[str]:
    """What check finds."""
    with closing(ground.open()) as warehouse:
        return check_warehouse(warehouse, [user_spec(ground.name("people"))])


def grant_of(problem: str) -> str:
    """The statement that a problem says would mend it."""
    return problem.partition(": run  ")[2].partition(" (needed for")[0]


def test_check_names_what_is_missing_and_its_statements_mend_it(ground: PostgresGround) -> None:
    found = problems(ground)
    assert len(found) == 3
    for one in found:
        ground.run(grant_of(one))
    assert problems(ground) == []
    with closing(ground.open()) as warehouse:
        assert ops(Mirroring(warehouse, user_spec(ground.name("people"))).run()) == {"a": "insert", "b": "insert"}


def test_the_setup_statements_are_all_that_a_mirror_needs(ground: PostgresGround) -> None:
    spec = user_spec(ground.name("people"))
    settings = ground.server.settings(staging_schema=ground.staging, **ground.settings)
    statements = setup_statements("postgres", settings, [spec, event_spec(spec.table)])
    assert statements[0] == f'CREATE ROLE "{ground.schema}" LOGIN'
    assert not [one for one in statements if PASSWORD in one]
    for statement in statements[1:]:
        ground.run(statement)
    assert problems(ground) == []
    with closing(ground.open()) as warehouse:
        assert ops(Mirroring(warehouse, spec).run()) == {"a": "insert", "b": "insert"}
    with closing(psycopg.connect(f"host=127.0.0.1 port={ground.server.port} dbname=postgres user={ground.schema} "
                                 f"password={PASSWORD}", autocommit=True)) as other:  # fmt: skip
        for statement in ("DELETE FROM", "TRUNCATE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(f"{statement} {ground.schema}.people".encode())


def test_a_staging_schema_that_somebody_else_owns_does_where_it_may_be_written(ground: PostgresGround) -> None:
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
    ground.run(f"GRANT SELECT ON people TO {ground.schema}")
    ground.run(f"CREATE SCHEMA {ground.staging}")
    (found,) = problems(ground)
    assert grant_of(found) == f'GRANT USAGE, CREATE ON SCHEMA "{ground.staging}" TO "{ground.schema}"'
    ground.run(grant_of(found))
    assert problems(ground) == []


def test_staging_tables_that_somebody_else_made_are_named_with_their_grant(ground: PostgresGround) -> None:
    ground.settings = {}
    assert problems(ground) == []
    ground.settings = {"user": ground.schema, "password": PASSWORD}
    ground.run(f"GRANT USAGE, CREATE ON SCHEMA {ground.staging} TO {ground.schema}")
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
    ground.run(f"GRANT SELECT ON people TO {ground.schema}")
    (found,) = problems(ground)
    assert grant_of(found) == f'GRANT ALL ON ALL TABLES IN SCHEMA "{ground.staging}" TO "{ground.schema}"'
    ground.run(grant_of(found))
    assert problems(ground) == []


def test_reading_without_the_privilege_is_a_fault_of_the_source(ground: PostgresGround) -> None:
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
    with closing(ground.open()) as warehouse:
        with pytest.raises(SourceError, match=rf'GRANT SELECT ON "{ground.schema}"."people" TO "{ground.schema}"'):
            read(warehouse, user_spec(ground.name("people")))
        with pytest.raises(StagingError, match="CREATE SCHEMA"):
            Mirroring(warehouse, user_spec(ground.name("people")))


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
        ({"password": "wr0ng-Pass"}, r"refused user shop_\w+: check user and password of the warehouse"),
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
    with pytest.raises(WarehouseUnavailable, match=sentence) as caught:
        open_warehouse("postgres", ground.server.settings(**ground.settings | changed))
    assert "\n" not in str(caught.value)
    assert_no_secret(caught.value)


def assert_no_secret(error: BaseException | None) -> None:
    """Nothing that would be printed with the error holds a password."""
    while error is not None:
        assert not any(word in str(error) for word in (PASSWORD, "wr0ng-Pass"))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_an_address_in_one_opens_the_database_and_keys_beside_it_count_more(ground: PostgresGround) -> None:
    place = f"127.0.0.1:{ground.server.port}"
    for url, more in (
        (f"postgresql://{ground.schema}:{PASSWORD}@{place}/postgres", {}),
        (f"postgres://{ground.schema}:nonsense@{place}/nowhere", {"password": PASSWORD, "database": "postgres"}),
    ):
        open_warehouse("postgres", {"url": url, **more}).close()
    with pytest.raises(WarehouseUnavailable, match="refused user") as caught:
        open_warehouse("postgres", {"url": f"postgresql://{ground.schema}:wr0ng-Pass@{place}/postgres"})
    assert_no_secret(caught.value)
    with pytest.raises(ConfigError, match="no address of a database") as wrong:
        open_warehouse("postgres", {"url": f"postgresql://{PASSWORD}@[:x/"})
    assert_no_secret(wrong.value)


def test_nothing_that_is_shown_of_a_warehouse_holds_its_password(ground: PostgresGround) -> None:
    with closing(ground.open()) as warehouse:
        assert PASSWORD not in repr(warehouse)
        with suppress(MixpanelWhError):
            warehouse.tables.describe(TableName((PASSWORD[:3], "people")))


def test_a_missing_driver_says_what_to_install() -> None:
    code = ("import sys; sys.modules['psycopg'] = None\n"
            "from mixpanel_wh.warehouses import open_warehouse\n"
            "try: open_warehouse('postgres', {})\n"
            "except Exception as error: print(type(error).__name__, error)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingDriver the postgres client library is not installed: run  pip install")
    assert "'mixpanel-wh[postgres]'" in done.stdout
