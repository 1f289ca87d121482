"""The Thrift service and its HTTP: sessions, statements, answers inline and as files to fetch, tokens."""

import json
import shutil
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import lz4.frame
import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from mixpanel_wh_tests.stand_ins.databricks.holding import ADMIN, Session
from mixpanel_wh_tests.stand_ins.databricks.lake import Lake
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused
from mixpanel_wh_tests.stand_ins.databricks.types import answered, entry

HTTP_PATH = "/sql/1.0/warehouses/0123456789abcdef"
CLUSTER_PATH = "/sql/protocolv1/o/0/0123-456789-abcdefgh"
ADMIN_TOKEN = "dapi-admin-0123456789"
INLINE_ROWS, FILE_ROWS, FILES_A_FETCH = 2_000, 8_000, 4
NUMBERS = {"INT", "BIGINT", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "DECIMAL"}
FINE = ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)
FINISHED, FAILED = ttypes.TOperationState.FINISHED_STATE, ttypes.TOperationState.ERROR_STATE


def _handle() -> ttypes.THandleIdentifier:
    return ttypes.THandleIdentifier(guid=uuid4().bytes, secret=b"s" * 16)


class Answer:
    """One statement's answer, and how far it was fetched."""

    def __init__(self, server: "RunningDatabricks", asked: Any) -> None:
        self.server, self.files, self.place = server, bool(asked.canDownloadResult), 0
        self.packed = bool(asked.canDecompressLZ4Result)
        self.rows: pa.Table = pa.table({})
        self.error: str | None = None
        self.handle = ttypes.TOperationHandle(
            operationId=_handle(), operationType=ttypes.TOperationType.EXECUTE_STATEMENT, hasResultSet=True
        )

    def take(self, rows: pa.Table) -> None:
        """The rows are known now."""
        self.rows = answered(rows).combine_chunks()
        self.files = self.files and rows.num_rows > INLINE_ROWS

    def status(self) -> Any:
        """How the statement ended."""
        state = FAILED if self.error else FINISHED
        found = ttypes.TGetOperationStatusResp(status=FINE, operationState=state)
        if self.error:
            found.errorMessage = found.displayMessage = self.error
            found.sqlState = self.error.rpartition("SQLSTATE: ")[2][:5]
        return found

    def shape(self) -> Any:
        """The columns."""
        columns = [
            ttypes.TColumnDesc(columnName=field.name, position=n + 1, typeDesc=ttypes.TTypeDesc(
                types=[ttypes.TTypeEntry(primitiveEntry=entry(field.type))]))
            for n, field in enumerate(self.rows.schema)
        ]  # fmt: skip
        kinds = ttypes.TSparkRowSetType
        return ttypes.TGetResultSetMetadataResp(
            status=FINE, schema=ttypes.TTableSchema(columns=columns),
            resultFormat=kinds.URL_BASED_SET if self.files else kinds.ARROW_BASED_SET, lz4Compressed=self.packed,
            arrowSchema=self.rows.schema.serialize().to_pybytes(), isStagingOperation=False,
        )  # fmt: skip

    def fetch(self, most: int) -> Any:
        """The next rows."""
        start, found = self.place, ttypes.TRowSet(startRowOffset=self.place, rows=[])
        if self.files:
            found.resultLinks = [self._link() for _ in range(FILES_A_FETCH) if self.place < self.rows.num_rows]
        else:
            part = self.rows.slice(start, min(most, 100_000))
            self.place += part.num_rows
            found.arrowBatches = [
                ttypes.TSparkArrowBatch(batch=self._pack(batch.serialize().to_pybytes()), rowCount=batch.num_rows)
                for batch in part.to_batches()
            ]
        return ttypes.TFetchResultsResp(
            status=FINE, hasMoreRows=self.place < self.rows.num_rows, results=found, resultSetMetadata=self.shape()
        )

    def _pack(self, content: bytes) -> bytes:
        return lz4.frame.compress(content) if self.packed else content

    def _link(self) -> Any:
        part, start = self.rows.slice(self.place, FILE_ROWS), self.place
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.rows.schema) as writer:
            writer.write_table(part)
        name, content = uuid4().hex, self._pack(sink.getvalue().to_pybytes())
        self.server.files[name] = content
        self.place += part.num_rows
        return ttypes.TSparkArrowResultLink(
            fileLink=f"{self.server.address}/files/{name}", expiryTime=int(time.time() * 1000) + 3_600_000,
            startRowOffset=start, rowCount=part.num_rows, bytesNum=len(content),
        )  # fmt: skip

    def direct(self, most: int) -> Any:
        """The first rows, at once with the status."""
        told = ttypes.TSparkDirectResults(operationStatus=self.status())
        if not self.error:
            told.resultSetMetadata = self.shape()
            told.resultSet = self.fetch(most)
        return told


class Service:
    """The calls of the protocol that the connector makes."""

    def __init__(self, server: "RunningDatabricks") -> None:
        self.server = server
        self.sessions: dict[bytes, Session] = {}
        self.answers: dict[bytes, Answer] = {}
        self.asking = threading.local()

    def OpenSession(self, asked: Any) -> Any:
        """A session for whoever's token came with the request."""
        place = asked.initialNamespace
        session = Session(self.asking.user, (place and place.catalogName) or "main",
                          (place and place.schemaName) or "default", self.asking.agent)  # fmt: skip
        handle = ttypes.TSessionHandle(sessionId=_handle())
        self.sessions[handle.sessionId.guid] = session
        return ttypes.TOpenSessionResp(
            status=FINE, serverProtocolVersion=ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7,
            sessionHandle=handle, configuration={}, canUseMultipleCatalogs=True,
            initialNamespace=ttypes.TNamespace(catalogName=session.catalog, schemaName=session.schema),
        )  # fmt: skip

    def CloseSession(self, asked: Any) -> Any:
        """The session ends."""
        self.sessions.pop(asked.sessionHandle.sessionId.guid, None)
        return ttypes.TCloseSessionResp(status=FINE)

    def ExecuteStatement(self, asked: Any) -> Any:
        """Run it; the answer or its error is told with the first rows."""
        session = self.sessions.get(asked.sessionHandle.sessionId.guid)
        answer = Answer(self.server, asked)
        self.answers[answer.handle.operationId.guid] = answer
        try:
            if session is None:
                raise Refused("Invalid SessionHandle: the session is closed")
            answer.take(self.server.lake.run(asked.statement, session, _parameters(asked)))
        except Exception as error:  # a fault of the stand-in's own shows in the test that met it
            answer.error = str(error) if isinstance(error, Refused) else f"[STAND_IN_FAULT] {error!r}. SQLSTATE: XX000"
        most = asked.getDirectResults.maxRows if asked.getDirectResults else INLINE_ROWS
        return ttypes.TExecuteStatementResp(status=FINE, operationHandle=answer.handle, directResults=answer.direct(most))

    def _answer(self, asked: Any) -> Answer:
        return self.answers[asked.operationHandle.operationId.guid]

    def GetOperationStatus(self, asked: Any) -> Any:
        """How a statement ended."""
        return self._answer(asked).status()

    def GetResultSetMetadata(self, asked: Any) -> Any:
        """The columns of an answer."""
        return self._answer(asked).shape()

    def FetchResults(self, asked: Any) -> Any:
        """More rows of an answer."""
        return self._answer(asked).fetch(asked.maxRows)

    def CloseOperation(self, asked: Any) -> Any:
        """The answer is not needed any more."""
        self.answers.pop(asked.operationHandle.operationId.guid, None)
        return ttypes.TCloseOperationResp(status=FINE)

    def CancelOperation(self, asked: Any) -> Any:
        """Every statement has ended by the time that anyone asks."""
        return ttypes.TCancelOperationResp(status=FINE)


def _parameters(asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in asked.parameters or ():
        text = one.value.stringValue if one.value is not None else None
        found[one.name] = text if text is None or one.type not in NUMBERS else float(text) if "." in text else int(text)
    return found


class RunningDatabricks:
    """A server that runs: its lake, who has which token, and the files that answers were put into."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.files = Lake(folder), dict[str, bytes]()
        self.tokens = {ADMIN_TOKEN: ADMIN}
        self.principals: dict[str, str] = {}
        self.files_fetched = 0
        self.together: threading.Barrier | None = None  # how many files must be asked for at once, if any
        self.starting = 0
        self.service = Service(self)
        self.processor = TCLIService.Processor(self.service)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def settings(self, token: str | None = ADMIN_TOKEN, **more: Any) -> dict[str, Any]:
        """What a warehouse is opened with; the connector is led to this server in place of a host with TLS."""
        connection = {"_connection_uri": f"{self.address}{HTTP_PATH}", "address": self.address,
                      "_retry_stop_after_attempts_count": 2, "_retry_delay_min": 0.1, "_retry_delay_max": 5}  # fmt: skip
        given = {"server_hostname": "127.0.0.1", "http_path": HTTP_PATH, "connection": connection}
        return given | ({"access_token": token} if token else {}) | more

    def run(self, sql: str, schema: str = "default") -> pa.Table:
        """Run a statement as the administrator, as another program would; names without a schema are of this one."""
        return self.lake.run(sql, Session(schema=schema))

    def statements(self) -> list[str]:
        """Every statement that came over the wire so far."""
        return [sql for session, sql in self.lake.ran if session.agent]

    def token_of(self, basic: str) -> str | None:
        """A new token for a service principal; None where id and secret do not belong together."""
        client, _, secret = b64decode(basic).decode().partition(":")
        if self.principals.get(client) != secret:
            return None
        token = uuid4().hex
        self.tokens[token] = client
        return token


def _handler(server: RunningDatabricks) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each small answer waits 40 ms for an acknowledgement
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind, _, secret = self.headers.get("Authorization", "").partition(" ")
            if self.path == "/oidc/v1/token":
                token = server.token_of(secret) if kind == "Basic" else None
                told = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
                self._answer(200 if token else 401, json.dumps(told if token else {"error": "invalid_client"}).encode())
            elif secret not in server.tokens:
                self._answer(403, b"")
            elif self.path not in (HTTP_PATH, CLUSTER_PATH):
                self._answer(404, b"")
            elif server.starting:
                server.starting -= 1
                self._answer(503, b"", {"Retry-After": "0"})
            else:
                server.service.asking.user = server.tokens[secret]
                server.service.asking.agent = self.headers.get("User-Agent", "")
                read, written = TMemoryBuffer(body), TMemoryBuffer()
                server.processor.process(TBinaryProtocol(read), TBinaryProtocol(written))
                self._answer(200, written.getvalue())

        def do_GET(self) -> None:
            if server.together is not None:
                server.together.wait(timeout=30)
            content = server.files.pop(self.path.rpartition("/")[2], None)
            server.files_fetched += content is not None
            self._answer(404 if content is None else 200, content or b"")

        def _answer(self, status: int, content: bytes, more: Mapping[str, str] = MappingProxyType({})) -> None:
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/x-thrift")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Requests


@contextmanager
def running_databricks() -> Iterator[RunningDatabricks]:
    """A server with a catalogue `main`; it stops, and its folder goes, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lake"))
    server = RunningDatabricks(folder)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()
        server.lake.duck.close()
        shutil.rmtree(folder, ignore_errors=True)
