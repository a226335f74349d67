"""How our HTTP clients connect: names by our own resolver, and nothing taken from the environment unseen."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import httpcore
import httpx

from relay.config.environment import Proxy
from relay.network.resolver import Resolver

NEXT_ADDRESS_AFTER = 0.25
"""Seconds that one address of a name has before the next is tried beside it (RFC 8305)."""
Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]


def transport(
    resolver: Resolver,
    *,
    tls: ssl.SSLContext,
    proxy: Proxy | None = None,
    limits: httpx.Limits | None = None,
) -> httpx.AsyncHTTPTransport:
    """A transport that connects directly, or by way of `proxy`."""
    way = httpx.AsyncHTTPTransport(
        verify=tls,
        trust_env=False,
        limits=limits or httpx.Limits(max_connections=100, max_keepalive_connections=20),
        proxy=None if proxy is None else _httpx_proxy(proxy, tls),
    )
    # httpcore takes a backend, but httpx has no argument to hand one on; a test holds that this is where it is.
    way._pool._network_backend = ResolvingBackend(resolver)  # noqa: SLF001
    return way


def _httpx_proxy(proxy: Proxy, tls: ssl.SSLContext) -> httpx.Proxy:
    auth = (proxy.username, proxy.password) if proxy.username or proxy.password else None
    return httpx.Proxy(proxy.place, auth=auth, ssl_context=tls if proxy.scheme == "https" else None)


class ResolvingBackend(httpcore.AsyncNetworkBackend):
    """httpcore's usual backend, which never sees a name."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look up and connect, within `timeout` seconds.

        Raises:
            httpcore.ConnectTimeout: it took longer.
            httpcore.ConnectError: there is no such name, or none of its addresses takes the connection.
        """

        def connect(address: str) -> Awaitable[httpcore.AsyncNetworkStream]:
            return self._backend.connect_tcp(address, port, None, local_address, socket_options)

        try:
            async with asyncio.timeout(timeout):
                return await _first(await self._resolver.addresses(host), connect)
        except TimeoutError as late:
            raise httpcore.ConnectTimeout(f"no connection within {timeout} s") from late
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def _first(addresses: tuple[str, ...], connect: Connect) -> httpcore.AsyncNetworkStream:
    """The connection to the first address that takes one; the others get a chance beside one that is silent.

    Raises:
        httpcore.ConnectError: of the first address; none takes a connection.
    """
    if len(addresses) == 1:
        return await connect(addresses[0])
    waiting = list(addresses)
    pending: set[asyncio.Task[httpcore.AsyncNetworkStream]] = set()
    errors: list[BaseException] = []
    try:
        while waiting or pending:
            if waiting:
                pending.add(asyncio.create_task(_as_coroutine(connect(waiting.pop(0)))))
            done, pending = await asyncio.wait(
                pending, timeout=NEXT_ADDRESS_AFTER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [task.result() for task in done if task.exception() is None]
            for unneeded in connected[1:]:
                await unneeded.aclose()
            if connected:
                return connected[0]
            errors += [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in pending:
            task.cancel()
            with suppress(asyncio.CancelledError, httpcore.ConnectError):
                await (await task).aclose()  # it may have connected at the last moment
    raise errors[0]


async def _as_coroutine(connecting: Awaitable[httpcore.AsyncNetworkStream]) -> httpcore.AsyncNetworkStream:
    return await connecting
