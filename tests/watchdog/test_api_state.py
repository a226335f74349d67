"""Asking the API for the watchdog, and acting on it, against a real server on loopback."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.events import Severity
from relay.tickstockpl.client import TickStockPL
from relay.watchdog.api_state import HISTORY_EVERY, SCHEDULE_EVERY, Poller
from relay.watchdog.autotrigger import attempt
from relay.watchdog.run_schedule import ScheduledRun
from tests.support.api_stand import Stand, http, standing
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
IDLE = http({"is_running": False})
SCHEDULE = http({"enabled": True, "trigger_time": "16:15", "timezone": "America/New_York"})
HISTORY = http({"runs": [{"run_id": "r1", "status": "completed"}]})
SLOT = ScheduledRun(day=NOW.date(), due=NOW)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def paths(stand: Stand) -> list[str]:
    return [asked.line.split()[1].removeprefix("/api/processing/") for asked in stand.asked]


async def test_the_status_is_asked_each_time_and_the_rest_rarely() -> None:
    clock = Clock()
    async with standing(IDLE, SCHEDULE, HISTORY, IDLE) as stand, TickStockPL(stand.url, retries=0) as client:
        poller = Poller(client, clock)
        view = await poller.poll()
        assert (view.is_running, view.answered_at, view.history_at) == (False, NOW, NOW)
        assert view.schedule is not None
        assert view.schedule.trigger_time == "16:15"
        clock.now += SCHEDULE_EVERY - timedelta(seconds=1)
        await poller.poll()
        assert paths(stand) == ["status", "schedule", "history?days=30", "status"]


async def test_a_wanted_history_is_asked_for_at_once_but_not_over_and_over_when_it_fails() -> None:
    clock = Clock()
    broken = http({"detail": "no"}, status="500 Internal Server Error")
    async with (
        standing(IDLE, SCHEDULE, HISTORY, IDLE, broken, IDLE) as stand,
        TickStockPL(stand.url, retries=0) as client,
    ):
        poller = Poller(client, clock)
        await poller.poll()
        clock.now += timedelta(seconds=60)
        view = await poller.poll(want_history=True)
        assert (view.answers, view.history_at) == (True, NOW)
        assert "500" in (view.history_error or "")
        assert (view.history_failures, view.history_failing_since, view.error) == (1, clock.now, None)
        clock.now += timedelta(seconds=1)
        view = await poller.poll(want_history=True)
        assert paths(stand)[3:] == ["status", "history?days=7", "status"]
        assert view.error is None


async def test_a_wanted_history_is_asked_for_although_the_status_fails() -> None:
    clock = Clock()
    broken = http({"detail": "no"}, status="500 Internal Server Error")
    async with standing(broken, HISTORY, broken, IDLE) as stand, TickStockPL(stand.url, retries=0) as client:
        poller = Poller(client, clock)
        view = await poller.poll(want_history=True)
        assert (view.answers, view.history_at, view.failing_since) == (False, NOW, NOW)
        clock.now += timedelta(seconds=10)
        view = await poller.poll()
        assert paths(stand) == ["status", "history?days=30", "status"]


async def test_what_is_no_history_is_a_failure_each_time_until_it_can_be_read() -> None:
    clock = Clock()
    no_runs, cut = http({"items": []}), http({"detail": "no"}, status="502 Bad Gateway")
    async with (
        standing(IDLE, SCHEDULE, no_runs, IDLE, cut, IDLE, HISTORY) as stand,
        TickStockPL(stand.url, retries=0) as client,
    ):
        poller = Poller(client, clock)
        seen = []
        for _ in range(3):
            view = await poller.poll(want_history=True)
            seen.append((view.history_failures, view.history_at is not None))
            clock.now += timedelta(seconds=10)
    assert seen == [(1, False), (2, False), (0, True)]
    assert (view.history_error, view.history_failing_since) == (None, None)


async def test_an_api_that_does_not_answer_is_failing_since_the_first_time() -> None:
    clock = Clock()
    async with TickStockPL("http://127.0.0.1:1", retries=0) as client:
        poller = Poller(client, clock)
        await poller.poll()
        clock.now += HISTORY_EVERY
        view = await poller.poll()
    assert (view.answers, view.failing_since, view.is_running) == (False, NOW, None)
    assert "127.0.0.1:1" in (view.error or "")


async def test_what_the_relay_started_itself_is_said_with_what_came_of_it() -> None:
    started: Any = http({"run_id": "r7", "status": "started", "message": "Processing started"})
    async with standing(started) as stand, TickStockPL(stand.url) as client:
        (announcement,) = await attempt(client, SLOT)
    assert json.loads(stand.asked[0].body) == {"skip_market_check": False}
    assert (announcement.channel, announcement.event, announcement.severity, announcement.run_id) == (
        "relay:watchdog:auto_triggered",
        "auto_triggered",
        Severity.WARNING,
        "r7",
    )
    assert announcement.payload["message"].endswith(
        " and had not started; watchdog.auto_trigger is on. No second attempt is made."
        " TickStockPL says: Processing started."
    )


async def test_a_start_that_fails_is_an_error_and_is_not_tried_again() -> None:
    async with (
        standing(http({"detail": "market closed"}, status="409 Conflict")) as stand,
        TickStockPL(stand.url) as client,
    ):
        (announcement,) = await attempt(client, SLOT)
    assert len(stand.asked) == 1
    assert (announcement.severity, announcement.payload["outcome"]) == (Severity.ERROR, "failed")
    assert "market closed" in announcement.payload["message"]


@pytest.mark.parametrize(
    "answer", [{"status": "skipped", "message": "market closed"}, {"run_id": "r7", "status": "rejected"}, {}]
)
async def test_an_answer_that_names_no_run_is_not_said_to_have_started_one(answer: dict[str, str]) -> None:
    async with standing(http(answer)) as stand, TickStockPL(stand.url) as client:
        (announcement,) = await attempt(client, SLOT)
    assert (announcement.severity, announcement.payload["outcome"], announcement.run_id) == (
        Severity.ERROR,
        "failed",
        None,
    )
    assert (answer.get("message") or answer.get("status") or "nothing") in announcement.payload["message"]
