"""UNLOAD of the stand-in: the rows of a query as Parquet files in an S3, of the types and names that Redshift writes."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from mixpanel_wh_tests.stand_ins.redshift_sql import NotInRedshift, refuse, rewritten

if TYPE_CHECKING:
    from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift

UNLOAD = re.compile(
    r"\s*UNLOAD\s*\(\s*'((?:[^'\\]|''|\\.)*)'\s*\)\s*TO\s*'s3://([^/']+)/([^']*)'\s*(?:IAM_ROLE\s+('[^']+'|DEFAULT))?(.*)$",
    re.I | re.S,
)
ARROW = {16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(), 701: pa.float64(),
         1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us")}  # fmt: skip
REFUSED = (1083, 1266, 3000, 3001, 2935, 6551)  # TIME and the types that no Parquet file of Redshift holds
ROWS_A_FILE = 400_000


def unloaded(sql: str, running: RunningRedshift, user: str, path: str) -> int:
    """Do what the statement says; the number of rows."""
    found = UNLOAD.match(sql)
    if found is None or not found[4] or not re.search(r"FORMAT\s+(AS\s+)?PARQUET", found[5], re.I):
        raise NotInRedshift("syntax error in UNLOAD, or a format other than PARQUET")
    query, options = re.sub(r"''|\\(.)", lambda one: one[1] or "'", found[1], flags=re.S), found[5].upper()
    if re.search(r"\bLIMIT\s+\d+\s*$", query, re.I):
        raise NotInRedshift("LIMIT is not supported in the outer SELECT of UNLOAD")
    refuse(query)
    store, (bucket, prefix) = boto3.client("s3", endpoint_url=running.s3), (found[2], found[3])
    if "ALLOWOVERWRITE" not in options and store.list_objects_v2(Bucket=bucket, Prefix=prefix).get("KeyCount"):
        raise ValueError("Specified unload destination on S3 is not empty")
    table = _rows(rewritten(query), running, user, path)
    files = 1 if re.search(r"PARALLEL\s+(OFF|FALSE)", options) else 2
    step = max(1, min(ROWS_A_FILE, -(-table.num_rows // files)))
    for number, first in enumerate(range(0, table.num_rows, step)):
        written = io.BytesIO()
        pq.write_table(table.slice(first, step), written)
        name = f"{prefix}{number:04d}_part_00.parquet" if files > 1 else f"{prefix}{number:03d}.parquet"
        store.put_object(Bucket=bucket, Key=name, Body=written.getvalue())
    return int(table.num_rows)


def _rows(query: str, running: RunningRedshift, user: str, path: str) -> pa.Table:
    """The rows, read as the user who asks, of what was committed."""
    address = f"host=127.0.0.1 port={running.postgres.port} user=postgres dbname=dev"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'SET ROLE "{user}"'.encode())
        if path:
            connection.execute(path.encode())
        described = connection.execute(f"SELECT * FROM ({query}) AS q LIMIT 0".encode()).description or []
        kinds = [_kind(column, running) for column in described]
        shown = ", ".join(_shown(column) for column in described)
        with connection.cursor().copy(f"COPY (SELECT {shown} FROM ({query}) AS q) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
                                      .encode()) as copy:  # fmt: skip
            content = b"".join(bytes(block) for block in copy)
    names = [column.name for column in described]
    if not content:
        return pa.schema(list(zip(names, kinds, strict=True))).empty_table()
    reading = {f"c{n}": kind for n, kind in enumerate(kinds)}
    options = csv.ConvertOptions(column_types=reading, null_values=[""], strings_can_be_null=True, true_values=["t"],
                                 false_values=["f"], quoted_strings_can_be_null=False)  # fmt: skip
    table = csv.read_csv(pa.BufferReader(content), csv.ReadOptions(column_names=list(reading)),
                         csv.ParseOptions(newlines_in_values=True), options)  # fmt: skip
    return table.rename_columns(names)


def _shown(column: Any) -> str:
    name = '"' + column.name.replace('"', '""') + '"'
    return f"{name} AT TIME ZONE 'UTC'" if column.type_code == 1184 else name


def _kind(column: Any, running: RunningRedshift) -> pa.DataType:
    """How Redshift writes a column: moments with a zone without it, in UTC, and SUPER as JSON text."""
    number = running.types.get(column.type_code, column.type_code)
    if number in REFUSED:
        raise NotInRedshift(f"unsupported type of column {column.name} for Parquet")
    if number == 1700:
        return pa.decimal128(column.precision or 38, column.scale or 0)
    return ARROW.get(number, pa.string())
