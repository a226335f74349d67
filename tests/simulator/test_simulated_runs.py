"""Runs on a real Valkey: order, clocks, the scheduler, and a Redis that comes late or goes away."""

import asyncio
import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx

from tests.simulator.hearing import Hearing, listening
from tests.simulator.test_simulated_flow import CONTRACT_ORDER, PER_ITEM
from tests.support import Valkey, eventually, free_port
from tickstock_simulator.publisher import Publisher
from tickstock_simulator.tickstockpl import Simulator, silent
from tickstock_simulator.wire import Message

NEW_YORK = ZoneInfo("America/New_York")
FAST = 6000.0  # a run in a third of a second
MONDAY = datetime(2025, 1, 27, 16, 9, 30, tzinfo=NEW_YORK)


class Log:
    """What the simulator said, event by event."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **facts: object) -> None:
        self.lines.append((event, facts))

    def count(self, event: str) -> int:
        return sum(logged == event for logged, _ in self.lines)


async def test_a_run_arrives_in_the_contracts_order_and_byte_for_byte(redis_url: str, hearing: Hearing) -> None:
    published: list[tuple[str, bytes]] = []
    log = Log()
    async with Simulator(
        redis_url, speed=FAST, run="now", say=log, on_publish=lambda *message: published.append(message)
    ) as simulator:
        await hearing.completed()
        await simulator.wait_until_done()
    names = [channel for channel, _ in hearing.messages if channel not in PER_ITEM]
    assert [name for name, _ in itertools.groupby(names)] == CONTRACT_ORDER
    assert hearing.messages == published
    assert simulator.publisher.sent.total() == len(published) > 800
    assert simulator.publisher.lost == 0
    assert log.count("phase_completed") == 4


async def test_with_the_simulated_clock_events_tell_the_simulated_day(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=FAST, start=MONDAY, clock="simulated", run="scheduled", runs=1) as simulator:
        ended = await hearing.completed()
        await simulator.wait_until_done()
    started = hearing.events("tickstock:processing:status", "processing_started")[0]
    assert started["timestamp"] == "2025-01-27T21:10:00Z"
    assert started["payload"]["run_date"] == ended["run_date"] == "2025-01-27"
    assert ended["duration_seconds"] == 2100
    assert hearing.events(event="processing_completed")[0]["timestamp"] == "2025-01-27T21:45:00Z"
    patterns = hearing.events("tickstock:patterns:completed")[0]
    assert patterns["payload"]["duration_seconds"] == simulator.finished[0].phase_seconds["patterns"] == 1200


async def test_with_the_real_clock_moments_and_durations_are_the_real_ones(redis_url: str, hearing: Hearing) -> None:
    before = datetime.now(UTC)
    async with Simulator(redis_url, speed=FAST, start=MONDAY, run="scheduled", runs=1) as simulator:
        ended = await hearing.completed()
        await simulator.wait_until_done()
    first, last = (datetime.fromisoformat(hearing.events()[at]["timestamp"]) for at in (0, -1))
    assert (first - before).total_seconds() < 5
    assert 0.3 < (last - first).total_seconds() < 0.4
    assert ended["duration_seconds"] == 0.35


async def test_the_schedule_knows_summer_time_weekends_and_holidays(redis_url: str) -> None:
    due = {
        datetime(2025, 1, 24, 12, tzinfo=NEW_YORK): "2025-01-24T21:10:00Z",  # a Friday in winter
        datetime(2025, 1, 24, 17, tzinfo=NEW_YORK): "2025-01-27T21:10:00Z",  # after it: Monday
        datetime(2025, 7, 3, 17, tzinfo=NEW_YORK): "2025-07-07T20:10:00Z",  # July 4th and a weekend, summer time
        datetime(2025, 11, 28, 9, tzinfo=NEW_YORK): "2025-11-28T21:10:00Z",  # a half day
    }
    for start, next_run in due.items():
        async with Simulator(redis_url, start=start, clock="simulated") as simulator, httpx.AsyncClient() as client:
            answer = await client.get(f"{simulator.url}/api/processing/schedule")
        assert answer.json()["next_run"] == next_run


async def test_scheduled_runs_start_each_trading_day_and_not_on_a_weekend(redis_url: str, hearing: Hearing) -> None:
    friday = datetime(2025, 1, 24, 16, 9, tzinfo=NEW_YORK)
    async with Simulator(
        redis_url, speed=500_000, start=friday, clock="simulated", run="scheduled", runs=3, items=0
    ) as simulator:
        async with asyncio.timeout(120):
            await simulator.wait_until_done()
        await hearing.until(lambda: len(hearing.events(event="processing_completed")) == 3)
    days = [event["payload"]["run_date"] for event in hearing.events(event="processing_started")]
    assert days == ["2025-01-24", "2025-01-27", "2025-01-28"]
    assert len({run.run_id for run in simulator.finished}) == 3


async def test_a_moved_schedule_is_published_and_obeyed(redis_url: str, hearing: Hearing) -> None:
    start = MONDAY.replace(minute=0)
    async with Simulator(redis_url, speed=600, start=start, clock="simulated", run="scheduled", runs=1) as simulator:
        await simulator.reschedule({"trigger_time": "16:12"})
        await hearing.until(lambda: hearing.events(event="processing_started"))
    moved = hearing.events("tickstock:processing:schedule", "schedule_updated")[0]
    assert moved["payload"]["trigger_time"] == "16:12"
    assert moved["payload"]["next_run"] == "2025-01-27T21:12:00Z"
    assert hearing.events(event="processing_started")[0]["timestamp"] == "2025-01-27T21:12:00Z"


async def test_redis_down_at_the_start_is_said_once_and_the_run_waits_for_it() -> None:
    port, log = free_port(), Log()
    async with Simulator(f"redis://user:secret@127.0.0.1:{port}/0", speed=FAST, run="now", say=log) as simulator:
        await eventually(lambda: log.count("redis_unreachable"))
        async with httpx.AsyncClient() as client:
            health = (await client.get(f"{simulator.url}/health")).json()
        assert health["status"] == "degraded"
        assert health["services"]["redis"] == "unhealthy"
        assert simulator.current is None
    assert "secret" not in str(log.lines)

    log = Log()
    async with Simulator(f"redis://127.0.0.1:{port}/0", speed=FAST, run="now", say=log) as simulator:
        await eventually(lambda: log.count("redis_unreachable"))
        with Valkey(port=port):
            async with asyncio.timeout(120):
                await simulator.wait_until_done()
    assert [event for event, _ in log.lines if event.startswith("redis")][:2] == [
        "redis_unreachable",
        "redis_connected",
    ]
    assert log.count("redis_unreachable") == 1
    assert simulator.publisher.sent["tickstock:processing:status"] == 2


async def test_what_is_published_while_redis_is_away_is_lost_and_counted() -> None:
    port, log = free_port(), Log()
    async with Simulator(f"redis://127.0.0.1:{port}/0", speed=600, run="now", say=log) as simulator:
        with Valkey(port=port):
            await eventually(lambda: simulator.publisher.sent.total() >= 20)
        await eventually(lambda: simulator.publisher.lost >= 20)
        with Valkey(port=port) as valkey:
            async with listening(valkey.url) as hearing:
                await hearing.completed()
    assert log.count("redis_lost") == 1
    assert log.count("redis_connected") == 2
    assert 20 <= simulator.publisher.lost < 856


async def test_the_same_seed_publishes_the_same_run_ids_and_results(redis_url: str) -> None:
    bodies = []
    for _ in range(2):
        async with listening(redis_url) as hearing:
            async with Simulator(
                redis_url, speed=FAST, start=MONDAY, clock="simulated", run="scheduled", runs=1, seed=9
            ):
                await hearing.completed()
            bodies.append(hearing.messages)
    assert bodies[0] == bodies[1]


async def test_publishing_ends_when_it_is_cancelled_whatever_the_moment(redis_url: str) -> None:
    publisher = Publisher(redis_url, say=silent)
    await publisher.start()

    async def publish_on_and_on() -> None:
        while True:
            await publisher.publish([Message("tickstock:monitoring", b"{}", 0.0)])

    for turns in range(200):
        task = asyncio.create_task(publish_on_and_on())
        for _ in range(turns % 20):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=120)
        assert ended, "the cancel was swallowed"
    await publisher.stop()
