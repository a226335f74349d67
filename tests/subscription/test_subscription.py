"""The subscription on a real Valkey: what is published arrives whole, in order, once, whatever the connection does."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from relay.config.settings import RedisOptions
from relay.subscription import connection as connection_module
from relay.subscription.client import client_of
from relay.subscription.connect import ConnectError, Connector, connect
from relay.subscription.socket import PEEK_AT_MOST
from relay.subscription.subscription import LONGEST_WAIT, Link
from tests.support import TcpProxy, Valkey, eventually, free_port
from tests.support.listening import Listener, listening
from tests.support.waiting import HANG

TLS = Path(__file__).parents[1] / "testdata" / "tls"
MEGABYTE = 1 << 20


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


async def publish(valkey: Valkey, *messages: bytes) -> None:
    """Without keeping the event loop from its work; when it returns, all is on its way."""
    for data in messages:
        assert await asyncio.to_thread(valkey.publish, "tickstock:a:b", data) >= 1
    assert valkey.client.ping()  # answered in a later round than the one that wrote the last message


def allow(valkey: Valkey, user: str, *rules: str) -> None:
    """Make a user of Redis' access control."""
    valkey.client.execute_command("ACL", "SETUSER", user, *rules)  # type: ignore[no-untyped-call]


@pytest.fixture
def proxy(shared_valkey: Valkey) -> Iterator[TcpProxy]:
    with TcpProxy(shared_valkey.port) as proxy:
        yield proxy


@pytest.mark.parametrize("protocol", [2, 3])
async def test_messages_arrive_in_order_with_their_channels(shared_valkey: Valkey, protocol: int) -> None:
    async with listening(url=shared_valkey.url, protocol=protocol) as listener:
        await listener.subscribed()
        await publish(shared_valkey, *[b"%d" % number for number in range(500)])
        await listener.received_all(500)
    assert listener.received == [b"%d" % number for number in range(500)]
    assert {channel for batch in listener.batches for channel, _, _ in batch.messages} == {b"tickstock:a:b"}
    assert listener.offsets == sorted(set(listener.offsets))
    assert listener.links == [Link(subscribed=True)]


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_silent_connection_is_pinged_and_stays(shared_valkey: Valkey, protocol: int) -> None:
    async with listening(url=shared_valkey.url, ping_interval="50ms", ping_timeout="5s", protocol=protocol) as listener:
        await listener.subscribed()
        before = shared_valkey.client.info("commandstats")["cmdstat_ping"]["calls"]
        await eventually(lambda: shared_valkey.client.info("commandstats")["cmdstat_ping"]["calls"] >= before + 3)
        await publish(shared_valkey, b"still here")
        await listener.received_all(1)
    assert listener.links == [Link(subscribed=True)]


@pytest.mark.parametrize("stopped", [31.0, 60.0, 86_400.0])
async def test_who_was_stopped_gives_redis_its_time_to_answer(
    shared_valkey: Valkey, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch, stopped: float
) -> None:
    """It asked after a silence that was its own, and took the missing answer for the end in the same moment."""
    ahead = 0.0
    monkeypatch.setattr(connection_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    async with listening(url=url_of(proxy.port), ping_interval="50ms", ping_timeout="30s") as listener:
        await listener.subscribed()
        connection = listener.subscription._connection
        assert connection is not None
        await eventually(lambda: connection._probed_at is None)
        proxy.hold()
        ahead = stopped
        await eventually(lambda: connection._probed_at is not None)
        await asyncio.sleep(0.1)
        proxy.release()
        await publish(shared_valkey, b"still here")
        await listener.received_all(1)
    assert listener.links == [Link(subscribed=True)]


async def test_overlapping_patterns_deliver_once(shared_valkey: Valkey) -> None:
    async with listening(url=shared_valkey.url, patterns=["tickstock:*", "tickstock:a:*", "*"]) as listener:
        await listener.subscribed()
        await publish(shared_valkey, *[b"%d" % number for number in range(50)])
        await listener.received_all(50)
        await eventually(lambda: listener.subscription.duplicates == 100)
    assert listener.received == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("size", [MEGABYTE - 200, PEEK_AT_MOST, MEGABYTE + 1, 8 * MEGABYTE, 64 * MEGABYTE])
@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_large_message_arrives_whole_between_small_ones(
    shared_valkey: Valkey, size: int, protocol: int
) -> None:
    large = os.urandom(MEGABYTE) * (size // MEGABYTE) + b"x" * (size % MEGABYTE)
    async with listening(url=shared_valkey.url, protocol=protocol) as listener:
        await listener.subscribed()
        await publish(shared_valkey, b"before", large, b"after")
        await listener.received_all(3)
        assert listener.subscription.descriptor(), "it can be handed over again"
    assert [len(data) for data in listener.received] == [6, size, 5]
    assert listener.received[1] == large
    assert listener.links == [Link(subscribed=True)]


async def test_a_message_that_comes_slowly_is_waited_for(shared_valkey: Valkey, proxy: TcpProxy) -> None:
    """It takes longer than a silence may last."""
    options: dict[str, Any] = {"ping_interval": "1s", "ping_timeout": "1s"}
    async with listening(url=url_of(proxy.port), **options) as listener:
        await listener.subscribed()
        proxy.rate = 300_000
        await publish(shared_valkey, b"x" * 1_000_000)
        await listener.received_all(1)
        proxy.rate = None
        assert listener.links == [Link(subscribed=True)]


async def test_half_a_message_does_not_spin(shared_valkey: Valkey, proxy: TcpProxy) -> None:
    async with listening(url=url_of(proxy.port)) as listener:
        await listener.subscribed()
        peeks = 0
        connection = listener.subscription._connection
        assert connection is not None
        wire = connection.wire
        peek = wire.peek

        def counted() -> memoryview:
            nonlocal peeks
            peeks += 1
            return peek()

        wire.peek = counted  # type: ignore[method-assign]
        proxy.rate = 200_000
        await publish(shared_valkey, b"x" * 200_000)
        await listener.received_all(1)
    assert peeks < 100, "each peek wants at least one more byte"


async def test_half_a_message_at_the_end_of_a_connection_is_lost_and_the_next_one_is_not(
    shared_valkey: Valkey, proxy: TcpProxy
) -> None:
    async with listening(url=url_of(proxy.port)) as listener:
        await listener.subscribed()
        proxy.cut_after(5_000)
        await publish(shared_valkey, b"x" * 10_000)
        await eventually(lambda: len(listener.links) == 3)
        await publish(shared_valkey, b"afterwards")
        await listener.received_all(1)
    assert listener.received == [b"afterwards"]
    assert [link.subscribed for link in listener.links] == [True, False, True]
    assert "in the middle of a message" in listener.links[1].reason


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_cut_connection_is_replaced(shared_valkey: Valkey, proxy: TcpProxy, *, reset: bool) -> None:
    async with listening(url=url_of(proxy.port)) as listener:
        for number in range(3):
            await listener.subscribed()
            await publish(shared_valkey, b"%d" % number)
            await listener.received_all(number + 1)
            proxy.cut(reset=reset)
            await eventually(lambda: not listener.subscription.subscribed)
        await listener.subscribed()
    assert listener.received == [b"0", b"1", b"2"]
    assert len({batch.stream for batch in listener.batches}) == 3, "each connection has a name of its own"


async def test_what_came_before_the_end_is_received(valkey: Valkey) -> None:
    async with listening(url=valkey.url, coalesce="100ms") as listener:
        await listener.subscribed()
        await publish(valkey, *[b"%d" % number for number in range(100)])
        valkey.kill()
        await eventually(lambda: not listener.subscription.subscribed)
    assert len(listener.received) == 100


async def test_a_dead_peer_is_noticed(valkey: Valkey) -> None:
    """Its connection stays open, and nobody answers."""
    options: dict[str, Any] = {"ping_interval": "100ms", "ping_timeout": "1s"}
    async with listening(url=valkey.url, **options) as listener:
        await listener.subscribed()
        valkey.freeze()
        await eventually(lambda: not listener.subscription.subscribed)
        valkey.thaw()
        await listener.subscribed()
        await publish(valkey, b"again")
        await listener.received_all(1)
    assert "no answer for" in listener.links[1].reason


async def test_redis_that_comes_back_is_subscribed_again(valkey: Valkey) -> None:
    assert LONGEST_WAIT <= 2.0
    async with listening(url=valkey.url) as listener:
        await listener.subscribed()
        valkey.kill()
        await eventually(lambda: not listener.subscription.subscribed)
        await asyncio.sleep(2.5)  # the waits between attempts have reached their longest
        valkey.start()
        await listener.subscribed()


async def test_redis_that_is_away_for_hours_is_still_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait doubles with each attempt; in a quarter of an hour that was once more than a float can hold."""
    monkeypatch.setattr("relay.subscription.subscription.LONGEST_WAIT", 0.0)
    monkeypatch.setattr("relay.subscription.connect.Connector.connect", _refuse)
    listener = Listener({"url": "redis://127.0.0.1:1/0"})
    attempts = 0

    def count(_: Exception) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 1500:
            raise _EnoughError

    monkeypatch.setattr(listener.subscription, "_lost", count)
    with pytest.raises(_EnoughError):
        await listener.take()


async def test_a_redis_that_stays_away_does_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.subscription.subscription.LONGEST_WAIT", 0.0)
    attempts = 0

    def refuse(_: Connector) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 100:
            raise _EnoughError
        raise ConnectError("refused" if attempts < 50 else "no route")

    monkeypatch.setattr("relay.subscription.connect.Connector.connect", refuse)
    with capture_logs() as logs, pytest.raises(_EnoughError):
        await Listener({"url": "redis://127.0.0.1:1/0"}).take()
    assert [line["reason"] for line in logs] == ["no connection: refused", "no connection: no route"]


class _EnoughError(Exception):
    pass


def _refuse(_: Connector) -> None:
    raise ConnectError("refused")


async def test_an_acl_user_logs_in(shared_valkey: Valkey) -> None:
    shared_valkey.client.execute_command(  # type: ignore[no-untyped-call]
        "ACL",
        "SETUSER",
        "relay",
        "on",
        ">p@ss:w/rd",
        "&tickstock:*",
        "+@pubsub",
        "+ping",
        "+hello",
        "+client",
        "+select",
    )
    encoded = "p%40ss%3Aw%2Frd"
    both: list[dict[str, Any]] = [
        {"url": f"redis://relay:{encoded}@127.0.0.1:{shared_valkey.port}/0"},
        {"url": shared_valkey.url, "username": "relay", "password": "p@ss:w/rd"},
    ]
    for options in both:
        async with listening(**options) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"x")
            await listener.received_all(1)


@pytest.mark.parametrize("form", ["url", "options"])
async def test_a_wrong_password_is_said_without_the_password(shared_valkey: Valkey, form: str) -> None:
    allow(shared_valkey, "other", "on", ">right", "+@all", "allchannels")
    in_url = {"url": f"redis://other:hunter%402@127.0.0.1:{shared_valkey.port}/0"}
    given = {"url": shared_valkey.url, "username": "other", "password": "hunter@2"}
    options: dict[str, Any] = in_url if form == "url" else given
    with capture_logs() as logs:
        async with listening(**options) as listener:
            await eventually(lambda: logs)
    assert "invalid username-password pair" in str(logs)
    assert "hunter" not in str(logs)
    assert listener.links == []


async def test_a_user_who_may_not_subscribe_is_told_so(shared_valkey: Valkey) -> None:
    allow(shared_valkey, "deaf", "on", ">x", "+@all", "resetchannels", "&elsewhere")
    with capture_logs() as logs:
        async with listening(url=f"redis://deaf:x@127.0.0.1:{shared_valkey.port}/0"):
            await eventually(lambda: logs)
    assert "NOPERM" in str(logs)


async def test_a_unix_socket_is_listened_to(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"
    with Valkey("--unixsocket", str(path)) as valkey:
        async with listening(url=f"unix://{path}") as listener:
            await listener.subscribed()
            await publish(valkey, b"small", b"x" * 3 * MEGABYTE, b"after")
            await listener.received_all(3)
            assert listener.subscription.descriptor() == {}, "it cannot be handed over"
        assert [len(data) for data in listener.received] == [5, 3 * MEGABYTE, 5]


async def test_tls_is_listened_to_and_its_certificate_checked(shared_valkey: Valkey) -> None:
    async with _tls_in_front_of(shared_valkey) as port:
        async with listening(url=f"rediss://localhost:{port}/0", tls={"ca_file": str(TLS / "ca.pem")}) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"small", b"x" * 3 * MEGABYTE, b"after")
            await listener.received_all(3)
            assert listener.subscription.descriptor() == {}, "it cannot be handed over"
        assert [len(data) for data in listener.received] == [5, 3 * MEGABYTE, 5]
        unknown = RedisOptions.model_validate({"url": f"rediss://localhost:{port}/0"})
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await asyncio.to_thread(connect, unknown)


async def test_sentinel_says_where_the_master_is(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(config), sentinel=True) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/ticks/0"
        async with listening(url=url) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"x")
            await listener.received_all(1)


async def test_a_sentinel_that_takes_its_master_for_down_is_passed_over(shared_valkey: Valkey, tmp_path: Path) -> None:
    cut_off, knowing = tmp_path / "cut_off.conf", tmp_path / "knowing.conf"
    cut_off.write_text(
        f"sentinel monitor ticks 127.0.0.1 {free_port()} 2\nsentinel down-after-milliseconds ticks 100\n"
    )
    knowing.write_text(f"sentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(cut_off), sentinel=True) as first, Valkey(str(knowing), sentinel=True) as second:
        alone = RedisOptions.model_validate({"url": f"redis+sentinel://127.0.0.1:{first.port}/ticks/0"})

        def takes_it_for_down() -> bool:
            try:
                connect(alone)
            except ConnectError as error:
                return "considers the master down" in str(error)
            return False

        await eventually(takes_it_for_down, what="the Sentinel's verdict")
        url = f"redis+sentinel://127.0.0.1:{first.port},127.0.0.1:{second.port}/ticks/0"
        async with listening(url=url) as listener:
            await listener.subscribed()


async def test_sentinels_with_a_password_of_their_own_are_logged_in_to(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"requirepass watch\nsentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(config), sentinel=True, password="watch") as sentinel:  # noqa: S106 - the test's own
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/ticks/0"
        async with listening(url=url, sentinel={"password": "watch"}) as listener:
            await listener.subscribed()
        refused = RedisOptions.model_validate({"url": url, "sentinel": {"password": "guess"}})
        with pytest.raises(ConnectError, match=r"no Sentinel knows where 'ticks' is: .* invalid username") as caught:
            await asyncio.to_thread(connect, refused)
        assert "guess" not in str(caught.value)
        assert len(str(caught.value)) < 200, "nothing of the client's inside"
        unknown = RedisOptions.model_validate({"url": f"{url[:-8]}/other/0", "sentinel": {"password": "watch"}})
        with pytest.raises(ConnectError, match="No such master with that name"):
            await asyncio.to_thread(connect, unknown)


async def test_a_client_of_the_same_redis_checks_the_certificate_by_the_name(shared_valkey: Valkey) -> None:
    async with _tls_in_front_of(shared_valkey) as port:
        options = {"url": f"rediss://localhost:{port}/0", "tls": {"ca_file": str(TLS / "ca.pem")}}
        async with client_of(RedisOptions.model_validate(options), HANG) as client:
            assert await client.ping()
        async with client_of(RedisOptions.model_validate({"url": options["url"]}), HANG) as client:
            with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                await client.ping()


async def test_a_certificate_file_that_is_not_there_is_named(shared_valkey: Valkey) -> None:
    options = RedisOptions.model_validate(
        {"url": f"rediss://localhost:{shared_valkey.port}/0", "tls": {"ca_file": "nowhere/ca.pem"}}
    )
    with pytest.raises(ConnectError, match=r"nowhere/ca\.pem"):
        await asyncio.to_thread(connect, options)


async def test_sentinels_of_a_tls_master_are_asked_by_tls(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    async with _tls_in_front_of(shared_valkey) as port:
        config.write_text(f"sentinel monitor ticks 127.0.0.1 {port} 1\n")
        with Valkey(str(config), sentinel=True) as sentinel:
            async with _tls_in_front_of(sentinel) as asked:
                url = f"rediss+sentinel://localhost:{asked}/ticks/0"
                tls = {"ca_file": str(TLS / "ca.pem"), "check_hostname": False}
                async with listening(url=url, tls=tls) as listener:
                    await listener.subscribed()


async def test_the_next_one_goes_on_where_the_last_one_stopped(shared_valkey: Valkey) -> None:
    async with listening(url=shared_valkey.url) as first:
        await first.subscribed()
        await publish(shared_valkey, b"1", b"2")
        await first.received_all(2)
        inherited = first.hand_over()
    await publish(shared_valkey, b"3", b"4")
    async with listening(inherited, url=shared_valkey.url) as second:
        await second.received_all(2)
        await second.subscribed()
        await publish(shared_valkey, b"5")
        await second.received_all(3)
    assert first.received + second.received == [b"1", b"2", b"3", b"4", b"5"]
    assert second.links == [Link(subscribed=True, adopted=True)]
    assert second.batches[0].stream == first.batches[0].stream
    assert second.offsets[0] > first.offsets[-1]
    assert len({*first.offsets, *second.offsets}) == 5


async def test_an_inherited_connection_that_died_is_read_to_its_end_and_is_no_handover(valkey: Valkey) -> None:
    async with listening(url=valkey.url) as first:
        await first.subscribed()
        inherited = first.hand_over()
    await publish(valkey, b"1", b"2")
    valkey.kill()
    async with listening(inherited, url=valkey.url) as second:
        await second.received_all(2)
        valkey.start()
        await second.subscribed()
    assert second.received == [b"1", b"2"]
    assert second.links == [Link(subscribed=True, adopted=False)]


@pytest.mark.parametrize("changed", ["patterns", "server", "no tcp", "name"])
async def test_a_descriptor_that_our_configuration_does_not_ask_for_is_closed(
    shared_valkey: Valkey, changed: str
) -> None:
    async with listening(url=shared_valkey.url) as first:
        await first.subscribed()
        inherited = first.hand_over()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        name = next(iter(inherited))
        if changed == "no tcp":
            os.dup2(theirs.fileno(), inherited[name])
        if changed == "name":
            inherited = {"something.else": inherited[name]}
        descriptor = next(iter(inherited.values()))
        host = "localhost" if changed == "server" else "127.0.0.1"
        pattern = "tick*" if changed == "patterns" else "tickstock:*"
        url = f"redis://{host}:{shared_valkey.port}/0"
        async with listening(inherited, url=url, patterns=[pattern]) as second:
            await second.subscribed()
    assert second.links == [Link(subscribed=True)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


class _tls_in_front_of:  # noqa: N801 - reads as a function
    """TLS for a Valkey built without it: accepts, takes the TLS off, forwards."""

    def __init__(self, valkey: Valkey) -> None:
        self._upstream = valkey.port

    async def __aenter__(self) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(1 << 16):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass  # one side is gone; the other sees the connection close
    finally:
        target.close()
