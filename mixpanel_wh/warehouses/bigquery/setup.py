"""What an administrator runs once, so that an account may do what its syncs need and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from mixpanel_wh.engine.spec import TableName

ACCOUNT = "serviceAccount:mixpanel@{project}.iam.gserviceaccount.com"
UNPLACED = "-- location is not set: where the tables are not in the US, add  OPTIONS (location = '...')  with their own"


def setup_sql(settings: Mapping[str, Any], tables: Iterable[TableName]) -> list[str]:
    """The statements, for `bq query` or the console; the first ones are commands for a shell, as comments, since roles
    on a project are no SQL. The account stands for whichever reads the tables. Nothing is written
    in BigQuery where the staging schema is in a file."""
    project, staging = str(settings.get("project", "PROJECT")), str(settings.get("staging_schema", "mixpanel"))
    account = ACCOUNT.format(project=project)
    location = settings.get("location")
    placed = f" OPTIONS (location = '{location}')" if location else ""
    datasets = dict.fromkeys(_dataset(table, settings, project) for table in tables)
    writing = [
        *([] if location else [UNPLACED]),
        f"CREATE SCHEMA IF NOT EXISTS `{project}`.`{staging}`{placed}",
        _grant("bigquery.dataOwner", project, staging, account),
    ]
    return [
        *(_role(project, account, role) for role in ("bigquery.jobUser", "bigquery.readSessionUser")),
        *([] if settings.get("staging_path") else writing),
        *(_grant("bigquery.dataViewer", owner, dataset, account) for owner, dataset in datasets),
    ]


def _role(project: str, account: str, role: str) -> str:
    return f"-- gcloud projects add-iam-policy-binding {project} --member={account} --role=roles/{role}"


def _grant(role: str, project: str, dataset: str, account: str) -> str:
    return f'GRANT `roles/{role}` ON SCHEMA `{project}`.`{dataset}` TO "{account}"'


def _dataset(table: TableName, settings: Mapping[str, Any], project: str) -> tuple[str, str]:
    """The project and the dataset of a table."""
    *place, _ = table.parts
    *owner, dataset = str(settings.get("dataset") or "DATASET").rsplit(".", 1)  # as `connect` takes it
    usual = (owner[0] if owner else project, dataset)
    return (place[-2], place[-1]) if len(place) > 1 else (project, place[-1]) if place else usual
