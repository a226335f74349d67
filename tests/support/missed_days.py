"""What the tests of the missed run have in common: moments of its day, and what was reported."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from relay.events import Event
from relay.runs.signals import State
from relay.tickstockpl.models import HistoryRun
from tests.support.days import DUE
from tests.support.wire import utc
from tests.support.world import World

MINUTE = timedelta(minutes=1)
GRACE_OVER = DUE + 5 * MINUTE
PATIENCE_OVER = DUE + 8 * MINUTE
STARTS = ("never_started", "run_not_planned", "schedule_disabled")


def about_starts(day: World) -> list[str]:
    return [alert for alert in day.alerts_announced if alert.startswith(STARTS)]


def fired_at(day: World, name: str = "never_started") -> datetime:
    return next(at for at, announcement in day.announcements if announcement.channel == f"relay:alert:{name}")


def gap(day: World, begin: str, end: str) -> None:
    """The relay is not subscribed for a while."""
    day.until(utc(f"2025-01-27 {begin}"), 10)
    day.watchdog.note_connection(None)
    day.is_disconnected = True
    day.until(utc(f"2025-01-27 {end}"), 10)
    day.is_disconnected = False
    day.watchdog.note_connection(day.now, gap=(utc(f"2025-01-27 {begin}"), day.now))


def row(start: datetime, run_id: str = "r1", minutes: float = 35, **more: Any) -> HistoryRun:
    known = HistoryRun(run_id, None, start, start + minutes * MINUTE, "completed", 505, 5, 1250, 7575, minutes * 60)
    return replace(known, **more)


def day_state(day: World) -> tuple[State, str | None]:
    scheduled = day.watchdog.run_schedule.current
    assert scheduled is not None
    return scheduled.state, scheduled.run_id


def later(events: list[Event], by: timedelta) -> list[Event]:
    """The same events, sent again so much later."""
    for one in events:
        one.received += by
    return events
