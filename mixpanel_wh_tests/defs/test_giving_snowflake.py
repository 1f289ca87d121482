"""dagster-snowflake's own resource says how to connect to Snowflake, and a sync runs over it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg
import pytest

from mixpanel_wh.defs.giving import settings_given
from mixpanel_wh.defs.resources import MixpanelResource
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName
from mixpanel_wh_tests.stand_ins.snowflake import DATABASE, PASSWORD, RunningSnowflake
from mixpanel_wh_tests.warehouses.snowflake_ground import SnowflakeGround

# dagster-snowflake declares a field in a way that Pydantic warns of.
pytestmark = [pytest.mark.warehouses, pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")]


def resource_of_theirs(**given: Any) -> Any:
    """dagster-snowflake's resource."""
    from dagster_snowflake import SnowflakeResource

    return SnowflakeResource(**given)


@pytest.fixture
def ground(snowflake: RunningSnowflake) -> Iterator[SnowflakeGround]:
    """A schema with two people."""
    with closing(SnowflakeGround(snowflake)) as ground:
        ground.make("PEOPLE", {"ID": "VARCHAR", "NAME": "VARCHAR"}, [("a", "Ann"), ("b", None)])
        yield ground


def test_a_snowflake_resource_gives_the_connection(ground: SnowflakeGround) -> None:
    place = {"host": "127.0.0.1", "port": ground.server.port, "protocol": "http"}
    given = resource_of_theirs(
        account="fakesnow", user="tester", password=PASSWORD, database=DATABASE, schema=ground.schema, role="sysadmin",
        warehouse="loading", additional_snowflake_connection_args=place,
    )  # fmt: skip
    spec = SyncSpec("people", TableName(("people",)), RecordType.USER, Mode.FULL, distinct_id="ID")
    found: list[Any] = []

    @dg.asset
    def people(mixpanel: MixpanelResource) -> None:
        assert mixpanel.warehouse_kind(spec) == "snowflake"
        with closing(mixpanel.open_warehouse(spec)) as warehouse:
            found.extend(row["NAME"] for batch in warehouse.tables.read(spec) for row in batch.to_pylist())

    resource = MixpanelResource(project_id="1", token="t", warehouse_resource=given)
    assert dg.materialize([people], resources={"mixpanel": resource}).success
    assert sorted(found, key=str) == ["Ann", None]


def test_a_key_with_its_passphrase_is_taken_over() -> None:
    given = resource_of_theirs(account="acme", user="me", private_key_path="/keys/me.p8", private_key_password="pw",
                               database="shop", warehouse="loading")  # fmt: skip
    found = settings_given(given)
    assert (found["type"], found["private_key_path"], found["passphrase"]) == ("snowflake", "/keys/me.p8", "pw")
    assert "password" not in found
