"""The subscription on a real Valkey: what is published arrives whole, in order and once."""

import os
from typing import Any

import pytest

from relay.subscription.socket import PEEK_AT_MOST
from relay.subscription.subscription import SubscriptionChange
from tests.support import TcpProxy, Valkey, eventually
from tests.support.listening import MEGABYTE, listening, publish, url_of


@pytest.mark.parametrize("protocol", [2, 3])
async def test_messages_arrive_in_order_with_their_channels(shared_valkey: Valkey, protocol: int) -> None:
    async with listening(url=shared_valkey.url, protocol=protocol) as listener:
        await listener.subscribed()
        await publish(shared_valkey, *[b"%d" % number for number in range(500)])
        await listener.received_all(500)
    assert listener.received == [b"%d" % number for number in range(500)]
    assert {channel for batch in listener.batches for channel, _, _ in batch.messages} == {b"tickstock:a:b"}
    assert listener.offsets == sorted(set(listener.offsets))
    assert listener.links == [SubscriptionChange(subscribed=True)]


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
    assert listener.links == [SubscriptionChange(subscribed=True)]


async def test_a_message_that_comes_slowly_is_waited_for(shared_valkey: Valkey, proxy: TcpProxy) -> None:
    """It takes longer than a silence may last."""
    options: dict[str, Any] = {"ping_interval": "1s", "ping_timeout": "1s"}
    async with listening(url=url_of(proxy.port), **options) as listener:
        await listener.subscribed()
        proxy.rate = 300_000
        await publish(shared_valkey, b"x" * 1_000_000)
        await listener.received_all(1)
        proxy.rate = None
        assert listener.links == [SubscriptionChange(subscribed=True)]


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


async def test_what_came_before_the_end_is_received(valkey: Valkey) -> None:
    async with listening(url=valkey.url, coalesce="100ms") as listener:
        await listener.subscribed()
        await publish(valkey, *[b"%d" % number for number in range(100)])
        valkey.kill()
        await eventually(lambda: not listener.subscription.subscribed)
    assert len(listener.received) == 100
