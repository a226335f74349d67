"""Deliveries of a queued lane that are underway at once: only those of one key wait for one another."""

import asyncio
import random
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from relay.events import Event
from sinks.base import DELIVERED, Batching, Outcome
from tests.support import eventually
from tests.support.scripted import DOWN, PATIENT, Rig, ScriptedSink


async def test_events_of_one_key_wait_for_one_another_and_others_do_not() -> None:
    rig = Rig(ScriptedSink(batching=Batching(concurrency=8), order=lambda event: f"odd {event.offset % 2}"), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3, 4, 5)
    await rig.round(3)
    assert rig.sink.arrived == [2, 4], "1 failed, so 3 and 5 wait"
    rig.clock.forward(10)
    await rig.round(3)
    assert rig.sink.arrived == [2, 4, 1, 3, 5]


async def test_large_deliveries_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in ((1, 1), (1 << 20, 4)):
        monkeypatch.setattr("relay.lanes.queued.ALONE", limit)
        rig = Rig(ScriptedSink(batching=Batching(concurrency=4)))
        underway: list[int] = []
        at_once: list[int] = []

        async def delivering(underway: list[int] = underway, at_once: list[int] = at_once) -> Outcome:
            underway.append(1)
            await asyncio.sleep(0.001)
            at_once.append(len(underway))
            underway.pop()
            return DELIVERED

        rig.sink.outcomes = [delivering] * 4
        rig.accept(1, 2, 3, 4)
        await rig.round()
        assert sorted(rig.sink.arrived) == [1, 2, 3, 4]
        assert max(at_once) == most


def test_what_workers_have_taken_does_not_keep_the_others_from_what_is_next() -> None:
    rig = Rig()
    ready = rig.lane._workers.ready
    ready._most = 2
    rig.accept(*range(1, 6))
    chains = []
    for most in (2, 2, 1):
        ready.fill(rig.clock.now.timestamp())
        found = [chain for _ in range(3) if (chain := ready.take())]
        assert len(found) == most
        chains += found
        assert ready.underway == len(chains)
    for chain in chains:
        ready.release(chain)
    assert ready.underway == 0
    assert len({row.id for chain in chains for row in chain.rows()}) == 5


@pytest.mark.parametrize("order", [lambda _: None, lambda event: f"key {event.offset}"], ids=["no order", "a key each"])
async def test_nobody_waits_for_the_slowest_delivery(order: Callable[[Event], str | None]) -> None:
    """One in four hangs: the others deliver all that comes meanwhile."""
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=4), order=order))
    rig.sink.outcomes = [slow]
    rig.accept(*range(1, 400))
    rig.lane.start()
    await eventually(lambda: len(rig.sink.arrived) == 398)
    assert 1 not in rig.sink.arrived
    rig.accept(400)
    await eventually(lambda: 400 in rig.sink.arrived)
    answer.set()
    await eventually(lambda: 1 in rig.sink.arrived)
    await rig.lane.stop(1.0)
    assert len(rig.sink.deliveries) == 400, "each once"
    rig.lane.tick(rig.clock.now)
    assert rig.adds_up()


@pytest.mark.parametrize("ill", ["answers at once", "raises at once", "unreadable"])
@pytest.mark.parametrize("key", [None, "one"])
async def test_a_backlog_that_is_gone_through_without_waiting_leaves_the_loop_to_others(
    ill: str, key: str | None
) -> None:
    rig = Rig(ScriptedSink(order=lambda _: key), PATIENT)
    rig.accept(*range(1, 201))
    if ill == "raises at once":
        rig.sink.poison = set(range(1, 201))
    if ill == "unreadable":
        rig.store.write(lambda db: db.execute("UPDATE outbox SET event = x'00ff'"))
    begun = rig.outbox.depth("app")
    rig.lane.start()
    with capture_logs():
        for _ in range(10):
            await asyncio.sleep(0)
        await rig.lane.stop(1.0)
    assert begun.waiting == 200
    assert len(rig.sink.deliveries) + rig.lane.dropped.total() < 15, "one at a time, with others between"


async def test_a_key_whose_delivery_hangs_holds_up_no_other_key() -> None:
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=2), order=lambda event: f"odd {event.offset % 2}"))
    rig.sink.outcomes = [slow]
    rig.accept(*range(1, 301))
    rig.lane.start()
    await eventually(lambda: len(rig.sink.arrived) == 150)
    assert rig.sink.arrived == list(range(2, 301, 2)), "in order, and none of the key that waits"
    answer.set()
    await eventually(lambda: len(rig.sink.arrived) == 300)
    await rig.lane.stop(1.0)
    assert rig.sink.arrived[150:] == list(range(1, 301, 2))


@pytest.mark.parametrize("keys", [1, 3, 40])
async def test_no_event_overtakes_another_of_its_key_while_some_fail(keys: int) -> None:
    """Twenty answers in a hundred are errors, and each takes a moment or none."""
    chance = random.Random(keys)

    async def odd() -> Outcome:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        return DOWN if chance.random() < 0.2 else DELIVERED

    options = PATIENT | {"retry_first": "0.001s", "retry_most": "0.001s"}
    rig = Rig(ScriptedSink(batching=Batching(concurrency=4), order=lambda event: str(event.offset % keys)), options)
    rig.sink.outcomes = [odd] * 10_000
    rig.accept(*range(1, 501))
    while rig.lane.waiting:
        await rig.round()
        rig.clock.forward(0.01)
    for key in range(keys):
        assert [n for n in rig.sink.arrived if n % keys == key] == [n for n in range(1, 501) if n % keys == key]
