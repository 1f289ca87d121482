"""Opening BigQuery: its clients, and its parts as a warehouse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixpanel_wh.engine.errors import ConfigError, MissingDriver

try:
    import google.auth
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery
    from google.cloud.bigquery.retry import DEFAULT_RETRY
    from google.oauth2 import service_account
except ImportError as error:
    raise MissingDriver("bigquery") from error

from mixpanel_wh.warehouses.bigquery.catalogue import BigQueryCatalogue
from mixpanel_wh.warehouses.bigquery.dialect import BigQueryDialect
from mixpanel_wh.warehouses.bigquery.jobs import Jobs
from mixpanel_wh.warehouses.bigquery.keeping import BigQueryLedger, BigQueryStaging, BigQueryState
from mixpanel_wh.warehouses.bigquery.reading import Reader
from mixpanel_wh.warehouses.bigquery.session import BigQuerySession
from mixpanel_wh.warehouses.bigquery.snapshots import BigQuerySnapshots
from mixpanel_wh.warehouses.bigquery.tables import BigQueryTables
from mixpanel_wh.warehouses.bigquery.trouble import Place, explaining

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from google.auth.credentials import Credentials
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

SCOPES = ("https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform")
LABELS = {"application": "mixpanel_wh"}
FIRST_ANSWER_SECONDS = 30.0
LARGEST_MESSAGE = [("grpc.max_receive_message_length", -1)]


@dataclass
class BigQueryWarehouse:
    """`ports.Warehouse` on the datasets of BigQuery."""

    session: BigQuerySession
    tables: BigQueryTables
    snapshots: BigQuerySnapshots
    ledger: BigQueryLedger
    state: BigQueryState
    kind: str = "bigquery"

    def transaction(self) -> AbstractContextManager[None]:
        """What changes tables inside is committed together or not at all."""
        return self.session.transaction()

    def close(self) -> None:
        """Give the connections back."""
        self.session.close()


def connect(settings: Mapping[str, Any]) -> BigQueryWarehouse:
    """Open BigQuery. Settings: `project`; `dataset` (where tables named without one stand); `staging_schema` (the
    dataset for snapshots and state, "mixpanel"); `location` (that of `dataset`, where it is not given);
    `credentials_file` or `credentials` (the JSON of a service account), else Google's application default;
    `maximum_bytes_billed` (for each statement); `labels`; `storage_api` (True: must be used; False: never; not given:
    where it is granted); `api_endpoint` and `storage_endpoint` (addresses in place of Google's).

    `client` may hold a `bigquery.Client` that is open already. Raises ConfigError or WarehouseUnavailable.
    """
    staging, labels = str(settings.get("staging_schema", "mixpanel")), LABELS | dict(settings.get("labels") or {})
    client = settings.get("client")
    if client is None:
        with explaining(Place(str(settings.get("project", "")), staging)):
            client = _client(settings)
    account = getattr(client._credentials, "service_account_email", None) or "the account"
    place = Place(client.project, staging, settings.get("location"), account)
    dataset = _dataset(client.project, settings.get("dataset"))
    place = replace(place, location=place.location or _location(client, dataset, place))
    jobs = Jobs(client, place, labels, settings.get("maximum_bytes_billed"), dataset, place.location)
    wanted = settings.get("storage_api")
    reader = Reader(jobs, None if wanted is False else _storage(client, settings), strict=wanted is True)
    session, dialect = BigQuerySession(jobs, reader), BigQueryDialect()
    parts = (client.project, staging)
    tables = BigQueryTables(BigQueryCatalogue(session, dialect), BigQueryStaging(session, dialect, parts))
    return BigQueryWarehouse(
        session, tables, BigQuerySnapshots(tables), BigQueryLedger(tables), BigQueryState(tables.staging)
    )


def _client(settings: Mapping[str, Any]) -> bigquery.Client:
    endpoint = settings.get("api_endpoint")
    options = ClientOptions(api_endpoint=endpoint) if endpoint else None
    return bigquery.Client(
        project=settings["project"], credentials=_credentials(settings), location=settings.get("location"),
        client_options=options,
    )  # fmt: skip


def _credentials(settings: Mapping[str, Any]) -> Credentials:
    """The service account of the settings, else what Google's libraries find; none for another address than Google's
    where none are given."""
    path, given = settings.get("credentials_file"), settings.get("credentials")
    if path:
        try:
            given = Path(str(path)).read_text()
        except OSError:
            raise ConfigError([f"credentials_file {path} of the warehouse cannot be read: correct the path"]) from None
    if given:
        return _parsed(given, f"credentials_file {path}" if path else "credentials")
    found: Credentials = (
        AnonymousCredentials() if settings.get("api_endpoint") else google.auth.default(scopes=SCOPES)[0]  # type: ignore[no-untyped-call]
    )
    return found


def _parsed(given: str | Mapping[str, Any], named: str) -> Credentials:
    try:
        written = json.loads(given) if isinstance(given, str) else dict(given)
        account = service_account.Credentials
        found: Credentials = account.from_service_account_info(written, scopes=SCOPES)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # their message may show what was given
        raise ConfigError([f"{named} of the warehouse is not the JSON of a service account's key: take the file that "
                           "Google gave, whole"]) from None  # fmt: skip
    return found


def _dataset(project: str, named: str | None) -> str | None:
    if not named:
        return None
    return named if "." in named else f"{project}.{named}"


def _location(client: bigquery.Client, dataset: str | None, place: Place) -> str | None:
    """Where the dataset is; the first call over the network."""
    if dataset is None:
        return None
    with explaining(place):
        retry = DEFAULT_RETRY.with_timeout(FIRST_ANSWER_SECONDS)
        return str(client.get_dataset(dataset, retry=retry, timeout=FIRST_ANSWER_SECONDS).location)


def _storage(client: bigquery.Client, settings: Mapping[str, Any]) -> BigQueryReadClient | None:
    """A client of the Storage Read API; none where another address than Google's stands for BigQuery and there is none
    for it."""
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

    endpoint = settings.get("storage_endpoint")
    if endpoint:
        import grpc

        channel = grpc.insecure_channel(endpoint, options=LARGEST_MESSAGE)
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))  # type: ignore[no-untyped-call]
    if settings.get("api_endpoint"):
        return None
    return BigQueryReadClient(credentials=client._credentials)  # type: ignore[no-untyped-call]
