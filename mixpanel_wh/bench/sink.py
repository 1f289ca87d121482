"""A discarding HTTP server in a process of its own: it reads each request and answers as Mixpanel would to a success.

It knows nothing of events and decompresses nothing, so that it is never the bottleneck. One thread a connection.
"""

import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

ANSWERS = {
    b"/import": b'{"code":200,"status":"OK"}',
    b"/engage": b'{"status":1,"error":null}',
    b"/groups": b'{"status":1,"error":null}',
    b"/lookup": b'{"code":200,"status":"OK"}',
}
BUFFER = 1 << 20


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _answer(head: bytes) -> bytes:
    path = head.split(b" ", 2)[1]
    body = next((answer for start, answer in ANSWERS.items() if path.startswith(start)), b"{}")
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _serve_connection(connection: socket.socket) -> None:
    """Read requests until the other side closes."""
    buffer = bytearray(BUFFER)
    held = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in held:
                count = connection.recv_into(buffer)
                if not count:
                    return
                held += bytes(buffer[:count])
            head, _, rest = held.partition(b"\r\n\r\n")
            if b"100-continue" in head:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = _length(head) - len(rest)
            while left > 0:
                count = connection.recv_into(buffer, min(BUFFER, left))
                if not count:
                    return
                left -= count
            connection.sendall(_answer(head))
            held = b""


def _end_with_the_bench() -> None:
    """A bench that is killed cannot end its sink."""
    bench = multiprocessing.parent_process()
    if bench:
        bench.join()
        os._exit(0)


def _serve(ready: Connection) -> None:
    threading.Thread(target=_end_with_the_bench, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        ready.send(server.getsockname()[1])
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve_connection, args=(connection,), daemon=True).start()


@contextmanager
def sink() -> Iterator[str]:
    """The address of a running sink; it is gone when the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a sink that cannot start is an error here, and not a wait for ever
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
