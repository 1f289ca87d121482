"""What stands in for Snowflake: fakesnow behind its HTTP protocol, with what it lacks, see `snowflake_sql`.

The connector of Snowflake's own talks to it, unmodified. Here are logins with passwords, keys and tokens, large answers
in several chunks that are fetched apart, arrays of bound values, and a record of every statement with its query tag.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

ACCOUNT = "fakesnow"
DATABASE = "SHOP"
PASSWORD = "s3cret-Pass"
INLINE_ROWS, CHUNK_ROWS = 2_000, 20_000
WAIT_SECONDS = 120.0
Json = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """A statement that came in, with the tag and the user of its session."""

    sql: str
    tag: str
    user: str
    values: int = 0


@dataclass
class Account:
    """Who may log in and how: users with their passwords, public keys (PEM) and tokens."""

    passwords: dict[str, str] = field(default_factory=lambda: {"TESTER": PASSWORD})
    keys: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ("SYSADMIN", "MIXPANEL")

    def refusal(self, asked: Json, role: str | None) -> tuple[str, str] | None:
        """Why somebody may not log in; None where nothing is wrong."""
        user, way = str(asked.get("LOGIN_NAME", "")).upper(), str(asked.get("AUTHENTICATOR") or "").upper()
        if way == "SNOWFLAKE_JWT":
            if not self._signed(user, str(asked.get("TOKEN"))):
                return "390144", "JWT token is invalid."
        elif way == "OAUTH":
            if self.tokens.get(user) != asked.get("TOKEN"):
                return "390303", "Invalid OAuth access token."
        elif user not in self.passwords or self.passwords[user] != asked.get("PASSWORD"):
            return "390100", "Incorrect username or password was specified."
        if role and role.upper() not in self.roles:
            return "390189", f"Role '{role}' specified in the connect string is not granted to this user."
        return None

    def _signed(self, user: str, token: str) -> bool:
        import jwt
        from cryptography.hazmat.primitives import serialization

        pem = self.keys.get(user)
        if pem is None:
            return False
        key = serialization.load_pem_public_key(pem)
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        print_of_key = base64.b64encode(hashlib.sha256(der).digest()).decode()
        try:
            claims = jwt.decode(token, key, algorithms=["RS256"])  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return False
        return bool(claims["iss"] == f"{ACCOUNT.upper()}.{user}.SHA256:{print_of_key}")


@dataclass
class RunningSnowflake:
    """A server that runs."""

    port: int
    account: Account
    engine: Any
    recorded: list[Statement] = field(default_factory=list)
    chunks: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    tags: dict[str, tuple[str, str]] = field(default_factory=dict)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with."""
        return {"account": ACCOUNT, "user": "tester", "password": PASSWORD, "role": "sysadmin", "warehouse": "loading",
                "database": DATABASE, "host": "127.0.0.1", "port": self.port, "protocol": "http", **more}  # fmt: skip

    def statements(self, tag: str | None = "mixpanel_wh") -> list[str]:
        """Every statement of the sessions with that tag, in order; of all sessions for None."""
        return [one.sql for one in self.recorded if tag is None or one.tag == tag]

    def connect(self) -> Any:
        """A session beside the warehouse's, straight into the engine."""
        return self.engine.connect(DATABASE, None)


def programs() -> Any:
    """fakesnow's server; skips the test where it is not installed."""
    return pytest.importorskip("fakesnow.server", reason="fakesnow[server] is not installed")


@contextmanager
def running_snowflake() -> Iterator[RunningSnowflake]:
    """A server with an empty database; it stops at the end."""
    import uvicorn

    fakesnow = programs()
    fakesnow.logger.setLevel("ERROR")
    from mixpanel_wh_tests.stand_ins.snowflake_sql import Engine

    taken = socket.create_server(("127.0.0.1", 0))  # the server closes it
    port = taken.getsockname()[1]
    fakesnow.shared_fs = Engine()
    running = RunningSnowflake(port, Account(), fakesnow.shared_fs)
    running.connect().close()
    serving = uvicorn.Server(uvicorn.Config(_application(fakesnow, running), log_level="error"))
    thread = threading.Thread(target=serving.run, args=([taken],), name="snowflake", daemon=True)
    thread.start()
    until = time.monotonic() + WAIT_SECONDS
    while not serving.started:
        if time.monotonic() > until or not thread.is_alive():
            raise TimeoutError("what stands in for Snowflake did not start")
        time.sleep(0.02)
    try:
        yield running
    finally:
        serving.should_exit = True
        thread.join(WAIT_SECONDS)


def _application(fakesnow: Any, running: RunningSnowflake) -> Any:
    """fakesnow's own routes, with logins, statements and chunks of ours before them."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def login(request: Request) -> Response:
        asked = await _body(request)
        role, warehouse = (request.query_params.get(name) for name in ("roleName", "warehouse"))
        refused = running.account.refusal(asked["data"], role)
        if refused:
            return JSONResponse({"success": False, "code": refused[0], "message": refused[1],
                                 "data": {"authnMethod": "USERNAME_PASSWORD", "inFlightCtx": None}})  # fmt: skip
        told = json.loads((await fakesnow.login_request(_again(request, asked))).body)
        parameters, user = asked["data"].get("SESSION_PARAMETERS", {}), str(asked["data"].get("LOGIN_NAME"))
        running.tags[told["data"]["token"]] = (str(parameters.get("QUERY_TAG", "")), user)
        told["data"] |= {"masterToken": "m", "validityInSeconds": 3600, "masterValidityInSeconds": 14400, "sessionId": 1}
        told["data"]["sessionInfo"] |= {"roleName": (role or "PUBLIC").upper(),
                                        "warehouseName": (warehouse or "").upper() or None}  # fmt: skip
        return JSONResponse(told)

    async def query(request: Request) -> Response:
        asked = await _body(request)
        sql, token = asked["sqlText"], request.headers.get("Authorization", "")[17:-1]
        _record(running, token, asked)
        if (chosen := _session_setting(sql)) is not None and token in running.tags:
            running.tags[token] = (chosen.get("QUERY_TAG", running.tags[token][0]), running.tags[token][1])
            asked["sqlText"], asked["bindings"] = "SELECT 'Statement executed successfully.' AS \"status\"", None
        answer = await fakesnow.query_request(_again(request, unrolled(asked)))
        running.engine.results_cache.clear()
        told = json.loads(answer.body)
        if told.get("success") and told["data"].get("rowsetBase64"):
            told["data"] |= _chunked(running, told["data"])
        return JSONResponse(told, status_code=answer.status_code)

    async def chunk(request: Request) -> Response:
        name = request.path_params["name"]
        running.fetched.append(name)
        return Response(running.chunks[name])

    own = [Route("/session/v1/login-request", login, methods=["POST"]),
           Route("/queries/v1/query-request", query, methods=["POST"]), Route("/chunks/{name}", chunk)]  # fmt: skip
    taken = {route.path for route in own}
    return Starlette(routes=[*own, *(route for route in fakesnow.routes if route.path not in taken)])


async def _body(request: Any) -> Json:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    found: Json = json.loads(body)
    return found


def _again(request: Any, body: Json) -> Any:
    """The request with another body."""
    from starlette.requests import Request

    async def receive() -> Json:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    plain = [(name, value) for name, value in request.scope["headers"] if name != b"content-encoding"]
    return Request({**request.scope, "headers": plain}, receive)


def _record(running: RunningSnowflake, token: str, asked: Json) -> None:
    tag, user = running.tags.get(token, ("", ""))
    tag = (asked.get("parameters") or {}).get("QUERY_TAG", tag)
    running.recorded.append(Statement(asked["sqlText"], tag, user, len(asked.get("bindings") or ())))


def _session_setting(sql: str) -> dict[str, str] | None:
    """What an ALTER SESSION SET sets; None for other statements."""
    import re

    if not re.match(r"\s*ALTER\s+SESSION\s+SET\b", sql, re.IGNORECASE):
        return None
    return {name.upper(): value.strip("'") for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\w+)", sql)}


def unrolled(asked: Json) -> Json:
    """An INSERT of arrays of bound values as one with a line of them for each row."""
    bindings = asked.get("bindings") or {}
    if not any(isinstance(one["value"], list) for one in bindings.values()):
        return asked
    columns = [bindings[str(n + 1)] for n in range(len(bindings))]
    rows = len(columns[0]["value"])
    head, _, line = asked["sqlText"].rpartition("VALUES")
    flat = [{"type": one["type"], "value": one["value"][row]} for row in range(rows) for one in columns]
    return asked | {"sqlText": f"{head}VALUES {', '.join([line] * rows)}",
                    "bindings": {str(n + 1): one for n, one in enumerate(flat)}}  # fmt: skip


def _chunked(running: RunningSnowflake, told: Json) -> Json:
    """The answer in chunks: the first in the message, the rest to be fetched, each by an address of its own."""
    table = pa.ipc.open_stream(base64.b64decode(told["rowsetBase64"])).read_all()
    if table.num_rows <= INLINE_ROWS:
        return {}
    chunks = []
    for start in range(INLINE_ROWS, table.num_rows, CHUNK_ROWS):
        part, name = table.slice(start, CHUNK_ROWS), uuid4().hex
        running.chunks[name] = gzip.compress(_stream(part), 1)
        size = len(running.chunks[name])
        chunks.append({"url": f"http://127.0.0.1:{running.port}/chunks/{name}", "rowCount": part.num_rows,
                       "uncompressedSize": part.nbytes, "compressedSize": size})  # fmt: skip
    first = base64.b64encode(_stream(table.slice(0, INLINE_ROWS))).decode()
    return {"rowsetBase64": first, "chunks": chunks, "chunkHeaders": {"x-stand-in": "1"}}


def _stream(table: pa.Table) -> bytes:
    target = io.BytesIO()
    with pa.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return target.getvalue()
