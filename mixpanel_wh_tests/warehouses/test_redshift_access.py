"""Who may do what in Redshift, and what a person is told who may not, or who mistyped something: never a password."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mixpanel_wh.engine.errors import SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh.warehouses.redshift.warehouse import driver_settings
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.asking import Mirroring, event_spec, ops, read, user_spec
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround

PASSWORD = "s3cret-Pass"


@pytest.fixture
def ground(redshift: RunningRedshift) -> Iterator[RedshiftGround]:
    """A schema with two people, and a user with a password that may do nothing."""
    with closing(RedshiftGround(redshift)) as ground:
        ground.make("people", {"id": "varchar(9)", "name": "varchar(9)"}, [("a", "Ann"), ("b", None)])
        ground.run("SET password_encryption = 'md5'")
        ground.run(f"CREATE ROLE {ground.schema} LOGIN PASSWORD '{PASSWORD}'")
        ground.settings = {"user": ground.schema, "password": PASSWORD}
        yield ground
        ground.run(f"DROP SCHEMA IF EXISTS {ground.staging} CASCADE")
        ground.run(f"DROP OWNED BY {ground.schema}")
        ground.run(f"DROP ROLE {ground.schema}")


def problems(ground: RedshiftGround) -> list[str]:
    """What check finds."""
    with closing(ground.open()) as warehouse:
        return check_warehouse(warehouse, [user_spec(ground.name("people"))])


def grant_of(problem: str) -> str:
    """The statement that a problem says would mend it."""
    return problem.partition(": run  ")[2].partition(" (needed for")[0]


def test_check_names_what_is_missing_and_its_statements_mend_it(ground: RedshiftGround) -> None:
    found = problems(ground)
    assert len(found) == 3
    for one in found:
        ground.run(grant_of(one))
    assert problems(ground) == []
    with closing(ground.open()) as warehouse:
        assert ops(Mirroring(warehouse, user_spec(ground.name("people"))).run()) == {"a": "insert", "b": "insert"}
        assert warehouse.tables.change_token(ground.name("people")), "hashed, as long as svv_table_info is not granted"


def test_the_setup_statements_are_all_that_a_mirror_needs(ground: RedshiftGround) -> None:
    spec, role = user_spec(ground.name("people")), "arn:aws:iam::123456789012:role/unloads"
    settings = ground.server.settings(staging_schema=ground.staging, iam_role=role, **ground.settings)
    statements = setup_statements("redshift", settings, [spec, event_spec(spec.table)])
    assert statements[0] == f'CREATE USER "{ground.schema}" PASSWORD DISABLE'
    assert statements[-1] == f"GRANT ASSUMEROLE ON '{role}' TO \"{ground.schema}\" FOR UNLOAD"
    assert not [one for one in statements if PASSWORD in one]
    for statement in statements[1:]:
        ground.run(statement)
    assert problems(ground) == []
    with closing(ground.open()) as warehouse:
        assert ops(Mirroring(warehouse, spec).run()) == {"a": "insert", "b": "insert"}


def test_staging_tables_that_somebody_else_made_are_named_with_their_grant(ground: RedshiftGround) -> None:
    mine, ground.settings = ground.settings, {}
    assert problems(ground) == []
    ground.settings = mine
    ground.run(f"GRANT USAGE, CREATE ON SCHEMA {ground.staging} TO {ground.schema}")
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
    ground.run(f"GRANT SELECT ON people TO {ground.schema}")
    (found,) = problems(ground)
    assert grant_of(found) == f'GRANT ALL ON ALL TABLES IN SCHEMA "{ground.staging}" TO "{ground.schema}"'
    ground.run(grant_of(found))
    assert problems(ground) == []


def test_reading_without_the_privilege_is_a_fault_of_the_source(ground: RedshiftGround) -> None:
    ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
    with closing(ground.open()) as warehouse:
        with pytest.raises(SourceError, match="there is no table"):  # its view shows only what one may read
            read(warehouse, user_spec(ground.name("people")))
        with pytest.raises(StagingError, match="CREATE SCHEMA"):
            Mirroring(warehouse, user_spec(ground.name("people")))


# The driver leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"password": "wr0ng-Pass"}, r"refused user shop_\w+: check user and password of the warehouse"),
        ({"user": "nobody_here", "password": "x"}, "refused user nobody_here: check user"),
        ({"database": "shopp", "user": "postgres"}, r"no database shopp at 127\.0\.0\.1:\d+: check database"),
        ({"host": "no-such-host.invalid"}, r"no host no-such-host\.invalid: check host"),
        ({"port": 1}, r"nothing answers at 127\.0\.0\.1:1: check host and port"),
        ({"sslmode": "verify-full"}, "encrypted connection .* failed: check sslmode"),
        ({"cluster": "c", "region": "us-east-1", "profile": "nobody", "host": None, "sslmode": None},
         "AWS gave no credentials.*check cluster"),
    ],
)  # fmt: skip
def test_a_mistyped_connection_is_one_sentence_without_the_password(
    ground: RedshiftGround, changed: dict[str, Any], sentence: str
) -> None:
    given = {name: value for name, value in ground.server.settings(**ground.settings | changed).items()
             if value is not None}  # fmt: skip
    with pytest.raises(WarehouseUnavailable, match=sentence) as caught:
        open_warehouse("redshift", given)
    assert "\n" not in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(word in str(error) for word in (PASSWORD, "wr0ng-Pass"))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    del caught, error
    gc.collect()


def test_clusters_and_workgroups_log_in_by_iam() -> None:
    cluster = driver_settings({"cluster": "shop", "region": "eu-west-1", "database": "dev", "user": "mixpanel"})
    assert cluster == {"cluster_identifier": "shop", "region": "eu-west-1", "database": "dev", "user": "mixpanel",
                       "db_user": "mixpanel", "port": 5439, "iam": True, "is_serverless": False}  # fmt: skip
    workgroup = driver_settings({"workgroup": "shop", "database": "dev", "profile": "me", "sslmode": "verify-ca"})
    assert workgroup == {"serverless_work_group": "shop", "database": "dev", "profile": "me", "port": 5439, "iam": True,
                         "is_serverless": True, "sslmode": "verify-ca"}  # fmt: skip


def test_nothing_that_is_shown_of_a_warehouse_holds_its_password(ground: RedshiftGround) -> None:
    with closing(ground.open()) as warehouse:
        assert PASSWORD not in repr(warehouse)


def test_a_missing_driver_says_what_to_install() -> None:
    code = ("import sys; sys.modules['redshift_connector'] = None\n"
            "from mixpanel_wh.warehouses import open_warehouse\n"
            "try: open_warehouse('redshift', {})\n"
            "except Exception as error: print(type(error).__name__, error)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingDriver the redshift client library is not installed: run  pip install")
    assert "'mixpanel-wh[redshift]'" in done.stdout


def test_redshift_needs_no_driver_of_postgres() -> None:
    code = ("import sys; sys.modules['psycopg'] = sys.modules['psycopg2'] = None\n"
            "import mixpanel_wh.warehouses.redshift")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
