"""The contract on who may open a warehouse and do what there, and what a person is told who may not: never a secret.

A file of each warehouse gives its `ground` in a fixture of its own; of the grants, one on which `newcomer` made somebody.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

import psycopg
import pytest

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.check import check_warehouse, setup_statements
from mixpanel_wh_tests.warehouses.asking import Mirroring, event_spec, ops, read, user_spec
from mixpanel_wh_tests.warehouses.ground import Ground
from mixpanel_wh_tests.warehouses.wire_ground import WireGround

PASSWORD = "s3cret-Pass"
WRONG = "wr0ng-Pass"
SECRETS = (PASSWORD, WRONG)


def assert_no_secret(error: BaseException | None, secrets: tuple[str, ...] = SECRETS) -> None:
    """Nothing that would be printed with the error holds a secret."""
    while error is not None:
        assert not any(secret in str(error) for secret in secrets)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def cannot_be_opened(
    kind: str,
    settings: dict[str, Any],
    sentence: str,
    error: type[MixpanelWhError] = WarehouseUnavailable,
    secrets: tuple[str, ...] = SECRETS,
) -> None:
    """Opening a warehouse fails with one sentence that holds no secret."""
    with pytest.raises(error, match=sentence) as caught:
        open_warehouse(kind, settings)
    assert "\n" not in str(caught.value)
    assert_no_secret(caught.value, secrets)


class AccessContract:
    """What holds of every way to get in."""

    kind: ClassVar[str]
    """The warehouse's name."""
    driver: ClassVar[str]
    """The module of its client library."""
    password: ClassVar[str] = PASSWORD

    def test_nothing_that_is_shown_of_a_warehouse_holds_its_password(self, ground: Ground) -> None:
        with closing(ground.open()) as warehouse:
            assert self.password not in repr(warehouse)
            with pytest.raises(SourceError) as caught:
                warehouse.tables.describe(ground.name("absent"))
            assert_no_secret(caught.value, (self.password,))

    def test_a_missing_driver_says_what_to_install(self) -> None:
        code = (f"import sys; sys.modules['{self.driver}'] = None\n"
                "from mixpanel_wh.warehouses import open_warehouse\n"
                f"try: open_warehouse('{self.kind}', {{}})\n"
                "except Exception as error: print(type(error).__name__, error)")  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        told = f"MissingDriver the {self.kind} client library is not installed: run  pip install"
        assert done.stdout.startswith(told)
        assert f"'mixpanel-wh[{self.kind}]'" in done.stdout


@contextmanager
def newcomer(ground: WireGround[Any]) -> Iterator[None]:
    """Two people in a table, and a role with a password that may do nothing; the warehouse is opened as it."""
    columns = {"id": ground.kinds.text, "name": ground.kinds.text}
    ground.make("people", columns, [("a", "Ann"), ("b", None)])
    ground.run(f"CREATE ROLE {ground.schema} LOGIN PASSWORD '{PASSWORD}'")
    ground.settings = {"user": ground.schema, "password": PASSWORD}
    yield
    ground.run(f"DROP SCHEMA IF EXISTS {ground.staging} CASCADE")
    ground.run(f"DROP OWNED BY {ground.schema}")
    ground.run(f"DROP ROLE {ground.schema}")


def problems(ground: Ground) -> list[str]:
    """What check finds."""
    with closing(ground.open()) as warehouse:
        return check_warehouse(warehouse, [user_spec(ground.name("people"))])


def mend(ground: Ground, problem: str, wanted: str = "") -> None:
    """Run the statement that a problem says would mend it."""
    statement = problem.partition(": run  ")[2].partition(" (needed for")[0]
    assert wanted in ("", statement)
    ground.run(statement)


def mirrored(ground: Ground) -> dict[str, str]:
    """What a first run sends."""
    with closing(ground.open()) as warehouse:
        return ops(Mirroring(warehouse, user_spec(ground.name("people"))).run())


class GrantsContract(AccessContract):
    """What holds where rights are granted as Postgres grants them."""

    setup: ClassVar[Mapping[str, Any]] = {}
    """Settings with which the setup statements are asked for."""
    created: ClassVar[str]
    """How the first of them makes the role; SCHEMA stands for its name, which is the ground's schema's too."""
    unread: ClassVar[str]
    """What is told about a table that may not be read; SCHEMA stands for the same."""

    def may_use(self, ground: WireGround[Any], table: bool = True) -> None:
        """The newcomer may look into the schema, and read the table."""
        ground.run(f"GRANT USAGE ON SCHEMA {ground.schema} TO {ground.schema}")
        if table:
            ground.run(f"GRANT SELECT ON people TO {ground.schema}")

    def setup_sql(self, ground: WireGround[Any]) -> list[str]:
        """The setup statements for a sync of people and one of events."""
        spec = user_spec(ground.name("people"))
        settings = ground.server.settings(staging_schema=ground.staging, **self.setup, **ground.settings)
        return list(setup_statements(self.kind, settings, [spec, event_spec(spec.table)]))

    def test_check_names_what_is_missing_and_its_statements_mend_it(self, ground: WireGround[Any]) -> None:
        found = problems(ground)
        assert len(found) == 3
        for one in found:
            mend(ground, one)
        assert problems(ground) == []
        assert mirrored(ground) == {"a": "insert", "b": "insert"}
        with closing(ground.open()) as warehouse:
            assert warehouse.tables.change_token(ground.name("people")), "whatever else of the server may be seen"

    def test_the_setup_statements_are_all_that_a_mirror_needs(self, ground: WireGround[Any]) -> None:
        statements = self.setup_sql(ground)
        assert statements[0] == self.created.replace("SCHEMA", ground.schema)
        assert not [one for one in statements if PASSWORD in one]
        for statement in statements[1:]:
            ground.run(statement)
        assert problems(ground) == []
        assert mirrored(ground) == {"a": "insert", "b": "insert"}
        given = ground.server.settings(**ground.settings)
        address = {name: given[name] for name in ("host", "port", "user", "password")}
        with closing(psycopg.connect(dbname=given["database"], autocommit=True, **address)) as other:
            for statement in ("DELETE FROM", "TRUNCATE"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    other.execute(f"{statement} {ground.schema}.people".encode())

    def test_a_staging_schema_that_somebody_else_owns_does_where_it_may_be_written(
        self, ground: WireGround[Any]
    ) -> None:
        self.may_use(ground)
        ground.run(f"CREATE SCHEMA {ground.staging}")
        (found,) = problems(ground)
        mend(ground, found, f'GRANT USAGE, CREATE ON SCHEMA "{ground.staging}" TO "{ground.schema}"')
        assert problems(ground) == []

    def test_staging_tables_that_somebody_else_made_are_named_with_their_grant(self, ground: WireGround[Any]) -> None:
        mine, ground.settings = ground.settings, {}
        assert problems(ground) == []
        ground.settings = mine
        ground.run(f"GRANT USAGE, CREATE ON SCHEMA {ground.staging} TO {ground.schema}")
        self.may_use(ground)
        (found,) = problems(ground)
        mend(ground, found, f'GRANT ALL ON ALL TABLES IN SCHEMA "{ground.staging}" TO "{ground.schema}"')
        assert problems(ground) == []

    def test_reading_without_the_privilege_is_a_fault_of_the_source(self, ground: WireGround[Any]) -> None:
        self.may_use(ground, table=False)
        with closing(ground.open()) as warehouse:
            with pytest.raises(SourceError, match=self.unread.replace("SCHEMA", ground.schema)):
                read(warehouse, user_spec(ground.name("people")))
            with pytest.raises(StagingError, match="CREATE SCHEMA"):
                Mirroring(warehouse, user_spec(ground.name("people")))
