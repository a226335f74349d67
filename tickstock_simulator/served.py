"""A local HTTP server inside the running event loop, and the troubles that a stand-in's server can be in.

It keeps its port while it is down, so that it can come back there.
"""

import asyncio
import contextlib
import random
import socket
from collections import deque
from collections.abc import Iterator
from typing import Self

import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program around it."""
        yield


class Served:
    """An ASGI application on a port; `port=0` takes a free one. `async with` starts and stops it."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self._reserved: socket.socket | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    def app(self) -> ASGIApp:
        """What is served."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """`http://host:port`, known once it has started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def is_up(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the address cannot be had.
        """
        self.reserve()
        await self.resume()

    async def stop(self) -> None:
        """Stops listening and gives the port back."""
        await self.down()
        if self._reserved:
            self._reserved.close()
            self._reserved = None

    async def down(self) -> None:
        """Stops listening, so that connections are refused; the port stays ours."""
        server = self._server
        task = self._task
        self._server = None
        self._task = None
        if server is None or task is None:
            return
        self._ending.set()
        server.should_exit = True
        await task
        self.reserve()

    async def resume(self) -> None:
        """Listens again on the same port."""
        if self.is_up or self._reserved is None:
            return
        self._ending = asyncio.Event()
        config = uvicorn.Config(
            self.app(), log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        listening = self._reserved
        self._reserved = None
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"cannot listen on {self.url}")
            await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait_or_end(self, seconds: float | None) -> None:
        """Waits inside a request, but not longer than the server lives."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def reserve(self) -> None:
        """Takes the port without listening there.

        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reserved.bind((self.host, self.port))
        except OSError as error:
            reserved.close()
            raise OSError(error.errno, f"{self.host}:{self.port}: {error.strerror}") from error
        self.port = reserved.getsockname()[1]
        self._reserved = reserved


class Trouble:
    """What goes wrong with requests on purpose: answers to give first, a share that fails, or no answer at all."""

    def __init__(self) -> None:
        self.held = 0  # requests that hang now
        self._answers: deque[tuple[int, dict[str, str]]] = deque()
        self._hang: float | None = None
        self._hanging = False
        self._rate = 0.0
        self._rate_status = 503
        self._dice = random.Random(0)  # noqa: S311 - which requests fail

    def fail(self, status: int, times: int = 1, *, retry_after: float | None = None) -> None:
        """The next `times` requests are answered with `status`."""
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        self._answers.extend([(status, headers)] * times)

    def hang(self, seconds: float | None = None) -> None:
        """Requests from now on get no answer for `seconds`; None: never."""
        self._hanging = True
        self._hang = seconds

    def fail_rate(self, rate: float, *, seed: int = 0, status: int = 503) -> None:
        """This share of the requests (0 to 1) fails, the same ones for the same seed."""
        self._rate = rate
        self._rate_status = status
        self._dice = random.Random(seed)  # noqa: S311 - which requests fail

    def clear(self) -> None:
        """Everything is well again; requests that hang stay lost."""
        self._answers.clear()
        self._hanging = False
        self._rate = 0.0

    async def answer(self, server: Served) -> Response | None:
        """The answer that goes wrong, or None when nothing does."""
        if self._hanging:
            self.held += 1
            forever = self._hang is None
            await server.wait_or_end(self._hang)
            self.held -= 1
            if forever:
                return PlainTextResponse("gone", status_code=503)
        if self._answers:
            status, headers = self._answers.popleft()
            return PlainTextResponse("failing on purpose", status_code=status, headers=headers)
        if self._rate and self._dice.random() < self._rate:
            return PlainTextResponse("failing at random", status_code=self._rate_status)
        return None
