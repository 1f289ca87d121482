"""BigQuery's errors as ours: one sentence that says what to do, with the role that grants a missing permission, and
never a credential."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core import exceptions as google
from google.auth import exceptions as auth

from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError, SourceError, StagingError, WarehouseUnavailable

GIGABYTE = 1_000_000_000
TABLE = re.compile(r"Table ([\w.:-]+[:.][\w$-]+\.[^\s:,;]+)")
DATASET = re.compile(r"Dataset ([\w.-]+[:.][\w]+)")
PERMISSION = re.compile(r"(bigquery\.(?!googleapis\b)[\w]+\.[\w]+)")
CLASHES = ("concurrent update", "Could not serialize access", "conflicting", "Transaction is aborted",
           "Too many DML statements outstanding")  # fmt: skip
QUOTAS = ("quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded")
TIME_TRAVEL = re.compile(r"Time travel on table (\S+) is forbidden")


@dataclass(frozen=True)
class Place:
    """Where a client leads, for messages: nothing in it is secret."""

    project: str
    staging: str
    location: str | None = None
    account: str = "the account"

    @property
    def member(self) -> str:
        """The account as IAM statements name it."""
        kind = "serviceAccount" if self.account.endswith("gserviceaccount.com") else "user"
        return f"{kind}:{self.account}" if "@" in self.account else "user:ACCOUNT"

    def project_grant(self, role: str) -> str:
        """The command that grants a role on the project."""
        return f"gcloud projects add-iam-policy-binding {self.project} --member={self.member} --role={role}"

    def dataset_grant(self, role: str, dataset: str, project: str | None = None) -> str:
        """The statement that grants a role on a dataset."""
        return f'GRANT `{role}` ON SCHEMA `{project or self.project}`.`{dataset}` TO "{self.member}"'


def reason_of(error: google.GoogleAPICallError) -> str:
    """BigQuery's own word for what went wrong; nothing when it gave none."""
    for detail in error.errors or ():
        if isinstance(detail, dict) and detail.get("reason"):
            return str(detail["reason"])
    return ""


def message_of(error: google.GoogleAPICallError) -> str:
    """The first line of the message, without the address that was asked and the job's number."""
    text = str(error.message or error).strip().splitlines()
    first = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ", "", text[0] if text else type(error).__name__)
    return re.sub(r"; reason: .*$", "", first).strip()


def clashed(error: google.GoogleAPICallError) -> bool:
    """Whether a statement lost against another that wrote the same table at the same time."""
    return any(sign in str(error) for sign in CLASHES)


class TooLarge(WarehouseUnavailable):
    """An answer that only a table of its own can hold."""


@contextmanager
def explaining(place: Place) -> Iterator[None]:
    """Errors of the client inside come out as ours."""
    try:
        yield
    except MixpanelWhError:
        raise
    except google.GoogleAPICallError as error:
        raise explained(error, place) from None
    except google.RetryError as error:
        cause = error.cause
        known = isinstance(cause, google.GoogleAPICallError)
        raise (explained(cause, place) if known else _unreachable(cause)) from None
    except auth.GoogleAuthError as error:
        raise refused(error) from None
    except InterruptedError:
        raise
    except OSError as error:  # of which those of the client's HTTP library are a kind
        raise _unreachable(error) from None


def _unreachable(error: BaseException | None) -> MixpanelWhError:
    return WarehouseUnavailable(f"BigQuery does not answer ({type(error).__name__}): check the network, and run again")


def refused(error: auth.GoogleAuthError) -> MixpanelWhError:
    """Why there are no credentials, or why they were not taken."""
    if isinstance(error, auth.DefaultCredentialsError):
        return ConfigError([
            "there are no credentials for BigQuery: set credentials_file or credentials of the warehouse, or run  "
            "gcloud auth application-default login"
        ])  # fmt: skip
    return _unreachable(error) if isinstance(error, auth.TransportError) else _not_taken()


def _not_taken() -> MixpanelWhError:
    return WarehouseUnavailable(
        "Google refused the credentials for BigQuery: check that the service account still has the key, and that this "
        "machine's clock is right"
    )


def explained(error: google.GoogleAPICallError, place: Place) -> MixpanelWhError:
    """A failed call's error."""
    text, reason = message_of(error), reason_of(error)
    if reason == "responseTooLarge" or "Response too large" in text:
        return TooLarge(f"BigQuery: {text}")
    if isinstance(error, google.Unauthorized):
        return _not_taken()
    if reason == "bytesBilledLimitExceeded" or "exceeded limit for bytes billed" in text:
        return _too_many_bytes(text)
    if reason in QUOTAS or isinstance(error, google.TooManyRequests) or "Exceeded rate limits" in text:
        return WarehouseUnavailable(f"BigQuery's quota is used up ({text}): wait, or raise it, and run again")
    if isinstance(error, google.Forbidden) or reason == "accessDenied":
        return denied(text, place)
    if isinstance(error, google.NotFound):
        return _missing(text, place)
    if isinstance(error, google.ClientError) and not clashed(error):
        return SourceError(f"BigQuery refused a statement on the source table: {text}")
    return WarehouseUnavailable(f"BigQuery: {text}")


def _too_many_bytes(text: str) -> MixpanelWhError:
    limit = re.search(r"bytes billed: (\d+)\. (\d+)", text)
    asked = f" ({int(limit[2]) / GIGABYTE:,.2f} GB of {int(limit[1]) / GIGABYTE:,.2f} GB)" if limit else ""
    return SourceError(
        f"a statement would bill more than maximum_bytes_billed{asked}: raise it, send fewer columns, or cut the table "
        "into partitions"
    )


def _missing(text: str, place: Place) -> MixpanelWhError:
    if f":{place.staging}." in text or text.endswith(f":{place.staging}"):
        return StagingError(f"the staging dataset {place.staging} lacks something ({text}): run again to make it anew")
    hint = f"; datasets are looked for in {place.location}" if place.location else ""
    return SourceError(
        f"BigQuery does not find what the sync reads ({text}): correct table of the sync, or dataset of the "
        f"warehouse{hint}"
    )


def denied(text: str, place: Place) -> MixpanelWhError:
    """Which permission is missing, and what grants it."""
    permission = (PERMISSION.search(text) or [""])[0]
    if "has not been used in project" in text or "is disabled" in text:
        name, service = ("BigQuery Storage", "bigquerystorage") if "Storage API" in text else ("BigQuery", "bigquery")
        return WarehouseUnavailable(f"the {name} API is off in project {place.project}: run  gcloud services enable "
                                    f"{service}.googleapis.com --project={place.project}")  # fmt: skip
    past = TIME_TRAVEL.search(text)
    if past:
        return SourceError(
            f"mirror reads {past[1].strip('`')} as of one moment, and BigQuery gives the past of a table that has or "
            "had row access policies to its administrators alone: sync a view of it, or grant "
            "bigquery.rowAccessPolicies.overrideTimeTravelRestrictions on it"
        )
    if permission == "bigquery.jobs.create":
        return WarehouseUnavailable(
            f"{place.account} may not run jobs in project {place.project}: run  "
            f"{place.project_grant('roles/bigquery.jobUser')}"
        )
    if permission == "bigquery.readsessions.create":
        return WarehouseUnavailable(
            f"{place.account} may not use the Storage Read API in project {place.project}: run  "
            f"{place.project_grant('roles/bigquery.readSessionUser')},  or set storage_api: false"
        )
    return _denied_dataset(text, permission, place)


def _denied_dataset(text: str, permission: str, place: Place) -> MixpanelWhError:
    table, dataset = TABLE.search(text), DATASET.search(text)
    named = re.split(r"[:.]", table[1] if table else dataset[1] if dataset else "")
    project, owner = (named[0], named[1]) if len(named) > 1 else (place.project, "")
    if permission == "bigquery.datasets.create":
        return StagingError(
            f"{place.account} may not make the staging dataset {place.staging}: have an administrator run  "
            f"CREATE SCHEMA `{place.project}`.`{place.staging}`,  then  "
            f"{place.dataset_grant('roles/bigquery.dataOwner', place.staging)}"
        )
    if owner == place.staging:
        return StagingError(
            f"{place.account} may not write in the staging dataset {owner}: run  "
            f"{place.dataset_grant('roles/bigquery.dataOwner', owner, project)}"
        )
    if owner:
        name = ".".join(named[1:])
        return SourceError(
            f"{place.account} may not read {name}: run  "
            f"{place.dataset_grant('roles/bigquery.dataViewer', owner, project)}"
        )
    return SourceError(f"BigQuery refused a statement: {text}")
