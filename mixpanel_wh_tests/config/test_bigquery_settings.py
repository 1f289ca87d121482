"""A BigQuery warehouse in the project file: what it takes, and what is told of a mistake, never with a secret in it."""

from pathlib import Path

import pytest

from mixpanel_wh_tests.config.test_postgres_settings import with_warehouse
from mixpanel_wh_tests.config.writing import loaded, only_mistake

SECRET = "Very-Secret-1"


def test_every_key_of_a_bigquery_warehouse_is_read(tmp_path: Path) -> None:
    section = ("{type: bigquery, project: shop, dataset: sales, staging_schema: staged, location: EU, credentials_file: "
               "keys/shop.json, maximum_bytes_billed: 10_000_000_000, labels: {team: data-eng}, storage_api: false, "
               "api_endpoint: 'http://127.0.0.1:9050', storage_endpoint: '127.0.0.1:9060'}")  # fmt: skip
    (warehouse,) = loaded(tmp_path, with_warehouse(section)).warehouses.values()
    assert warehouse.kind == "bigquery"
    assert warehouse.settings == {
        "project": "shop", "dataset": "sales", "staging_schema": "staged", "location": "EU",
        "credentials_file": str(tmp_path / "keys" / "shop.json"), "maximum_bytes_billed": 10_000_000_000,
        "labels": {"team": "data-eng"}, "storage_api": False, "api_endpoint": "http://127.0.0.1:9050",
        "storage_endpoint": "127.0.0.1:9060",
    }  # fmt: skip


def test_a_key_as_json_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    text = with_warehouse("{type: bigquery, project: shop, credentials: '${GOOGLE_KEY}'}")
    key = f'{{"private_key": "{SECRET}"}}'
    (warehouse,) = loaded(tmp_path, text, {"GOOGLE_KEY": key, "MIXPANEL_TOKEN": "t"}).warehouses.values()
    assert warehouse.settings["credentials"] == key
    assert SECRET not in repr(warehouse)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{type: bigquery}", "warehouse.project: missing"),
        (
            "{type: bigquery, project: shop, maximum_bytes_billed: 10 GB}",
            "'10 GB' is not a number of bytes; write a whole",
        ),
        (
            "{type: bigquery, project: shop, labels: {team: 'Data Team'}}",
            "'Data Team' is not a label; write at most 63",
        ),
        ("{type: bigquery, project: shop, labels: [team]}", "a list is not a mapping of labels to their values"),
        ("{type: bigquery, project: shop, datset: sales}", "no such key (did you mean 'dataset'?)"),
        (f"{{type: bigquery, project: shop, credentials: {SECRET}, credentials_file: key.json}}", "keep one of them"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_no_secret(tmp_path: Path, section: str, told: str) -> None:
    found = only_mistake(tmp_path, with_warehouse(section))
    assert told in found
    assert SECRET not in found
