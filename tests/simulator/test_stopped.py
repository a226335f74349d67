"""A stand-in that is stopped in the middle has counted exactly what Redis took: the demo's judgement rests on it."""

import asyncio

import pytest

from tests.simulator.hearing import Hearing
from tickstock_simulator.publisher import Publisher
from tickstock_simulator.tickstockpl import Simulator
from tickstock_simulator.wire import Message


@pytest.mark.parametrize("heard", [1, 100, 400])
async def test_stopped_in_a_run_it_has_counted_what_arrived(redis_url: str, hearing: Hearing, heard: int) -> None:
    async with Simulator(redis_url, speed=6000.0, run="now") as simulator:
        await hearing.until(lambda: len(hearing.messages) >= heard)
        await simulator.stop()
        sent = simulator.publisher.sent.total()
        await hearing.until(lambda: len(hearing.messages) >= sent)
    assert len(hearing.messages) == simulator.publisher.sent.total()


async def test_who_is_cancelled_while_publishing_has_published_all_or_none(redis_url: str, hearing: Hearing) -> None:
    publisher = Publisher(redis_url, say=lambda *_, **__: None)
    await publisher.start()
    batch = [Message("tickstock:errors", b"{}", 0.0)] * 50
    for turns in range(20):
        publishing = asyncio.create_task(publisher.publish(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        publishing.cancel()
        await asyncio.wait([publishing])
    await publisher.stop()
    assert publisher.sent.total() >= 50
    await hearing.until(lambda: len(hearing.messages) >= publisher.sent.total())
    assert len(hearing.messages) == publisher.sent.total()
