"""Redshift's and S3's errors as ours: one sentence that says what to do, with the statement that grants a missing
privilege, and never a password."""

from __future__ import annotations

import re

from mixpanel_wh.engine.errors import MixpanelWhError, SourceError, WarehouseUnavailable
from mixpanel_wh.warehouses.denials import Place, denied, quoted

SOURCE_STATES = ("22", "42", "3F", "0A", "44", "P0", "38", "39", "2F", "XX")


def told(error: BaseException) -> tuple[str, str]:
    """The state and the first line of what the server said, without details, which may show values of rows."""
    for given in error.args:
        if isinstance(given, dict) and "M" in given:
            return str(given.get("C", "")), str(given["M"]).strip().splitlines()[0]
    lines = " ".join(str(given) for given in error.args).strip().splitlines()
    return "", lines[0] if lines else type(error).__name__


def refused(error: BaseException, place: Place) -> MixpanelWhError:
    """Why no connection came about."""
    _, line = told(error)
    for sign, sentence in _REFUSALS:
        if re.search(sign, line, re.I):
            return WarehouseUnavailable(sentence.format(server=place.server, place=place))
    return WarehouseUnavailable(f"Redshift at {place.server} does not take the connection: {line}")


_REFUSALS = (
    (r"password authentication failed|no password supplied|role .* does not exist|user .* does not exist",
     "Redshift at {server} refused user {place.user}: check user and password of the warehouse"),
    (r"database .* does not exist",
     "there is no database {place.database} at {server}: check database of the warehouse"),
    (r"resolve|Name or service not known|nodename nor servname|gaierror|No address associated|Errno -[235]\b",
     "there is no host {place.host}: check host of the warehouse"),
    (r"Connection refused|No route to host|Network is unreachable",
     "nothing answers at {server}: check host and port of the warehouse, and that the cluster is running"),
    (r"timed? ?out",
     "Redshift at {server} does not answer: check host and port of the warehouse, its security group, and whether it "
     "is publicly accessible"),
    (r"refuses SSL|SSL|certificate",
     "the encrypted connection to Redshift at {server} failed: check sslmode of the warehouse"),
    (r"credentials|config profile|AccessDenied|ClusterNotFound|not authorized",
     "AWS gave no credentials for Redshift database {place.database}: check cluster or workgroup, region and profile "
     "of the warehouse, and that your AWS identity may call GetClusterCredentials"),
    (r"too many|connection limit", "Redshift at {server} has no free connection: wait, and run again"),
    (r"permission denied for database",
     "user {place.user} may not connect to database {place.database}: check user and database of the warehouse"),
)  # fmt: skip


def explained(error: BaseException, place: Place, sql: str) -> MixpanelWhError:
    """A failed statement's error."""
    state, line = told(error)
    if state == "42501" or "permission denied" in line or "must be owner" in line:
        return _denied(line, place, sql)
    if state == "40001" or "1023" in line:
        return WarehouseUnavailable(
            f"Redshift at {place.server} let another run finish first ({line}): run again; where this happens often, "
            f"run  ALTER DATABASE {quoted(place.database)} ISOLATION LEVEL SNAPSHOT"
        )
    if "S3ServiceException" in line or "UNLOAD destination" in line:
        return WarehouseUnavailable(
            f"Redshift could not unload to S3: check unload_to and iam_role of the warehouse ({line[:200]})"
        )
    if state[:2] in SOURCE_STATES and state:
        return SourceError(f"Redshift refused a statement on the source table: {line}")
    return WarehouseUnavailable(f"Redshift at {place.server}: {line}")


def store_refused(error: BaseException, address: str) -> MixpanelWhError:
    """What S3 said to us."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "NoSuchBucket" in reason:
        return WarehouseUnavailable(f"there is no bucket for {address}: check unload_to of the warehouse")
    if "AccessDenied" in reason or "Forbidden" in reason or "redentials" in reason:
        return WarehouseUnavailable(
            f"AWS does not let us read and delete below {address}: give your AWS identity s3:ListBucket, s3:GetObject, "
            "s3:PutObject and s3:DeleteObject there, and check region and profile of the warehouse"
        )
    return WarehouseUnavailable(f"S3 at {address} does not answer as it should: {reason[:200]}")


def _denied(line: str, place: Place, sql: str) -> MixpanelWhError:
    """Which privilege is missing, and what grants it. Redshift names relations, or an object without its kind."""
    found = re.search(r"permission denied for (?:(database|schema|relation|table|view|external) )?(\S+)$", line)
    if not found:
        return SourceError(f"Redshift refused a statement: {line}")
    kind = found[1] if found[1] in ("database", "schema") else "table"
    return denied(kind, found[2].strip('"'), place, sql)
