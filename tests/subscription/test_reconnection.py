"""A connection to Redis that is silent, cut or dead is noticed and replaced, however long Redis is away."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.subscription import connection as connection_module
from relay.subscription.connect import ConnectError, Connector
from relay.subscription.subscription import LONGEST_WAIT, SubscriptionChange
from tests.support import TcpProxy, Valkey, eventually
from tests.support.listening import Listener, listening, publish, url_of


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_silent_connection_is_pinged_and_stays(shared_valkey: Valkey, protocol: int) -> None:
    async with listening(url=shared_valkey.url, ping_interval="50ms", ping_timeout="5s", protocol=protocol) as listener:
        await listener.subscribed()
        before = shared_valkey.client.info("commandstats")["cmdstat_ping"]["calls"]
        await eventually(lambda: shared_valkey.client.info("commandstats")["cmdstat_ping"]["calls"] >= before + 3)
        await publish(shared_valkey, b"still here")
        await listener.received_all(1)
    assert listener.links == [SubscriptionChange(subscribed=True)]


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
    assert listener.links == [SubscriptionChange(subscribed=True)]


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
