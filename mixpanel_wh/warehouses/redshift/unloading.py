"""UNLOAD: an answer as Parquet files in S3, read one after the other and deleted at once.

Files of a reader that died are deleted by the next one. While it lives, a reader renews a mark beside its files; a
mark that was not renewed for some minutes belongs to nobody. Times are S3's own, so clocks need not agree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mixpanel_wh.engine.errors import MissingDriver
from mixpanel_wh.warehouses.redshift.trouble import store_refused

if TYPE_CHECKING:
    import pyarrow as pa

RENEWED_SECONDS = 45.0
LOST_SECONDS = 240.0
FILE_SIZE = "64 MB"
ROWS_PER_BATCH = 20_000
FOLDER, MARK = "mixpanel_wh", ".alive"


@dataclass
class Store:
    """The place in S3: a bucket, a prefix without slashes at its ends, and a client that opens on use."""

    bucket: str
    prefix: str
    role: str
    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    _client: Any = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The place, for messages."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def base(self) -> str:
        """Below which all our keys stand."""
        return f"{self.prefix}/{FOLDER}/" if self.prefix else f"{FOLDER}/"

    @property
    def client(self) -> Any:
        """The client of S3, with credentials from where AWS' own tools take them."""
        if self._client is None:
            try:
                import boto3
            except ImportError as error:
                raise MissingDriver("redshift") from error
            session = boto3.session.Session(profile_name=self.profile, region_name=self.region)
            self._client = session.client("s3", endpoint_url=self.endpoint)
        return self._client

    def keys(self, prefix: str) -> dict[str, datetime]:
        """The keys below a prefix, in order, with the moment each was written."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        found = {one["Key"]: one["LastModified"] for page in pages for one in page.get("Contents", ())}
        return dict(sorted(found.items()))

    def delete(self, keys: list[str]) -> None:
        """Delete the keys."""
        for start in range(0, len(keys), 1000):
            listed = [{"Key": key} for key in keys[start : start + 1000]]
            self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": listed, "Quiet": True})

    def mark(self, name: str) -> None:
        """Renew a mark."""
        self.client.put_object(Bucket=self.bucket, Key=f"{self.base}{name}{MARK}", Body=b"")


def statement(query: str, store: Store, name: str, ordered: bool, literal: Callable[[str], str]) -> str:
    """UNLOAD of a query to files below `name`. An ordered answer goes to one file after the other."""
    role = "DEFAULT" if store.role == "default" else literal(store.role)
    region = f" REGION {literal(store.region)}" if store.region else ""
    parallel = "OFF" if ordered else "ON"
    return (
        f"UNLOAD ({literal(query)}) TO {literal(f's3://{store.bucket}/{store.base}{name}/rows_')} IAM_ROLE {role} "
        f"FORMAT AS PARQUET MAXFILESIZE {FILE_SIZE} PARALLEL {parallel}{region}"
    )


@contextmanager
def folder(store: Store) -> Iterator[str]:
    """The name of a folder for one answer; whatever stands in it goes at the end, and what others left goes now."""
    name, done = uuid4().hex, threading.Event()
    with _told(store):
        store.mark(name)
        sweep(store, name)
    renewing = threading.Thread(target=_renew, args=(store, name, done), daemon=True)
    renewing.start()
    try:
        yield name
    finally:
        done.set()
        renewing.join()
        with suppress(Exception):  # what cannot be deleted now is deleted by the next reader
            store.delete([*store.keys(f"{store.base}{name}/"), f"{store.base}{name}{MARK}"])


def _renew(store: Store, name: str, done: threading.Event) -> None:
    while not done.wait(RENEWED_SECONDS):
        with suppress(Exception):
            store.mark(name)


def sweep(store: Store, mine: str) -> int:
    """Delete the files of readers that are gone; how many keys."""
    found = store.keys(store.base)
    now = found[f"{store.base}{mine}{MARK}"]
    newest: dict[str, datetime] = {}
    for key, written in found.items():
        owner = _owner(store, key)
        newest[owner] = max(newest.get(owner, written), written)
    lost = {owner for owner, at in newest.items() if owner != mine and now - at >= timedelta(seconds=LOST_SECONDS)}
    keys = [key for key in found if _owner(store, key) in lost]
    store.delete(keys)
    return len(keys)


def _owner(store: Store, key: str) -> str:
    return key.removeprefix(store.base).partition("/")[0].removesuffix(MARK)


def files(store: Store, name: str) -> Iterator[pa.RecordBatch]:
    """The rows of all files, each file deleted once it is read; one file is in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _told(store):
        keys = list(store.keys(f"{store.base}{name}/"))
    for key in keys:
        with _told(store):
            content = store.client.get_object(Bucket=store.bucket, Key=key)["Body"].read()
        yield from pq.ParquetFile(pa.BufferReader(content)).iter_batches(ROWS_PER_BATCH)
        with _told(store):
            store.delete([key])


@contextmanager
def _told(store: Store) -> Iterator[None]:
    """S3's errors as ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise store_refused(error, store.address) from None
