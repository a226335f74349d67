"""A place to deliver to that misbehaves on request: a real HTTP server on loopback."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import msgspec


class Fault(StrEnum):
    """How a server can fail to answer."""

    HANG = "hang"
    DROP = "drop"
    """It reads the request and closes the connection."""
    GARBAGE = "garbage"
    """Bytes that are no HTTP."""
    ENDLESS = "endless"
    """The reply's status and a body that does not end."""
    DRIP = "drip"
    """The same, but so slowly that no single read times out."""
    ECHO = "echo"
    """The reply's status, with the request's own head and body as the answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a `FaultyServer` does with one request."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class FaultyServer:
    """A real HTTP server on loopback: it answers with the `replies` in turn, then with `always`."""

    def __init__(self, always: Reply | None = None) -> None:
        self.always = always or Reply()
        self.replies: deque[Reply] = deque()
        self.requests: list[Request] = []
        self.url = ""
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=64 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port and every connection: from now on it refuses."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer_one(reader, writer):
                pass
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may serve another request."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ", 2)
        self.requests.append(Request(method, path, headers, body))
        reply = self.replies.popleft() if self.replies else self.always
        return await _answer(reply, head + body, writer)


async def _answer(reply: Reply, request: bytes, writer: asyncio.StreamWriter) -> bool:
    if reply.fault is Fault.HANG:
        await asyncio.Event().wait()
    if reply.fault is Fault.GARBAGE:
        writer.write(b"\x00\xff this is not HTTP \r\n" * 20)
        await writer.drain()
    if reply.fault in {Fault.DROP, Fault.GARBAGE}:
        return False
    body = request if reply.fault is Fault.ECHO else reply.body
    without_end = reply.fault in {Fault.ENDLESS, Fault.DRIP}
    length = "" if without_end else f"Content-Length: {len(body)}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Said\r\n{lines}{length}\r\n".encode() + body)
    await writer.drain()
    while without_end:
        writer.write(b"x" * (65536 if reply.fault is Fault.ENDLESS else 1))
        await writer.drain()
        await asyncio.sleep(0 if reply.fault is Fault.ENDLESS else 0.05)
    return True
