"""The watchdog's shell: when the API is asked."""

import asyncio
from datetime import datetime, timedelta

import pytest

from relay.config.settings import Settings
from relay.events import Announcement
from relay.process.clock import Clock
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf
from relay.store.store import Store
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState, Poller
from relay.watchdog.poll import Watch
from tests.support.days import DUE
from tests.support.scripted import Clock as ByHand
from tests.support.waiting import eventually
from tests.support.wire import utc

NOON = utc("2025-01-27 12:00")
INTERVAL = timedelta(seconds=30)


async def test_the_api_is_asked_in_its_turn_also_after_a_poll_that_stumbled(monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[bool] = []

    async def poll(_: Poller, *, want_history: bool = False) -> ApiState:
        polls.append(want_history)
        if len(polls) == 1:
            raise ZeroDivisionError
        return ApiState()

    monkeypatch.setattr(Poller, "poll", poll)
    watch = Watch(Settings(), Runs(MemoryShelf()), Alerts(MemoryShelf()), Store(None), Clock(lambda: NOON, lambda: 0.0))
    watch.tick(NOON)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(120):
            await watch.run(lambda *_: None)
    again = asyncio.create_task(watch.run(lambda *_: None))
    try:
        watch.tick(NOON + INTERVAL - timedelta(seconds=1))
        assert not watch._turn.is_set()
        watch.tick(NOON + INTERVAL)
        await eventually(lambda: len(polls) == 2)
        watch.note_connection(NOON, gap=(NOON, NOON))
        watch.tick(NOON + INTERVAL + timedelta(seconds=10))  # not a history of a moment ago once more
        await eventually(lambda: polls[2:] == [True])
    finally:
        again.cancel()


@pytest.mark.parametrize("decides", [False, True])
def test_while_the_answers_decide_they_are_asked_for_every_ten_seconds(*, decides: bool) -> None:
    begins = DUE - timedelta(hours=1) if not decides else DUE + timedelta(minutes=4)
    watch = Watch(
        Settings(), Runs(MemoryShelf()), Alerts(MemoryShelf()), Store(None), Clock(lambda: begins, lambda: 0.0)
    )
    asked = []
    for second in range(61):
        now = begins + timedelta(seconds=second)
        watch.tick(now)
        if watch._turn.is_set():
            asked.append(second)
            watch._turn.clear()
    assert asked == (list(range(0, 61, 10)) if decides else [0, 30, 60])


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=400), timedelta(hours=-30)], ids=str)
async def test_after_a_step_of_the_clock_nothing_is_judged_before_a_minute_and_the_next_answer(
    monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    async def poll(_: Poller, *, want_history: bool = False) -> ApiState:  # noqa: ARG001 - as it is called
        return ApiState()

    monkeypatch.setattr(Poller, "poll", poll)
    by_hand = ByHand(DUE - timedelta(hours=2))
    clock = by_hand.judged()
    watch = Watch(Settings(), Runs(MemoryShelf()), Alerts(MemoryShelf()), Store(None), clock)
    judged: list[datetime] = []

    def judge(now: datetime, _: ApiState) -> list[Announcement]:
        judged.append(now)
        return []

    monkeypatch.setattr(watch.dog, "tick", judge)

    def tick(seconds: float) -> int:
        by_hand.forward(seconds)
        watch.tick(clock.now())
        return len(judged)

    assert tick(1) == 1
    by_hand.set(step.total_seconds())
    assert (tick(1), tick(58), tick(10)) == (1, 1, 1), "nothing was asked yet"
    asking = asyncio.create_task(watch.run(lambda *_: None))
    try:
        await eventually(lambda: not watch._turn.is_set())
        assert tick(1) == 2
        by_hand.set(-step.total_seconds())
        await eventually(lambda: (tick(0), not watch._turn.is_set())[1])
        assert (tick(1), tick(50)) == (2, 2), "it was asked, and it is no minute yet"
        assert tick(20) == 3
    finally:
        asking.cancel()


def test_the_second_of_two_gaps_is_asked_about_as_soon_as_history_may_be_asked_again() -> None:
    begins = DUE - timedelta(hours=1)
    watch = Watch(
        Settings(), Runs(MemoryShelf()), Alerts(MemoryShelf()), Store(None), Clock(lambda: begins, lambda: 0.0)
    )
    asked = []
    for second in range(30):
        now = begins + timedelta(seconds=second)
        if second in (12, 15):
            watch.note_connection(now, gap=(now - timedelta(seconds=2), now))
        watch.tick(now)
        if watch._turn.is_set():
            asked.append(second)
            watch._turn.clear()
            watch._history_wanted = False
    assert asked == [0, 12, 22]
