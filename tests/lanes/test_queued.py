"""A queued lane on a clock moved by hand: what it accepts arrives in order and once, also after a stop or a crash."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.lanes.arrived import Arrived
from relay.lanes.stored_event import packed, unpacked
from relay.store.outbox import Row
from relay.store.store import Store
from sinks.base import DELIVERED, Batching, Outcome
from tests.support import eventually
from tests.support.scripted import PATIENT, Rig, ScriptedSink, numbered


class Crash(BaseException):
    """The process ends here; nothing catches that."""


async def test_events_arrive_in_order_each_under_its_own_id() -> None:
    rig = Rig()
    rig.accept(1, 2, 3)
    await rig.round()
    assert rig.sink.deliveries == [("s1-1", [1]), ("s1-2", [2]), ("s1-3", [3])]
    assert (rig.lane.accepted, rig.lane.delivered, rig.lane.waiting) == (3, 3, 0)
    assert rig.adds_up()


async def test_nothing_is_delivered_before_the_batch_is_committed() -> None:
    rig = Rig()
    rig.lane.accept([numbered(1)])
    await rig.round()
    assert rig.sink.deliveries == []
    rig.store.commit()
    await rig.round()
    assert rig.sink.arrived == [1]


async def test_the_same_batch_goes_out_again_after_a_crash() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), PATIENT)

    async def crash() -> Outcome:
        raise Crash

    rig.sink.outcomes = [crash]
    rig.accept(1, 2)
    with pytest.raises(Crash):
        await rig.round()
    rig.lane = rig.make_lane()
    rig.accept(3)
    await rig.round()
    assert rig.sink.deliveries[0] == rig.sink.deliveries[1] == ("s1-1", [1, 2])
    assert rig.sink.arrived == [1, 2, 3]


async def test_a_sink_that_needs_no_disk_delivers_all_the_same() -> None:
    """Its outbox is its own; no batch of the intake commits it."""
    rig = Rig()
    type(rig.sink).durable = False
    try:
        rig.lane.accept([numbered(1)])
        await rig.round()
    finally:
        del type(rig.sink).durable
    assert rig.sink.arrived == [1]


@pytest.mark.parametrize("hold", [False, True])
async def test_a_lane_that_stops_waits_for_what_is_underway_and_no_longer(hold: bool) -> None:
    """Whatever it is at then has ended when `stop` returns."""
    ended = []

    async def delivering() -> Outcome:
        try:
            await (asyncio.Event().wait() if hold else asyncio.sleep(0))
        finally:
            ended.append(hold)
        return DELIVERED

    rig = Rig()
    rig.sink.outcomes = [delivering]
    rig.accept(1, 2)
    rig.lane.start()
    await eventually(lambda: len(rig.sink.deliveries) > 0)
    await rig.lane.stop(0.01 if hold else 60.0)
    assert ended == [hold]
    assert (1 in rig.sink.arrived) is not hold
    assert rig.lane._workers.tasks == set()
    assert rig.adds_up()


@pytest.mark.parametrize("rows", [1, 49, 50])
async def test_what_has_arrived_is_forgotten_soon_and_many_rows_at_once(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.lanes.arrived.FLUSH_SECONDS", 0.01)
    outbox = Rig().outbox
    forgotten: list[int] = []
    monkeypatch.setattr(outbox, "delivered", lambda those: forgotten.append(len(those)))
    arrived = Arrived(outbox)
    for number in range(rows):
        arrived.add([Row(number, "app", "waiting", None, None, None, 0.0, 0.0)])
    assert forgotten == ([50] if rows == 50 else [])
    await eventually(lambda: forgotten == [rows])
    arrived.flush()
    assert forgotten == [rows]


@pytest.mark.parametrize("with_original", [True, False])
def test_an_event_is_in_the_outbox_with_its_message_as_it_came_if_that_is_wanted(with_original: bool) -> None:
    event = numbered(1)
    event.original = b"line\nand line"
    again = unpacked(packed(event, with_original=with_original))
    assert again.id == "s1-1"
    assert (again.original == event.original) is with_original


async def test_the_worker_outlives_a_round_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    real = rig.lane._workers.round
    errors = [ValueError("odd")]

    async def failing() -> None:
        if errors:
            raise errors.pop()
        await real()

    monkeypatch.setattr(rig.lane._workers, "round", failing)
    rig.accept(1)
    with capture_logs() as logs:
        rig.lane.start()
        await eventually(lambda: rig.sink.arrived == [1])
        await rig.lane.stop(1.0)
    assert "lane failed" in [entry["event"] for entry in logs]


async def test_a_store_on_disk_serves_the_next_process(tmp_path: Path) -> None:
    first = Rig(store=Store(tmp_path / "relay.db"))
    first.accept(1, 2)
    first.store.close()
    second = Rig(store=Store(tmp_path / "relay.db"))
    second.lane.start()
    await eventually(lambda: second.sink.arrived == [1, 2])
    await second.lane.stop(1.0)
    assert second.lane.accepted == 2
    second.store.close()


async def test_a_crash_repeats_at_most_what_was_not_forgotten_yet_and_under_the_same_ids() -> None:
    async def crash() -> Outcome:
        raise Crash

    rig = Rig()
    rig.sink.outcomes = [*[DELIVERED] * 80, crash]
    rig.accept(*range(1, 101))
    with pytest.raises(Crash):
        await rig.round()
    assert rig.outbox.count_of("app") == 50, "fifty were forgotten together, thirty were not yet"
    rig.lane = rig.make_lane()
    await rig.round()
    repeated = [delivery for delivery, count in Counter(d for d, _ in rig.sink.deliveries).items() if count > 1]
    assert repeated == [f"s1-{number}" for number in range(51, 82)]
    assert rig.outbox.count_of("app") == 0
