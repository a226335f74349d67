"""A TCP connection as httpcore wants one, on asyncio's own transports.

httpcore's usual one, by way of anyio, takes half of what a small request costs (`docs/decisions/delivery-cost.md`).
"""

import asyncio
import select
import ssl
from typing import Any, cast

import httpcore

READ_AHEAD = 64 << 10
"""Bytes that may have come and not been read yet; then the other side has to wait."""
SENT_TOGETHER = 64 << 10
"""Bytes up to which what is written waits for more: a request's head and body go out in one piece."""


class Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """Protocol and stream in one; what came before the connection ended can be read after the end."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._received = bytearray()
        self._is_paused = False
        self._is_full = False
        """Whether the other side does not take what is written fast enough."""
        self._ended = False
        self._error: Exception | None = None
        self._poll = select.poll()
        """Finds what has come that the loop has not read yet: the end of an idle connection, most likely."""
        self._waiter: asyncio.Future[None] | None = None
        """Of who waits for bytes, or for room to write; HTTP/1.1 never does both at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._received += data
        if len(self._received) >= READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The other side writes no more; asyncio closes the connection when what we wrote is sent."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._ended = True
        self._error = exc
        self._is_full = False
        self._wake()

    def pause_writing(self) -> None:
        """Too much is unsent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._is_full = False
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's interface
        """Up to `max_bytes` as soon as there are any; none when the other side has ended the connection.

        Raises:
            httpcore.ReadTimeout: nothing came within `timeout` seconds.
            httpcore.ReadError: the connection broke.
        """
        if self._unsent and not self._ended:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()
        try:
            while not self._received and not self._ended:
                await self._wait(timeout)
        except TimeoutError as late:
            raise httpcore.ReadTimeout(f"nothing within {timeout} s") from late
        if not self._received and self._error is not None:
            raise httpcore.ReadError(_text(self._error)) from self._error
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if self._is_paused and len(self._received) < READ_AHEAD:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send `buffer`: when there is enough of what is written, at the latest when an answer is read.

        Raises:
            httpcore.WriteTimeout: the other side took too little within `timeout` seconds.
            httpcore.WriteError: the connection has ended.
        """
        self._unsent.append(buffer)
        if not self._ended and sum(map(len, self._unsent)) >= SENT_TOGETHER:
            self._transport.writelines(self._unsent)
            self._unsent.clear()
        try:
            while self._is_full and not self._ended:
                await self._wait(timeout)
        except TimeoutError as late:
            raise httpcore.WriteTimeout(f"not sent within {timeout} s") from late
        if self._ended:
            raise httpcore.WriteError("the connection has ended") from self._error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS from now on; also within the TLS of a proxy.

        Raises:
            httpcore.ConnectTimeout: it took longer than `timeout` seconds.
            httpcore.ConnectError: the certificate is not trusted, or the other side does not speak TLS with us.
        """
        if self._received or self._ended:
            self._transport.abort()
            raise httpcore.ConnectError("the server did not wait for TLS")
        try:
            async with asyncio.timeout(timeout):
                secured = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except BaseException as error:
            self._transport.abort()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(f"no TLS within {timeout} s") from error
            if isinstance(error, OSError):
                raise httpcore.ConnectError(_text(error)) from error
            raise
        self._transport = cast("asyncio.Transport", secured)
        return self

    async def aclose(self) -> None:
        """Close at once, whatever is unsent: who closes has its answer, or no longer wants it."""
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for; `is_readable` means of an idle connection that it cannot be used again."""
        if info == "is_readable":
            return self._ended or bool(self._received) or bool(self._poll.poll(0))
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    async def _wait(self, timeout: float | None) -> None:  # noqa: ASYNC109
        """Until something happens to the connection."""
        self._waiter = self._loop.create_future()
        try:
            if timeout is None:
                await self._waiter
            else:
                async with asyncio.timeout(timeout):
                    await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
