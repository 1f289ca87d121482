"""An S3 for the tests: moto's server in this process, with buckets that live as long as it does."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest


@contextmanager
def running_s3(bucket: str) -> Iterator[str]:
    """Its address, with one bucket in it and credentials in the environment that it takes."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each call otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            client(url).create_bucket(Bucket=bucket)
            yield url
        finally:
            server.stop()


def client(url: str) -> Any:
    """A client beside the warehouse's."""
    return boto3.client("s3", endpoint_url=url)


def keys(url: str, bucket: str) -> list[str]:
    """Every key of a bucket."""
    return [one["Key"] for one in client(url).list_objects_v2(Bucket=bucket).get("Contents", ())]
