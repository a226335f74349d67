"""Posting: whose connection a request gets, when one is used again, and what goes out on it."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from relay.config.environment import Environment
from sinks.base import Reason
from sinks.posting import NoAnswerError, Poster
from sinks.testing import Fault, FaultyServer, Reply
from tests.support import eventually
from tests.support.certificates import certificate

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Place:
    """A server that counts its connections, and answers each request once `free` is set."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.heads: list[str] = []
        self.opened = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.opened += 1
        self.writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                if "content-length: " in head.lower():
                    await reader.readexactly(int(head.lower().split("content-length: ")[1].split()[0]))
                await self.free.wait()
                writer.write(ANSWER)
        self.writers.discard(writer)
        writer.close()

    def headers(self, number: int = -1) -> dict[str, str]:
        """Of a request, names in lower case."""
        lines = self.heads[number].split("\r\n")[1:-2]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    place = Place()
    server = await asyncio.start_server(place.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    place.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{port}/hook?k=v"
    async with server:
        yield place


@asynccontextmanager
async def posting(variables: Mapping[str, str] | None = None, **options: Any) -> AsyncIterator[Poster]:
    environment = Environment.read(variables or {})
    poster = Poster(**{"timeout": 30, "user_agent": "test", "secrets": (), **options}, environment=environment)
    try:
        yield poster
    finally:
        await poster.close()
        await asyncio.sleep(0.01)


async def test_one_behind_the_other_share_a_connection_and_others_have_their_own() -> None:
    async with listening() as place, posting() as poster:
        for _ in range(5):
            assert (await poster.post(place.url, b"{}", {})).status == 204
        assert place.opened == 1
        place.free.clear()
        several = [asyncio.create_task(poster.post(place.url, b"{}", {})) for _ in range(3)]
        await eventually(lambda: len(place.heads) == 8)
        assert place.opened == 3
        place.free.set()
        await asyncio.gather(*several)
        for _ in range(5):
            await poster.post(place.url, b"{}", {})
        assert place.opened == 3
    await eventually(lambda: not place.writers)


async def test_a_connection_that_the_place_has_closed_costs_no_failed_post() -> None:
    async with listening() as place, posting() as poster:
        for number in range(1, 4):
            assert (await poster.post(place.url, b"{}", {})).status == 204
            assert place.opened == number
            (writer,) = place.writers
            writer.close()
            await eventually(lambda: not place.writers)


async def test_a_connection_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.network.connections.KEEP_SECONDS", 0.001)
    async with listening() as place, posting() as poster:
        await poster.post(place.url, b"{}", {})
        await asyncio.sleep(0.01)
        await poster.post(place.url, b"{}", {})
        assert place.opened == 2
        await eventually(lambda: len(place.writers) == 1)


async def test_no_more_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.network.connections.MOST_IDLE", 2)
    async with listening() as place, posting() as poster:
        place.free.clear()
        several = [asyncio.create_task(poster.post(place.url, b"{}", {})) for _ in range(6)]
        await eventually(lambda: len(place.heads) == 6)
        place.free.set()
        await asyncio.gather(*several)
        await eventually(lambda: len(place.writers) == 2)


async def test_places_do_not_get_one_anothers_connections() -> None:
    async with listening() as one, listening() as other, posting() as poster:
        for _ in range(3):
            await poster.post(one.url, b"{}", {})
            await poster.post(other.url, b"{}", {})
        assert (one.opened, len(one.heads), other.opened, len(other.heads)) == (1, 3, 1, 3)


@pytest.mark.parametrize("fault", [Fault.ENDLESS, Fault.DRIP, Fault.HANG, Fault.DROP, Fault.GARBAGE])
async def test_behind_an_answer_that_was_not_read_to_its_end_comes_a_new_connection(fault: Fault) -> None:
    async with FaultyServer(Reply(204, b"")) as server, posting() as poster:
        for _ in range(2):
            server.replies.append(Reply(200, b"", fault=fault))
            with suppress(NoAnswerError, TimeoutError):
                async with asyncio.timeout(0.3):
                    await poster.post(server.url, b"{}", {})
            server.replies.clear()
            assert (await poster.post(server.url, b"{}", {})).status == 204


async def test_a_post_that_takes_too_long_leaves_no_connection() -> None:
    async with listening() as place, posting(timeout=0.05) as poster:
        place.free.clear()
        with pytest.raises(NoAnswerError) as caught:
            await poster.post(place.url, b"{}", {})
        assert caught.value.outcome.reason is Reason.TIMEOUT
        place.free.set()
        await eventually(lambda: not place.writers)


async def test_a_post_that_is_cancelled_leaves_no_connection() -> None:
    async with listening() as place, posting() as poster:
        place.free.clear()
        under_way = asyncio.create_task(poster.post(place.url, b"{}", {}))
        await eventually(lambda: bool(place.heads))
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        place.free.set()
        await eventually(lambda: not place.writers)


async def test_what_each_request_has_unless_it_is_given_otherwise() -> None:
    async with listening() as place, posting() as poster:
        await poster.post(place.url, b"{}", {"X-Team": "ops"})
        usual = {"accept": "*/*", "accept-encoding": "identity", "connection": "keep-alive", "user-agent": "test"}
        host = place.url.split("/")[2]
        assert place.headers() == {**usual, "host": host, "x-team": "ops", "content-length": "2"}
        assert place.heads[-1].startswith("POST /hook?k=v HTTP/1.1\r\n")
        await poster.post(place.url, b"", {"User-Agent": "mine", "ACCEPT": "text/plain"})
        assert place.headers() == {
            **usual,
            "host": host,
            "user-agent": "mine",
            "accept": "text/plain",
            "content-length": "0",
        }
        await poster.reach(place.url)
        assert place.headers() == {**usual, "host": host}


async def test_user_and_password_of_the_address_are_sent_as_such() -> None:
    async with listening() as place, posting() as poster:
        await poster.post(place.url.replace("//", "//user:p%40ss@"), b"{}", {"Authorization": "Bearer other"})
        assert place.headers()["authorization"] == f"Basic {b64encode(b'user:p@ss').decode()}"
        assert place.headers()["host"] == place.url.split("/")[2]


class TunnelProxy:
    """A proxy that tunnels: notes what it was asked, and connects to localhost whatever the name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One tunnel."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        port = int(head.split()[1].rpartition(":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_within_a_proxys_tunnel_and_within_its_tls(tmp_path: Path, scheme: str) -> None:
    """On the daemon's loop: asyncio's own cannot refuse a certificate within the TLS of a proxy before 3.13."""
    cert, key = asyncio.run(certificate(tmp_path, "server", hosts=("localhost", "receiver.test")))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    names: list[str | None] = []
    tls.sni_callback = lambda _, name, __: names.append(name)
    proxy = TunnelProxy()

    async def scenario() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls if scheme == "https" else None)
        variables = {"HTTPS_PROXY": f"{scheme}://user:p%40ss@localhost:{server.sockets[0].getsockname()[1]}"}
        async with server, listening(tls) as place, posting(variables, ca_file=cert) as poster:
            for _ in range(3):
                assert (await poster.post(place.url.replace("localhost", "receiver.test"), b"{}", {})).status == 204
            assert names[-1] == "receiver.test"
            assert len(proxy.asked) == place.opened == 1, "the tunnel is used again"
            assert f"Basic {b64encode(b'user:p@ss').decode()}" in proxy.asked[0]
            assert "proxy-authorization" not in place.headers()
            with pytest.raises(NoAnswerError, match="CERTIFICATE_VERIFY_FAILED"):
                await poster.post(place.url.replace("localhost", "other.test"), b"{}", {})
            assert len(place.heads) == 3

    uvloop.run(scenario())
