"""A server on loopback in TickStockPL's place that answers whatever bytes a test wants."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from relay.tickstockpl.client import TickStockPL
from relay.tickstockpl.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@dataclass
class Asked:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stand:
    """Answers with `replies` in turn, the last one for ever; None means that it hangs."""

    url: str = ""
    replies: list[bytes | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").partition("\r\n")
        pairs = (pair.split(": ", 1) for pair in rest.strip().split("\r\n"))
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(line, headers, body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(reply)
            await writer.drain()


def http(body: bytes | object, status: str = "200 OK", **headers: str) -> bytes:
    """An answer; an empty header is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": str(len(content)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The base URL of a server; at the end no connection is left open."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # some tests make the client hang up
            await answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        busy.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(120):
            await asyncio.gather(*busy)


@asynccontextmanager
async def standing(*replies: bytes | None) -> AsyncIterator[Stand]:
    """A server that answers with these in turn."""
    stand = Stand(replies=list(replies))
    async with serving(stand.serve) as stand.url:
        yield stand


async def failure(call: Callable[[TickStockPL], Awaitable[object]], client: TickStockPL) -> ApiError:
    """The error, of one line, that this call comes to."""
    async with client:
        with pytest.raises(ApiError) as caught:
            await call(client)
    assert "\n" not in str(caught.value)
    return caught.value


async def status_failure(reply: bytes | None, patience: float = 120.0) -> ApiError:
    """The error that the status comes to where this is the answer."""
    async with standing(reply) as stand:
        return await failure(TickStockPL.status, TickStockPL(stand.url, timeout=patience, retries=0))
