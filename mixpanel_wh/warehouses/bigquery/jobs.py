"""Jobs: every statement with its labels, its real parameters and its limit on bytes; lost races are run again."""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions as google
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.warehouses.bigquery.dialect import PARAMETER
from mixpanel_wh.warehouses.bigquery.trouble import GIGABYTE, Place, clashed, explaining
from mixpanel_wh.warehouses.session import Parameters

MOST_TRIES = 8
TYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FLOAT64", bytes: "BYTES", dt.date: "DATE", str: "STRING"}
# Text, quoted names and parameters of a statement: a name inside quotes is no parameter.
MENTIONED = re.compile(rf"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|@{PARAMETER}(\w+)")
LOG = logging.getLogger("mixpanel_wh")


@dataclass(frozen=True)
class Ran:
    """A job that has ended, and its answer."""

    job: bigquery.QueryJob
    rows: RowIterator


@dataclass
class Jobs:
    """Runs statements for one client. `pause` waits before a lost race is run again."""

    client: bigquery.Client
    place: Place
    labels: Mapping[str, str] = field(default_factory=dict)
    maximum_bytes_billed: int | None = None
    dataset: str | None = None
    location: str | None = None
    pause: Callable[[float], None] = time.sleep

    def run(self, sql: str, parameters: Parameters | None = None, **config: Any) -> Ran:
        """Run a statement to its end. What lost against another write is run again, which is safe: BigQuery rolled all
        of it back."""
        with explaining(self.place):
            for attempt in range(MOST_TRIES):
                try:
                    job = self._started(sql, self._config(sql, parameters, **config))
                    return Ran(job, job.result())
                except google.GoogleAPICallError as error:
                    if attempt + 1 == MOST_TRIES or not clashed(error):
                        raise
                self.pause(random.uniform(0.2, 1.0) * 1.7**attempt)
        raise AssertionError("the last try returns or raises")

    def dry(self, sql: str, parameters: Parameters | None = None) -> bigquery.QueryJob:
        """What a statement would read, without running it: bytes, columns of its answer, tables."""
        with explaining(self.place):
            return self._started(sql, self._config(sql, parameters, dry_run=True, use_query_cache=False))

    def described(self, sql: str, parameters: Parameters | None = None) -> bigquery.QueryJob:
        """The same, and the bytes into the log; SourceError when running it would bill more than are allowed."""
        found = self.dry(sql, parameters)
        wanted, limit = int(found.total_bytes_processed or 0), self.maximum_bytes_billed
        if limit is not None and wanted > limit:
            raise SourceError(
                f"a query would scan {wanted / GIGABYTE:,.2f} GB, more than maximum_bytes_billed allows "
                f"({limit / GIGABYTE:,.2f} GB): raise it, send fewer columns, or cut the table into partitions"
            )
        LOG.info("a query of BigQuery is to scan %s GB", f"{wanted / GIGABYTE:,.2f}")
        return found

    def _started(self, sql: str, config: bigquery.QueryJobConfig) -> bigquery.QueryJob:
        return self.client.query(sql, config, location=self.location)

    def _config(self, sql: str, parameters: Parameters | None, **more: Any) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(
            labels=dict(self.labels), query_parameters=given(sql, parameters or {}), use_legacy_sql=False
        )
        if self.maximum_bytes_billed is not None and not more.get("dry_run"):
            config.maximum_bytes_billed = self.maximum_bytes_billed
        if self.dataset:
            config.default_dataset = self.dataset
        for name, value in more.items():
            setattr(config, name, value)
        return config


def mentioned(sql: str) -> set[str]:
    """The names of the parameters that a statement reads."""
    return {found[1] for found in MENTIONED.finditer(sql) if found[1]}


def renamed(sql: str, prefix: str) -> str:
    """The statement with a prefix before the name of each of its parameters."""
    return MENTIONED.sub(lambda found: f"@{PARAMETER}{prefix}{found[1]}" if found[1] else found[0], sql)


def given(sql: str, parameters: Parameters) -> list[bigquery.ScalarQueryParameter]:
    """The parameters that a statement reads; BigQuery wants each with its type, text for NULL."""
    wanted = mentioned(sql)
    return [
        bigquery.ScalarQueryParameter(f"{PARAMETER}{name}", _type(value), value)
        for name, value in parameters.items()
        if name in wanted
    ]


def _type(value: object) -> str:
    if isinstance(value, dt.datetime):
        return "TIMESTAMP" if value.tzinfo else "DATETIME"
    return next((name for kind, name in TYPES.items() if isinstance(value, kind)), "STRING")
