"""The watchdog's shell: when the API is asked."""

import asyncio
from datetime import timedelta

import pytest

from relay.clock import Clock
from relay.config.settings import Settings
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf
from relay.store.store import Store
from relay.watchdog.alerts import Alerts
from relay.watchdog.apiview import ApiView, Poller
from relay.watchdog.watch import Watch
from tests.days import DUE
from tests.parts.waiting import eventually
from tests.wire import utc

NOON = utc("2025-01-27 12:00")
INTERVAL = timedelta(seconds=30)


async def test_the_api_is_asked_in_its_turn_also_after_a_poll_that_stumbled(monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[bool] = []

    async def poll(_: Poller, *, want_history: bool = False) -> ApiView:
        polls.append(want_history)
        if len(polls) == 1:
            raise ZeroDivisionError
        return ApiView()

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
        watch.hearing(NOON, gap=(NOON, NOON))
        watch.tick(NOON + INTERVAL)
        await eventually(lambda: polls[2:] == [True])
    finally:
        again.cancel()


@pytest.mark.parametrize("decides", [False, True])
def test_while_the_answers_decide_they_are_asked_for_every_ten_seconds(*, decides: bool) -> None:
    begins = DUE - timedelta(hours=1) if not decides else DUE + timedelta(minutes=4)
    watch = Watch(Settings(), Runs(MemoryShelf()), Alerts(MemoryShelf()), Store(None), lambda: begins)
    asked = []
    for second in range(61):
        now = begins + timedelta(seconds=second)
        watch.tick(now)
        if watch._turn.is_set():
            asked.append(second)
            watch._turn.clear()
    assert asked == (list(range(0, 61, 10)) if decides else [0, 30, 60])
