"""How our HTTP connections are made: to a name by our own resolver, to the first of its addresses that takes one."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import httpcore

from relay.network.resolver import Resolver
from relay.network.stream import Stream

NEXT_ADDRESS_AFTER = 0.25
"""Seconds that one address of a name has before the next is tried beside it (RFC 8305)."""


class ResolvingBackend(httpcore.AsyncNetworkBackend):
    """httpcore's way to the network, which never sees a name."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

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
        local = (local_address, 0) if local_address else None
        try:
            async with asyncio.timeout(timeout):
                stream = await _first(await self._resolver.addresses(host), port, local)
        except TimeoutError as late:
            raise httpcore.ConnectTimeout(f"no connection within {timeout} s") from late
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def _connect(address: str, port: int, local: tuple[str, int] | None) -> Stream:
    _, stream = await asyncio.get_running_loop().create_connection(Stream, address, port, local_addr=local)
    return stream


async def _first(addresses: tuple[str, ...], port: int, local: tuple[str, int] | None) -> Stream:
    """The connection to the first address that takes one; the others get a chance beside one that is silent.

    Raises:
        OSError: of the first address; none takes a connection.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0], port, local)
    waiting = list(addresses)
    pending: set[asyncio.Task[Stream]] = set()
    errors: list[BaseException] = []
    try:
        while waiting or pending:
            if waiting:
                pending.add(asyncio.create_task(_connect(waiting.pop(0), port, local)))
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
            with suppress(asyncio.CancelledError, OSError):
                await (await task).aclose()  # it may have connected at the last moment
    raise errors[0]
