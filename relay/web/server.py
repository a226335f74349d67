"""The relay's own HTTP: metrics, health, state. Loopback unless there is a token; started and stopped by the daemon."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.config.settings import HttpOptions
from relay.lifecycle.parts import Parts
from relay.status.collect import Viewpoint
from relay.web.admission import Admission, SharedMetrics
from relay.web.connections import HEAD_BYTES, UNREAD_BYTES, Connections, most_connections
from relay.web.guard import Guard
from relay.web.live import Lives
from relay.web.pages import asset_routes, page_routes, stream_route

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ListenError(Exception):
    """The address cannot be listened on; one line for people."""


class WebServer:
    """Serves one daemon's pages."""

    def __init__(self, options: HttpOptions, parts: Parts) -> None:
        self._options = options
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self._server: _Server | None = None
        self._viewpoint = Viewpoint(parts)
        self._lives = Lives()
        self.connections = Connections(most_connections())
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
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)  # each accepted socket inherits it
        name = sock.getsockname()
        self.address = f"[{name[0]}]:{name[1]}" if ":" in host else f"{name[0]}:{name[1]}"
        config = uvicorn.Config(
            make_app(self._parts, self._viewpoint, self._lives, self._options),
            http=self.connections.protocol(),
            h11_max_incomplete_event_size=HEAD_BYTES,
            log_config=None,
            log_level="error",  # not a line for each request that is no HTTP: others decide how many there are
            access_log=False,
            server_header=False,
            date_header=False,  # `Guard` gives it, for all that it lets through or refuses
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
            loop="none",
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="web")

    async def stop(self) -> None:
        """Stop listening; streams are cut."""
        self._lives.close()
        if self._server is not None and self._task is not None:
            self._server.end.set()
            await self._task


class _Server(uvicorn.Server):
    """Runs inside the daemon: takes no signals, and sleeps when nobody asks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's."""
        yield

    async def main_loop(self) -> None:
        """Until `end`; uvicorn's own loop looks ten times a second, most of what an idle relay would cost."""
        await self.end.wait()


def make_app(parts: Parts, viewpoint: Viewpoint, lives: Lives, options: HttpOptions) -> Starlette:
    """All pages of one daemon."""
    shared = SharedMetrics(lambda: parts.registries, options.metrics_max_age)

    async def metrics(_: Request) -> Response:
        return Response(await shared.text(), media_type=METRICS_TYPE)

    async def healthz(_: Request) -> Response:
        why = parts.unhealthy
        return PlainTextResponse(f"{why or 'ok'}\n", status_code=503 if why else 200)

    async def readyz(_: Request) -> Response:
        why = parts.not_ready
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=503 if why else 200)

    routes = [
        Route("/metrics", metrics),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        stream_route(viewpoint, lives),
        *page_routes(viewpoint),
        *asset_routes(),
    ]
    token = options.token.get_secret_value() if options.token else None
    guard = Middleware(Guard, token=token, host=options.address[0])
    return Starlette(routes=routes, middleware=[guard, Middleware(Admission)])
