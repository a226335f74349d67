"""A TCP proxy on loopback that harms what goes through it: cut, slowed, held back, refused."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Self, TypeVar

T = TypeVar("T")
CHUNK = 1 << 16


class TcpProxy:
    """Forwards to `port`, in a thread of its own; harm is done towards the client.

    What is set holds for connections that are open and those to come.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        """Where to connect to."""
        self.upstream = port
        self.rate: float | None = None
        """Bytes a second towards each client; None: as fast as it goes."""
        self.refusing = False
        """New connections are closed at once."""
        self.connections = 0
        self._cut_after: int | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(self._listen)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, reset: bool = False) -> None:
        """Close every connection, with a reset (RST) if asked for."""

        async def close() -> None:
            for writer in list(self._writers):
                _close(writer, reset=reset)

        self._do(close)

    def hold(self) -> None:
        """Let nothing through from now on; connections stay."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._open.set)

    def cut_after(self, count: int) -> None:
        """Let `count` more bytes through to a client, then close its connection: once."""
        self._cut_after = count

    def _do(self, job: Callable[[], Coroutine[None, None, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(job(), self._loop).result(timeout=120)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if not self.refusing:
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either side went away, or the test is over: both ends are closed below
        finally:
            _close(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        self.connections += 1
        self._writers |= {writer, back}
        up = asyncio.create_task(_copy(reader, back))
        try:
            await self._forward(there, writer)
        finally:
            self._writers -= {writer, back}
            up.cancel()
            _close(back)

    async def _forward(self, source: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Towards the client, through whatever harm is set at the moment."""
        while chunk := await source.read(CHUNK if self.rate is None else max(1, int(self.rate / 20))):
            await self._open.wait()
            if self._cut_after is not None:
                if len(chunk) >= self._cut_after:
                    client.write(chunk[: self._cut_after])
                    self._cut_after = None
                    await client.drain()
                    return
                self._cut_after -= len(chunk)
            client.write(chunk)
            await client.drain()
            if self.rate is not None:
                await asyncio.sleep(len(chunk) / self.rate)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
        target.write_eof()


def _close(writer: asyncio.StreamWriter, *, reset: bool = False) -> None:
    if reset:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
    else:
        writer.close()
