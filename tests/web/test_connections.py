"""Connections of the web server: how many, for how long, and who makes room; over real sockets, with short limits."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config.settings import Settings
from relay.daemon import Daemon
from relay.web import connections
from relay.web.connections import Connections, most_connections
from tests.support import eventually, free_port
from tests.support.waiting import HANG

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNREAD = 200 * (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
SHORT = 0.2
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Web:
    """A daemon's web server, and connections to it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def closed(self) -> dict[str, int]:
        return dict(self.daemon.web.connections.closed)

    async def connect(self, data: bytes = b"") -> Streams:
        host, _, port = self.daemon.web.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self._writers.append(writer)
        writer.write(data)
        return reader, writer

    async def healthy(self) -> bool:
        reader, _ = await self.connect(HEAD)
        return (await asyncio.wait_for(reader.readline(), HANG)).startswith(b"HTTP/1.1 200")

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    settings = Settings.model_validate({"state_dir": tmp_path, "http": {"listen": f"127.0.0.1:{free_port()}"}})
    daemon = Daemon(settings, tmp_path / "config.yaml")
    daemon.web.connections = Connections(4)
    await daemon.web.start()
    web = Web(daemon)
    yield web
    await web.close()
    await daemon.web.stop()
    daemon.parts.store.close()


async def cut(reader: asyncio.StreamReader) -> bool:
    """Wait until the server has closed it."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), HANG)
    return True


@pytest.mark.parametrize("data", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc", HEAD])
async def test_who_has_waited_longest_makes_room_for_a_newcomer(web: Web, data: bytes) -> None:
    first = await web.connect(data)
    await eventually(lambda: len(web.daemon.web.connections) == 1)
    others = [await web.connect(data) for _ in range(3)]
    await eventually(lambda: len(web.daemon.web.connections) == 4)
    assert await web.healthy()
    assert await cut(first[0])
    assert not any(reader.at_eof() for reader, _ in others)
    assert web.closed == {"head": 0, "room": 1, "unread": 0}


async def test_one_that_is_being_answered_stays_while_another_waits(web: Web) -> None:
    stream, _ = await web.connect(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await stream.readuntil(b"event: parts")
    waiting = [await web.connect(b"GET") for _ in range(3)]
    await eventually(lambda: len(web.daemon.web.connections) == 4)
    for _ in range(3):
        assert await web.healthy()
    assert not stream.at_eof()
    assert all([await cut(reader) for reader, _ in waiting])


@pytest.mark.parametrize("data", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(
    web: Web, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    reader, _ = await web.connect(data)
    assert await cut(reader)
    await eventually(lambda: web.closed["head"] == 1)


async def test_half_a_second_head_ends_the_connection_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    reader, writer = await web.connect(HEAD)
    assert await asyncio.wait_for(reader.readuntil(b"ok\n"), HANG)
    writer.write(b"GET / HT")
    assert await cut(reader)
    await eventually(lambda: web.closed["head"] == 1)


async def test_bytes_that_trickle_do_not_prolong_the_time_for_a_head(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    reader, writer = await web.connect(b"GET / HTTP/1.1\r\nX: ")

    async def trickle() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(SHORT / 20)

    trickling = asyncio.create_task(trickle())
    assert await cut(reader)
    trickling.cancel()


@pytest.mark.parametrize("path", ["/healthz", "/api/state", "/metrics", "/nowhere"])
async def test_a_body_is_not_waited_for(web: Web, path: str) -> None:
    reader, _ = await web.connect(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx".encode())
    answer = await asyncio.wait_for(reader.read(), HANG)
    assert answer.split()[1] in (b"404", b"405")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", ["/healthz", "/", "/metrics"])
async def test_of_requests_sent_together_the_first_is_answered(web: Web, path: str) -> None:
    reader, _ = await web.connect(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 20)
    answer = await asyncio.wait_for(reader.read(), HANG)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in answer.lower()


async def test_requests_one_after_the_other_share_a_connection(web: Web) -> None:
    reader, writer = await web.connect()
    for _ in range(3):
        writer.write(HEAD)
        assert await asyncio.wait_for(reader.readuntil(b"ok\n"), HANG)
    assert len(web.daemon.web.connections) == 1


async def test_an_answer_that_is_not_read_ends_the_connection(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", SHORT)
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    monkeypatch.setattr("relay.web.status_page.page", lambda _: "x" * 1_000_000)  # more than the kernel's buffers hold
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        host, _, port = web.daemon.web.address.partition(":")
        await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
        await asyncio.get_running_loop().sock_sendall(client, UNREAD)
        await eventually(lambda: web.closed["unread"] == 1)
        await eventually(lambda: len(web.daemon.web.connections) == 0)
    assert await web.healthy()


async def test_the_end_waits_for_nobody(web: Web) -> None:
    for data in (b"", b"GET /", HEAD):
        await web.connect(data)
    async with asyncio.timeout(1):
        await web.daemon.web.stop()


@pytest.mark.parametrize(
    ("limit", "most"), [(8, 4), (64, 16), (256, 64), (1024, 128), (1 << 20, 128), (resource.RLIM_INFINITY, 128)]
)
def test_most_descriptors_are_kept_for_others(monkeypatch: pytest.MonkeyPatch, limit: int, most: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert most_connections() == most
