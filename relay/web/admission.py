"""When requests are answered: health and scrapes at once, pages in turn; and how often the metrics are made."""

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE = ("/healthz", "/readyz", "/metrics")
MOST_PAGES = 32
"""Pages and streams that are asked for at the same time; others are refused, so that there is room for the above."""
PAGE_EVERY = 0.02
"""Seconds between two pages when many are asked for."""
FIRST_PAGES = 8
"""Asked for at once without waiting: a browser wants the page, its style, script, icon and stream."""


class Admission:
    """Wraps the application.

    A page costs some milliseconds of the event loop. After the first few, one is begun each `PAGE_EVERY`, so that most
    of the loop's time is intake's however many are asked for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()
        self._pages = 0
        self._next_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer now, in turn, or with 503."""
        if scope["type"] != "http" or scope["path"] in AT_ONCE:
            await self._app(scope, receive, send)
        elif self._pages >= MOST_PAGES:
            await PlainTextResponse("too many requests at once\n", 503, {"Retry-After": "10"})(scope, receive, send)
        else:
            self._pages += 1
            try:
                await self._wait()
                await self._app(scope, receive, send)
            finally:
                self._pages -= 1

    async def _wait(self) -> None:
        """Until this page's turn: at most one a turn of the loop, and at that pace after `FIRST_PAGES`."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            self._next_at = max(self._next_at, now - FIRST_PAGES * PAGE_EVERY) + PAGE_EVERY
            await asyncio.sleep(max(0.0, self._next_at - now))


class SharedMetrics:
    """The text of `/metrics`, made anew when it is asked for and older than `max_age` seconds."""

    def __init__(self, registries: Callable[[], Iterable[CollectorRegistry]], max_age: float) -> None:
        self._registries = registries
        self._max_age = max_age
        self._making = asyncio.Lock()
        self._made_at: float | None = None
        self._text = b""

    async def text(self) -> bytes:
        """For all who ask at the same time; intake comes between two registries."""
        loop = asyncio.get_running_loop()
        async with self._making:
            if self._made_at is None or loop.time() - self._made_at >= self._max_age:
                began, texts = loop.time(), []
                for registry in self._registries():
                    texts.append(generate_latest(registry))
                    await asyncio.sleep(0)
                self._text = b"".join(texts)
                self._made_at = began
            return self._text
