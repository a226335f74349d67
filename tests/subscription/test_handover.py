"""A connection that the next process takes over: it goes on where the last one stopped, or is closed."""

import os
import socket

import pytest

from relay.subscription.subscription import SubscriptionChange
from tests.support import Valkey
from tests.support.listening import listening, publish


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
    assert second.links == [SubscriptionChange(subscribed=True, adopted=True)]
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
    assert second.links == [SubscriptionChange(subscribed=True, adopted=False)]


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
    assert second.links == [SubscriptionChange(subscribed=True)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
