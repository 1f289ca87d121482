"""BigQuery's API as answers of its documented shape, told in advance, over a real local server: for what no stand-in
does, such as bytes that a dry run counts, metadata of partitions, refusals, and for what must be quick.

It runs no SQL. A query gets the first answer whose pattern its statement meets, and no rows where none does; a refusal
may stand in the way of any call.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc

PROJECT = "shop-project"
SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
Json = dict[str, Any]


def fields(columns: Mapping[str, str]) -> list[Json]:
    """The columns of a schema, by name and type; `ARRAY<…>` and what may not be NULL are not needed here."""
    return [{"name": name, "type": type, "mode": "NULLABLE"} for name, type in columns.items()]


@dataclass(frozen=True)
class Answer:
    """Rows for the statements that meet a pattern, and how many bytes those would scan; `paged`: not on the first page
    already."""

    pattern: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[object]] = ()
    bytes: int = 0
    paged: bool = False


@dataclass(frozen=True)
class Refusal:
    """An error for calls whose line or statement meets a pattern, so many times. `in_job`: the call is taken, and the
    job fails."""

    pattern: str
    status: int
    reason: str
    message: str
    times: int = 10**9
    in_job: bool = False

    @property
    def body(self) -> Json:
        """The error as BigQuery writes it."""
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [one]}}


@dataclass
class AnsweringBigQuery:
    """What the server is told and what it was asked."""

    api: str = ""
    storage: str = ""
    tables: dict[str, Json] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    jobs: list[Json] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""
        return {"project": PROJECT, "api_endpoint": self.api, "dataset": "shop", **more}

    def table(self, name: str, columns: Mapping[str, str], **more: Any) -> None:
        """Tell of a table, `dataset.table`; `more` are other parts of its resource."""
        dataset, table = name.split(".")
        reference = {"projectId": PROJECT, "datasetId": dataset, "tableId": table}
        self.tables[name] = {
            "kind": "bigquery#table", "id": f"{PROJECT}:{name}", "tableReference": reference, "type": "TABLE",
            "schema": {"fields": fields(columns)}, "numRows": "10", "numBytes": "1000", "location": "EU",
            "creationTime": "1700000000000", "lastModifiedTime": "1700000000001", **more,
        }  # fmt: skip

    def make(self, sql: str) -> None:
        """Know of a table that a statement makes; of one made of a query, a column of keys."""
        made = re.match(r"CREATE TABLE (?:IF NOT EXISTS )?`[^`]+`\.`([^`]+)`\.`([^`]+)` (?:\(([^)]*)\))?", sql)
        if made:
            listed = dict(one.split() for one in (made[3] or "_mp_key STRING").replace("`", "").split(", "))
            self.table(f"{made[1]}.{made[2]}", listed, numRows="0")

    @property
    def statements(self) -> list[str]:
        """The statements that were run, without those of dry runs."""
        return [job["query"]["query"] for job in self.jobs if "query" in job and not job.get("dryRun")]

    def refusal(self, text: str, in_job: bool) -> Refusal | None:
        """The refusal that stands in the way."""
        for one in self.refusals:
            told = self.refused.get(one.pattern, 0)
            if one.in_job == in_job and told < one.times and re.search(one.pattern, text):
                self.refused[one.pattern] = told + 1
                return one
        return None

    def answer(self, sql: str) -> Answer:
        """The answer for a statement."""
        return next((one for one in self.answers if re.search(one.pattern, sql, re.S)), Answer("", {}))


class _Api(BaseHTTPRequestHandler):
    """The calls of BigQuery's API that clients make."""

    told: AnsweringBigQuery
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece: the second of two would wait for a sign of the first

    def log_message(self, format: str, *given: Any) -> None:
        """Nothing is printed."""

    def _said(self, status: int, body: Json | None = None) -> None:
        written = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def _called(self, body: Json | None = None) -> str | None:
        """The path, unless the call is refused."""
        path = unquote(urlsplit(self.path).path).removeprefix(f"/bigquery/v2/projects/{PROJECT}")
        line = f"{self.command} {path}"
        self.told.calls.append(line)
        sql = (body or {}).get("configuration", {}).get("query", {}).get("query", "")
        refusal = self.told.refusal(f"{line} {sql}", in_job=False)
        if refusal is None:
            return path
        self._said(refusal.status, refusal.body)
        return None

    def do_GET(self) -> None:
        """Metadata, and the rows of queries."""
        path = self._called()
        if path is None:
            return
        found = self._found(path)
        if found is None:
            name = ".".join(path.removeprefix("/datasets/").split("/tables/"))
            self._said(404, Refusal("", 404, "notFound", f"Not found: {PROJECT}:{name}").body)
        else:
            self._said(200, found)

    def _found(self, path: str) -> Json | None:
        told = self.told
        if done := re.fullmatch(r"/(queries|jobs)/(\d+)", path):
            job = told.jobs[int(done[2])]
            return self._rows(int(done[2]), job) if done[1] == "queries" else self._job(int(done[2]), job)
        if table := re.fullmatch(r"/datasets/([^/]+)/tables/([^/]+)", path):
            return told.tables.get(f"{table[1]}.{table[2]}")
        if listed := re.fullmatch(r"/datasets/([^/]+)/tables", path):
            there = [one for name, one in told.tables.items() if name.startswith(f"{listed[1]}.")]
            return {"tables": there, "totalItems": len(there)}
        if dataset := re.fullmatch(r"/datasets/([^/]+)", path):
            known = {name.partition(".")[0] for name in told.tables} | {"shop"}
            reference = {"projectId": PROJECT, "datasetId": dataset[1]}
            place = told.places.get(dataset[1], "EU")
            return {"datasetReference": reference, "location": place} if dataset[1] in known else None
        return None

    def do_POST(self) -> None:
        """A job, or a token for a key, which nobody gets."""
        if self.path == "/token":
            self.rfile.read(int(self.headers["Content-Length"]))
            return self._said(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._called(body) is None:
            return
        configuration = body["configuration"]
        self.told.jobs.append(configuration)
        if not configuration.get("dryRun"):
            self.told.make(configuration.get("query", {}).get("query", ""))
        self._said(200, self._job(len(self.told.jobs) - 1, configuration))

    def do_DELETE(self) -> None:
        """A table goes."""
        path = self._called()
        if path is not None:
            self.told.tables.pop(".".join(path.removeprefix("/datasets/").split("/tables/")), None)
            self._said(204)

    def _job(self, number: int, configuration: Json) -> Json:
        sql = configuration.get("query", {}).get("query", "")
        answer, dry = self.told.answer(sql), bool(configuration.get("dryRun"))
        refusal = None if dry else self.told.refusal(sql, in_job=True)
        status: Json = {"state": "DONE"}
        if refusal is not None:
            error = {"reason": refusal.reason, "message": refusal.message}
            status |= {"errorResult": error, "errors": [error]}
        query = {"schema": {"fields": fields(answer.columns)}, "totalBytesProcessed": str(answer.bytes),
                 "statementType": "SELECT" if answer.columns else "SCRIPT"}  # fmt: skip
        kept = {"projectId": PROJECT, "datasetId": "_answers", "tableId": f"anon{number}"}
        if "query" in configuration:
            configuration = configuration | {"query": {"destinationTable": kept} | configuration["query"]}
        return {
            "kind": "bigquery#job", "configuration": configuration, "status": status,
            "jobReference": {"projectId": PROJECT, "jobId": str(number), "location": "EU"},
            "statistics": {"totalBytesProcessed": str(answer.bytes), "query": query},
        }  # fmt: skip

    def _rows(self, number: int, configuration: Json) -> Json:
        answer = self.told.answer(configuration["query"]["query"])
        rows = [{"f": [{"v": None if value is None else str(value)} for value in row]} for row in answer.rows]
        more: Json = {}
        if answer.paged and "pageToken" not in self.path:  # a first page that holds little of the answer
            rows, more = [], {"pageToken": "1"}
        return more | {
            "jobComplete": True, "schema": {"fields": fields(answer.columns)}, "rows": rows,
            "totalRows": str(len(answer.rows)),
            "jobReference": {"projectId": PROJECT, "jobId": str(number), "location": "EU"},
        }  # fmt: skip


@contextmanager
def answering_bigquery() -> Iterator[AnsweringBigQuery]:
    """A server that was told nothing yet; its Storage Read API refuses everybody."""
    told = AnsweringBigQuery()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"told": told}))
    server.daemon_threads = True
    storage = grpc.server(ThreadPoolExecutor(2))
    refusing = grpc.unary_unary_rpc_method_handler(_not_granted)
    handlers = grpc.method_handlers_generic_handler(SERVICE, {"CreateReadSession": refusing})
    storage.add_generic_rpc_handlers((handlers,))
    told.api = f"http://127.0.0.1:{server.server_port}"
    told.storage = f"127.0.0.1:{storage.add_insecure_port('127.0.0.1:0')}"
    storage.start()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        storage.stop(None).wait()


def _not_granted(asked: bytes, context: Any) -> bytes:
    """The refusal of the Storage Read API for whoever lacks the role."""
    message = (
        f"request failed: the user does not have 'bigquery.readsessions.create' permission for 'projects/{PROJECT}'"
    )
    context.abort(grpc.StatusCode.PERMISSION_DENIED, message)
    return b""
