"""The relay's own HTTP: metrics, health, state. Loopback unless there is a token; started and stopped by the daemon."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.settings import HttpOptions

if TYPE_CHECKING:
    from relay.daemon import Daemon

OPEN_PATHS = ("/healthz", "/readyz")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ListenError(Exception):
    """The address cannot be listened on; one line for people."""


class WebServer:
    """Serves one daemon's pages."""

    def __init__(self, options: HttpOptions, daemon: "Daemon") -> None:
        self._options = options
        self._daemon = daemon
        self._task: asyncio.Task[None] | None = None
        self._server: _Server | None = None
        self.address = options.listen

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address is taken or not ours.
        """
        host, port = self._options.address
        try:
            sock = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            raise ListenError(f"cannot listen on {self._options.listen}: {error.strerror}") from None
        name = sock.getsockname()
        self.address = f"[{name[0]}]:{name[1]}" if ":" in host else f"{name[0]}:{name[1]}"
        app = make_app(self._daemon, self._options.token.get_secret_value() if self._options.token else None)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1, loop="none"
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="web")

    async def stop(self) -> None:
        """Stop listening; streams are cut."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's."""
        yield


def make_app(daemon: "Daemon", token: str | None) -> Starlette:
    """All pages of one daemon."""

    async def metrics(_: Request) -> Response:
        texts = [generate_latest(registry) for registry in daemon.registries()]
        return Response(b"".join(texts), media_type=METRICS_TYPE)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        why = daemon.not_ready()
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=503 if why else 200)

    routes = [Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
    return Starlette(routes=routes, middleware=[Middleware(_Guard, token=token)])


class _Guard:
    """Asks for the bearer token where one is set; adds the headers that every page should have."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._expected = f"Bearer {token}" if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._expected and scope["path"] not in OPEN_PATHS:
            given = Request(scope).headers.get("authorization", "")
            if not secrets.compare_digest(given.encode(), self._expected.encode()):
                refusal = PlainTextResponse("unauthorized\n", 401, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


Handler = Callable[[Request], Awaitable[Response]]
