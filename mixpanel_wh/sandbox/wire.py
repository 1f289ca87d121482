"""Sends answers, whole or broken: slow, cut in the middle, or with the connection reset (TCP RST)."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mixpanel_wh.sandbox.calls import Answer
from mixpanel_wh.sandbox.faults import Fault

Transports = dict[tuple[str, int], asyncio.Transport]
"""The open connections by the client's address, so that an answer can break its own."""

_DROPS = 10
_LINGER_NOT = struct.pack("ii", 1, 0)


def tracking_protocol(transports: Transports) -> type[Any]:
    """uvicorn's HTTP protocol, which also keeps `transports` up to date."""

    class TrackingProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if self.client:
                transports[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client:
                transports.pop(self.client, None)
            super().connection_lost(exc)

    return TrackingProtocol


class Delivery:
    """One answer on its way to the client, as an ASGI response."""

    def __init__(self, answer: Answer, fault: Fault | None, transports: Transports) -> None:
        self._answer = answer
        self._fault = fault
        self._transports = transports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._fault.kind if self._fault else ""
        if kind == "reset":
            await self._reset(scope, receive)
        elif kind == "cut":
            await self._cut(scope, receive, send)
        elif kind == "slow" and self._fault:
            await self._slowly(send, self._fault.seconds)
        else:
            await self._whole(send)

    async def _whole(self, send: Send) -> None:
        body = self._answer.body
        if isinstance(body, bytes):
            await self._start(send, len(body))
            await send({"type": "http.response.body", "body": body})
            return
        await self._start(send, None)
        async for chunk in iterate_in_threadpool(body):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _slowly(self, send: Send, seconds: float) -> None:
        body = self._bytes()
        await self._start(send, len(body))
        for drop in _drops(body):
            await asyncio.sleep(seconds / _DROPS)
            await send({"type": "http.response.body", "body": drop, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._bytes()
        await self._start(send, len(body))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._transport(scope).close()
        await _until_gone(receive)

    async def _reset(self, scope: Scope, receive: Receive) -> None:
        transport = self._transport(scope)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
        await _until_gone(receive)

    async def _start(self, send: Send, length: int | None) -> None:
        headers = {"content-type": self._answer.media, **self._answer.headers}
        if length is not None:
            headers["content-length"] = str(length)
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self._answer.status, "headers": encoded})

    def _bytes(self) -> bytes:
        body = self._answer.body
        return body if isinstance(body, bytes) else b"".join(body)

    def _transport(self, scope: Scope) -> asyncio.Transport:
        return self._transports[tuple(scope["client"])]


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _drops(body: bytes) -> Iterator[bytes]:
    size = max(1, -(-len(body) // _DROPS))
    return (body[start : start + size] for start in range(0, len(body), size))
