"""Rows of BigQuery over the Storage Read API: streams side by side, and no further than the reader goes."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1 import types

from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh_tests.stand_ins.bigquery_answers import SERVICE, Answer, answering_bigquery
from mixpanel_wh_tests.warehouses.asking import read, user_spec

PEOPLE = TableName(("shop", "people"))
COLUMNS = {"_mp_key": "STRING", "_mp_user": "STRING", "name": "STRING"}
SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
STREAMS, MESSAGES, LETTERS = 3, 60, 1 << 20
STEPS = 20  # so many looks at a server that sends nothing more are enough


class Sending:
    """A Storage Read API with one long table, and how many messages were asked of it."""

    def __init__(self, messages: int, letters: int) -> None:
        self.messages, self.letters, self.asked = messages, letters, 0
        self.together = threading.Barrier(STREAMS)

    def session(self, asked: types.CreateReadSessionRequest, context: Any) -> types.ReadSession:
        """A session of as many streams as were asked for, three at most."""
        streams = [types.ReadStream(name=f"streams/{n}") for n in range(min(STREAMS, asked.max_stream_count))]
        schema = types.ArrowSchema(serialized_schema=SCHEMA.serialize().to_pybytes())
        return types.ReadSession(name="session", arrow_schema=schema, streams=streams)

    def rows(self, asked: types.ReadRowsRequest, context: Any) -> Iterator[types.ReadRowsResponse]:
        """The rows of a stream, which begins once all of them are read."""
        self.together.wait(30)
        for n in range(self.messages):
            self.asked += 1
            columns = [pa.array([f"{asked.read_stream}/{n}"])] * 2 + [pa.array(["x" * self.letters])]
            batch = pa.record_batch(columns, schema=SCHEMA).serialize().to_pybytes()
            written = types.ArrowRecordBatch(serialized_record_batch=batch)
            yield types.ReadRowsResponse(arrow_record_batch=written, row_count=1)


@contextmanager
def sending(messages: int, letters: int) -> Iterator[tuple[Sending, Any]]:
    """A server that sends, and a warehouse that is open to it."""
    told, server = Sending(messages, letters), grpc.server(ThreadPoolExecutor(STREAMS + 1))
    handlers = {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(
            told.session, types.CreateReadSessionRequest.deserialize, types.ReadSession.serialize
        ),
        "ReadRows": grpc.unary_stream_rpc_method_handler(
            told.rows, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with answering_bigquery() as api:
            api.table("shop.people", {"id": "STRING", "name": "STRING"})
            api.answers = [Answer("FROM `shop`.`people`", COLUMNS, [["a", "a", "Ann"]])]
            with closing(open_warehouse("bigquery", api.settings(storage_endpoint=address))) as warehouse:
                yield told, warehouse
    finally:
        server.stop(None).wait()


def test_every_stream_is_read_at_the_same_time() -> None:
    with sending(messages=4, letters=10) as (_, warehouse):
        found = sorted(row["_mp_key"] for row in read(warehouse, user_spec(PEOPLE)))
    assert found == sorted(f"streams/{stream}/{n}" for stream in range(STREAMS) for n in range(4))


def test_a_slow_reader_holds_a_few_messages_however_many_there_are() -> None:
    with sending(MESSAGES, LETTERS) as (told, warehouse), closing(warehouse.tables.read(user_spec(PEOPLE))) as rows:
        assert next(rows).num_rows == 1
        before, still = -1, 0
        while still < STEPS:
            before, still = told.asked, still + 1 if told.asked == before else 0
            time.sleep(0.02)
        assert told.asked < STREAMS * MESSAGES / 4
