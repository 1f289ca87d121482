"""A resource of Dagster's own integrations says how to connect to a warehouse."""

from base64 import b64encode
from typing import Any

import dagster as dg
import pytest
from dagster_aws.redshift import RedshiftClientResource
from dagster_gcp import BigQueryResource

from mixpanel_wh.defs.giving import settings_given
from mixpanel_wh.defs.resources import MixpanelResource
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec, TableName

SYNC = SyncSpec("people", TableName(("shop", "people")), RecordType.USER, Mode.FULL, distinct_id="id")


def settings_in_a_run(**fields: Any) -> dict[str, Any]:
    """What a sync's warehouse is opened with inside of a run."""
    found: dict[str, Any] = {}

    @dg.asset
    def people(mixpanel: MixpanelResource) -> None:
        found.update(mixpanel.warehouse_settings(SYNC))
        assert mixpanel.warehouse_kind(SYNC) == found["type"]

    resource = MixpanelResource(project_id="1", token="t", **fields)
    assert dg.materialize([people], resources={"mixpanel": resource}).success
    return found


def redshift(**more: Any) -> RedshiftClientResource:
    given: dict[str, Any] = {"host": "shop.example.com", "port": 5439, "user": "mixpanel", "database": "shop"}
    return RedshiftClientResource(password=dg.EnvVar("SHOP_PASSWORD"), **given | more)


def test_a_redshift_resource_gives_the_connection_and_the_warehouse_stands_above_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "secret")
    found = settings_in_a_run(warehouse_resource=redshift(), warehouse={"staging_schema": "mp", "database": "other"})
    assert (found["type"], found["host"], found["password"]) == ("redshift", "shop.example.com", "secret")
    assert (found["database"], found["staging_schema"]) == ("other", "mp")


@pytest.mark.parametrize(("theirs", "ours"), [("require", None), ("disable", "disable"), ("verify-ca", "verify-ca")])
def test_encryption_without_a_look_at_the_certificate_becomes_encryption_with_one(
    monkeypatch: pytest.MonkeyPatch, theirs: str, ours: str | None
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "secret")
    assert settings_in_a_run(warehouse_resource=redshift(sslmode=theirs)).get("sslmode") == ours


def test_a_bigquery_resource_gives_project_location_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = '{"type": "service_account"}'
    monkeypatch.setenv("SHOP_KEY", b64encode(key.encode()).decode())
    resource = BigQueryResource(project="shop", location="EU", gcp_credentials=dg.EnvVar("SHOP_KEY"))
    found = settings_in_a_run(warehouse_resource=resource, warehouse={"dataset": "sales", "staging_schema": "mp"})
    assert found == {"type": "bigquery", "project": "shop", "location": "EU", "credentials": key, "dataset": "sales",
                     "staging_schema": "mp"}  # fmt: skip
    assert "credentials" not in settings_given(BigQueryResource(project="shop"))


def test_a_resource_that_is_no_warehouse_is_named() -> None:
    with pytest.raises(ConfigError, match=r"a dict is no warehouse_resource: give one of .*RedshiftClientResource"):
        settings_given({})
