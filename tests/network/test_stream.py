"""Our connection under httpcore, on both event loops: timeouts, cancellation, ends, TLS, and what is bounded."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpcore
import pytest
import uvloop

from relay.network.backend import ResolvingBackend
from relay.network.resolver import Resolver
from relay.network.stream import READ_AHEAD, Stream
from tests.support import eventually
from tests.support.certificates import certificate

PATIENCE = 30.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    """Runs a coroutine on the loop of the tests, and on the daemon's."""
    return request.param


@asynccontextmanager
async def connected(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stream]:
    """A stream to a server on loopback that does as `serve` says with each connection, and then closes it."""

    tasks: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            with suppress(ConnectionError):
                await serve(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        stream = await ResolvingBackend(Resolver()).connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
        assert isinstance(stream, Stream)
        try:
            yield stream
        finally:
            await stream.aclose()
            for task in filter(None, tasks):
                task.cancel()
            await asyncio.gather(*filter(None, tasks), return_exceptions=True)
            await asyncio.sleep(0.01)


async def forever(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """It neither reads nor writes."""
    await asyncio.sleep(PATIENCE)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes goes back."""
    while data := await reader.read(1000):
        writer.write(data)


def test_what_is_sent_comes_back(run: Any) -> None:
    async def scenario() -> None:
        async with connected(echo) as stream:
            await stream.write(b"hello", PATIENCE)
            assert await stream.read(2, PATIENCE) == b"he"
            assert await stream.read(100, PATIENCE) == b"llo"
            assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
            assert stream.get_extra_info("client_addr")[0] == "127.0.0.1"
            assert stream.get_extra_info("ssl_object") is None

    run(scenario())


@pytest.mark.parametrize("sizes", [(300, 400), (300, 0), (10, 20_000)])
def test_head_and_body_of_a_small_request_leave_in_one_piece(run: Any, sizes: tuple[int, int]) -> None:
    async def scenario() -> None:
        first: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first.append(len(await reader.read(1 << 20)))
            writer.write(b"answer")

        async with connected(serve) as stream:
            for size in sizes:
                await stream.write(b"x" * size, PATIENCE)
            assert await stream.read(100, PATIENCE) == b"answer"
        assert first == [sum(sizes)]

    run(scenario())


def test_nobody_waits_longer_than_wanted(run: Any) -> None:
    async def scenario() -> None:
        async with connected(forever) as stream:
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(1, 0.01)
            with pytest.raises(httpcore.WriteTimeout):
                await stream.write(b"x" * 50_000_000, 0.05)

    run(scenario())


def test_a_write_can_be_cancelled_in_its_middle(run: Any) -> None:
    async def scenario() -> None:
        async with connected(forever) as stream:
            writing = asyncio.create_task(stream.write(b"x" * 50_000_000))
            await asyncio.sleep(0.05)
            assert not writing.done()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            await stream.aclose()  # at once, whatever is unsent
            await eventually(lambda: stream.get_extra_info("is_readable"))

    run(scenario())


def test_a_peer_that_closes_while_idle_is_noticed(run: Any) -> None:
    async def scenario() -> None:
        leave = asyncio.Event()

        async def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
            await leave.wait()

        async with connected(serve) as stream:
            assert not stream.get_extra_info("is_readable")
            leave.set()
            await eventually(lambda: stream.get_extra_info("is_readable"))
            assert await stream.read(1) == b""
            with pytest.raises(httpcore.WriteError):
                await stream.write(b"x")

    run(scenario())


def test_what_came_before_the_end_is_read_after_it(run: Any) -> None:
    async def scenario() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"the last words")

        async with connected(serve) as stream:
            await eventually(lambda: stream._ended)
            assert await stream.read(100) == b"the last words"
            assert await stream.read(100) == b""

    run(scenario())


def test_a_connection_that_breaks_is_an_error(run: Any) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)  # the rest stays unread, so that closing resets
            writer.transport.abort()

        async with connected(serve) as stream:
            await stream.write(b"x" * 1000)
            with suppress(httpcore.ReadError):
                assert await stream.read(1, PATIENCE) == b""

    run(scenario())


def test_what_comes_unread_is_bounded(run: Any) -> None:
    async def scenario() -> None:
        sent = 0

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            while sent < 100_000_000:
                writer.write(b"x" * 100_000)
                await writer.drain()
                sent += 100_000

        async with connected(serve) as stream:
            await eventually(lambda: len(stream._received) >= READ_AHEAD)
            await asyncio.sleep(0.05)
            assert len(stream._received) < READ_AHEAD + 1_000_000
            read = 0
            while chunk := await stream.read(65536, PATIENCE):
                read += len(chunk)
            assert read == sent == 100_000_000

    run(scenario())


def contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, and a client's that trusts it."""
    cert, key = asyncio.run(certificate(directory, "server"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))


def test_tls_is_spoken_with_the_name_that_was_meant(run: Any, tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)

    async def scenario() -> None:
        async with connected(echo, server) as stream:
            secured = await stream.start_tls(client, "localhost", PATIENCE)
            assert secured.get_extra_info("ssl_object").version().startswith("TLS")
            await secured.write(b"hush")
            assert await secured.read(100, PATIENCE) == b"hush"
            assert not secured.get_extra_info("is_readable")
        async with connected(echo, server) as stream:
            with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED") as caught:
                await stream.start_tls(client, "other.test", PATIENCE)
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)

    run(scenario())
    assert names == ["localhost", "other.test"]


def test_a_server_that_never_answers_the_handshake(run: Any) -> None:
    async def scenario() -> None:
        async with connected(forever) as stream:
            with pytest.raises(httpcore.ConnectTimeout):
                await stream.start_tls(ssl.create_default_context(), "localhost", 0.05)

    run(scenario())


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain text", "nothing"])
def test_a_server_that_does_not_speak_tls(run: Any, words: bytes) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(words)

        async with connected(serve) as stream:
            with pytest.raises(httpcore.ConnectError, match=r"\S"):
                await stream.start_tls(ssl.create_default_context(), "localhost", PATIENCE)

    run(scenario())


def test_bytes_from_before_the_handshake_are_never_taken_for_the_servers(run: Any) -> None:
    async def scenario() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.sleep(PATIENCE)

        async with connected(serve) as stream:
            await eventually(lambda: bool(stream._received))
            with pytest.raises(httpcore.ConnectError, match="did not wait for TLS"):
                await stream.start_tls(ssl.create_default_context(), "localhost", PATIENCE)

    run(scenario())


def test_socket_options_are_set(run: Any) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream = await ResolvingBackend(Resolver()).connect_tcp("127.0.0.1", port, socket_options=[option])
            assert stream.get_extra_info("socket").getsockopt(*option[:2]) == 1
            await stream.aclose()
            await asyncio.sleep(0.01)

    run(scenario())
