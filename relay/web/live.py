"""The stream of live updates: parts of the page that have changed, as server-sent events, once a second at most.

Parts are rendered once for all viewers and only while there are any. A viewer holds no queue: it gets what is new when
it can take it, and is dropped when it takes nothing. The stream is compressed as one, so that a part of which a number
has changed costs some bytes.
"""

import asyncio
import zlib
from collections.abc import Callable, Hashable, Mapping

import msgspec
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

MOST_VIEWERS = 16
SLOW = 10.0
"""Seconds after which a viewer that takes nothing is dropped."""
HEARTBEAT = 15.0
"""Seconds without news after which an empty event tells that the connection lives."""
CALM_FOR = 15.0
"""Seconds between two states of a calm part."""

Parts = Mapping[str, str]


class Live:
    """All viewers of one page."""

    def __init__(
        self, render: Callable[[], Parts], *, every: float = 1.0, slow: float = SLOW, calm: frozenset[str] = frozenset()
    ) -> None:
        """`render` makes the whole page's parts, by name; those in `calm` are sent every `CALM_FOR` at most."""
        self._render = render
        self._calm = calm
        self._every = every
        self._slow = slow
        self._rendered: Parts = {}
        self._rendered_at = 0.0
        self._closing = asyncio.Event()
        self.viewers = 0

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    def response(self, *, compressed: bool = False) -> Response:
        """A stream, or a refusal when there are too many."""
        if self.viewers >= MOST_VIEWERS:
            return refusal()
        return _Stream(self, compressed=compressed)

    async def serve(self, receive: Receive, send: Send, *, compressed: bool) -> None:
        """One viewer, until it goes, is too slow, or the relay stops."""
        self.viewers += 1
        writer = _Writer(send, compressed=compressed)
        gone = asyncio.create_task(_gone(receive))
        closing = asyncio.create_task(self._closing.wait())
        try:
            async with asyncio.timeout(self._slow):
                await send({"type": "http.response.start", "status": 200, "headers": writer.headers})
                await writer.write(b"retry: 2000\n\n")
            await self._tell(writer, {gone, closing})
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return
        finally:
            self.viewers -= 1
            gone.cancel()
            closing.cancel()

    async def _tell(self, writer: "_Writer", ends: "set[asyncio.Task[None] | asyncio.Task[bool]]") -> None:
        known: dict[str, str] = {}
        quiet = calm_for = 0.0
        while not any(task.done() for task in ends):
            parts = self._parts()
            held = self._calm if 0 < calm_for < CALM_FOR else frozenset()
            news = {name: text for name, text in parts.items() if known.get(name) != text and name not in held}
            known |= news
            calm_for = (calm_for if held else 0.0) + self._every
            quiet = 0.0 if news else quiet + self._every
            if news or quiet >= HEARTBEAT:
                quiet = 0.0
                async with asyncio.timeout(self._slow):
                    await writer.write(_event(news))
            await asyncio.wait(ends, timeout=self._every, return_when=asyncio.FIRST_COMPLETED)

    def _parts(self) -> Parts:
        now = asyncio.get_running_loop().time()
        if not self._rendered or now - self._rendered_at >= self._every * 0.9:
            self._rendered = self._render()
            self._rendered_at = now
        return self._rendered


class Lives:
    """The streams of all pages that somebody looks at, one `Live` a page."""

    def __init__(self) -> None:
        self._lives: dict[Hashable, Live] = {}
        self._asked_at: dict[Hashable, float] = {}

    def response(self, page: Hashable, make: Callable[[], Live], *, compressed: bool) -> Response:
        """A stream of that page, or a refusal when there are too many viewers of all of them."""
        now = asyncio.get_running_loop().time()
        for key in [key for key, live in self._lives.items() if not live.viewers and now - self._asked_at[key] > SLOW]:
            del self._lives[key], self._asked_at[key]  # nobody looks any more; who has just asked is not counted yet
        if sum(live.viewers for live in self._lives.values()) >= MOST_VIEWERS:
            return refusal()
        live = self._lives.get(page)
        if live is None:
            live = self._lives[page] = make()
        self._asked_at[page] = now
        return live.response(compressed=compressed)

    def close(self) -> None:
        """End all streams."""
        for live in self._lives.values():
            live.close()


def refusal() -> Response:
    """There are too many viewers."""
    return PlainTextResponse("too many viewers\n", 503, {"Retry-After": "10"})


class _Stream(Response):
    def __init__(self, live: Live, *, compressed: bool) -> None:
        super().__init__()
        self._live = live
        self._compressed = compressed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await self._live.serve(receive, send, compressed=self._compressed)


class _Writer:
    """Sends pieces of one body, each so that it can be read at once."""

    def __init__(self, send: Send, *, compressed: bool) -> None:
        self._send = send
        self._zip = zlib.compressobj(wbits=31) if compressed else None
        self.headers = [*_HEADERS, (b"content-encoding", b"gzip")] if compressed else _HEADERS

    async def write(self, piece: bytes) -> None:
        """Send it."""
        if self._zip is not None:
            piece = self._zip.compress(piece) + self._zip.flush(zlib.Z_SYNC_FLUSH)
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})


_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


async def _gone(receive: Receive) -> None:
    """Until the viewer has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(news: Parts) -> bytes:
    return b"event: parts\ndata: " + msgspec.json.encode(news) + b"\n\n"
