"""The stream of live updates: parts of the page that have changed, as server-sent events, once a second at most.

Parts are rendered once for all viewers and only while there are any. A viewer holds no queue: it gets what is new when
it can take it, and is dropped when it takes nothing.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

MOST_VIEWERS = 16
SLOW = 10.0
"""Seconds after which a viewer that takes nothing is dropped."""
HEARTBEAT = 15.0
"""Seconds without news after which an empty event tells that the connection lives."""

Parts = Mapping[str, str]


class Live:
    """All viewers of one page."""

    def __init__(self, render: Callable[[], Parts], *, every: float = 1.0, slow: float = SLOW) -> None:
        """`render` makes the whole page's parts, by name."""
        self._render = render
        self._every = every
        self._slow = slow
        self._rendered: Parts = {}
        self._rendered_at = 0.0
        self._closing = asyncio.Event()
        self.viewers = 0

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    def response(self) -> Response:
        """A stream, or a refusal when there are too many."""
        if self.viewers >= MOST_VIEWERS:
            return PlainTextResponse("too many viewers\n", 503, {"Retry-After": "10"})
        return _Stream(self)

    async def serve(self, receive: Receive, send: Send) -> None:
        """One viewer, until it goes, is too slow, or the relay stops."""
        self.viewers += 1
        gone = asyncio.create_task(_gone(receive))
        closing = asyncio.create_task(self._closing.wait())
        try:
            async with asyncio.timeout(self._slow):
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                await send(_chunk(b"retry: 2000\n\n"))
            await self._tell(send, {gone, closing})
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return
        finally:
            self.viewers -= 1
            gone.cancel()
            closing.cancel()

    async def _tell(self, send: Send, ends: "set[asyncio.Task[None] | asyncio.Task[bool]]") -> None:
        known: Parts = {}
        quiet = 0.0
        while not any(task.done() for task in ends):
            parts = self._parts()
            news = {name: text for name, text in parts.items() if known.get(name) != text}
            known = parts
            quiet = 0.0 if news else quiet + self._every
            if news or quiet >= HEARTBEAT:
                quiet = 0.0
                async with asyncio.timeout(self._slow):
                    await send(_chunk(_event(news)))
            await asyncio.wait(ends, timeout=self._every, return_when=asyncio.FIRST_COMPLETED)

    def _parts(self) -> Parts:
        now = asyncio.get_running_loop().time()
        if not self._rendered or now - self._rendered_at >= self._every * 0.9:
            self._rendered, self._rendered_at = self._render(), now
        return self._rendered


class _Stream(Response):
    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await self._live.serve(receive, send)


_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


async def _gone(receive: Receive) -> None:
    """Until the viewer has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(news: Parts) -> bytes:
    return b"event: parts\ndata: " + msgspec.json.encode(news) + b"\n\n"


def _chunk(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}
