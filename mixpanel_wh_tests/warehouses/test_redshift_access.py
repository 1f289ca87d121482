"""Who may do what in Redshift, and what a person is told who may not, or who mistyped something: never a password."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from types import MappingProxyType
from typing import Any

import pytest

from mixpanel_wh.warehouses.redshift.warehouse import driver_settings
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.contract_access import WRONG, GrantsContract, cannot_be_opened, newcomer
from mixpanel_wh_tests.warehouses.redshift_ground import RedshiftGround

ROLE = "arn:aws:iam::123456789012:role/unloads"


@pytest.fixture
def ground(redshift: RunningRedshift) -> Iterator[RedshiftGround]:
    """A schema with two people, and a user with a password that may do nothing."""
    with closing(RedshiftGround(redshift)) as ground:
        ground.run("SET password_encryption = 'md5'")
        with newcomer(ground):
            yield ground


class TestRedshiftAccess(GrantsContract):
    """Users who log in by IAM or by a password, one of whom unloads by a role."""

    kind = "redshift"
    driver = "redshift_connector"
    setup = MappingProxyType({"iam_role": ROLE})
    created = 'CREATE USER "SCHEMA" PASSWORD DISABLE'
    unread = "there is no table"  # its view shows only what one may read

    def test_the_last_setup_statement_lends_the_role_that_unloads(self, ground: RedshiftGround) -> None:
        assert self.setup_sql(ground)[-1] == f"GRANT ASSUMEROLE ON '{ROLE}' TO \"{ground.schema}\" FOR UNLOAD"


# The driver leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"password": WRONG}, r"refused user shop_\w+: check user and password of the warehouse"),
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
    cannot_be_opened("redshift", given, sentence)
    gc.collect()


def test_clusters_and_workgroups_log_in_by_iam() -> None:
    cluster = driver_settings({"cluster": "shop", "region": "eu-west-1", "database": "dev", "user": "mixpanel"})
    assert cluster == {"cluster_identifier": "shop", "region": "eu-west-1", "database": "dev", "user": "mixpanel",
                       "db_user": "mixpanel", "port": 5439, "iam": True, "is_serverless": False}  # fmt: skip
    workgroup = driver_settings({"workgroup": "shop", "database": "dev", "profile": "me", "sslmode": "verify-ca"})
    assert workgroup == {"serverless_work_group": "shop", "database": "dev", "profile": "me", "port": 5439, "iam": True,
                         "is_serverless": True, "sslmode": "verify-ca"}  # fmt: skip


def test_redshift_needs_no_driver_of_postgres() -> None:
    code = ("import sys; sys.modules['psycopg'] = sys.modules['psycopg2'] = None\n"
            "import mixpanel_wh.warehouses.redshift")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
