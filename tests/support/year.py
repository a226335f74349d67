"""What TickStockPL and the relay do on one day of the year test: each kind of day is a short play."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun, Schedule
from tests.support.wire import a_run, event, upto
from tests.support.world import IDLE, World

NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Day:
    """One day of TickStockPL and the relay."""

    world: World
    date: str

    def at(self, clock: str) -> datetime:
        """That local time, in UTC: by the zone database, not by the code under test."""
        return utc_of(f"{self.date} {clock}")

    @property
    def run_id(self) -> str:
        return f"run-{self.date}"

    def good_run(self, clock: str = "16:10", **more: object) -> None:
        start = self.at(clock)
        self.world.play(a_run(start, self.run_id, steps=10, **more), step=60)  # type: ignore[arg-type] # claims
        self.finish(start, self.world.now)

    def finish(self, start: datetime, end: datetime, status: str = "completed") -> None:
        """The run enters the API's history, which shows a week."""
        row = HistoryRun(self.run_id, None, start, end, status, 505, 5, 1250, 7575, (end - start).total_seconds())
        self.world.history = [*self.world.history[-6:], row]


def utc_of(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(UTC)


def play_day(day: Day, what: str) -> None:
    """Let one day happen."""
    PLAYS.get(what, PLAYS["as usual"])(day)


def _never(day: Day) -> None:
    day.world.until(day.at("16:20"), 60)


def _never_restarted(day: Day) -> None:
    for clock in ("16:09", "16:14", "16:16", "16:40"):
        day.world.until(day.at(clock), 60)
        day.world.start_relay()
        day.world.tick()


def _never_api_down(day: Day) -> None:
    day.world.until(day.at("13:00"), 60)
    day.world.api_up = False
    day.world.until(day.at("22:00"), 60)
    day.world.api_up = True
    day.world.until(day.at("22:10"), 60)


def _fails(day: Day) -> None:
    events = upto(a_run(day.at("16:10"), day.run_id, steps=10), "indicator_progress")
    day.world.play(events, step=60)
    day.world.until(day.at("16:23"), 60)
    day.world.tell("processing:status", "processing_completed", run_id=day.run_id, status="failed", error="no database")
    day.finish(day.at("16:10"), day.world.now, "failed")
    day.world.tick()


def _stalls(day: Day) -> None:
    events = a_run(day.at("16:10"), day.run_id, steps=10)
    until_there = [one for one in events if one.received < day.at("16:37")]
    day.world.play(until_there, step=60)
    day.world.until(day.at("16:56"), 60)  # silent since 16:36
    for one in events[len(until_there) :]:
        later = one.received + timedelta(minutes=20) - timedelta(minutes=1)
        day.world.until(later, 60)
        day.world.publish(event(one.channel.removeprefix("tickstock:"), one.event, later, **one.payload))
    day.finish(day.at("16:10"), day.world.now)


def _api_down(day: Day) -> None:
    day.world.until(day.at("12:00"), 60)
    day.world.api_up = False
    day.good_run()
    day.world.until(day.at("19:00"), 60)
    day.world.api_up = True
    day.world.until(day.at("19:10"), 60)


def _relay_down_whole(day: Day) -> None:
    day.world.until(day.at("16:00"), 60)
    day.world.stop_relay()
    day.good_run()
    day.world.until(day.at("17:00"), 60)
    day.world.start_relay()
    day.world.tick()


def _relay_down_half(day: Day) -> None:
    day.world.until(day.at("16:09"), 60)
    day.world.stop_relay()
    events = a_run(day.at("16:10"), day.run_id, steps=10)
    day.world.play([one for one in events if one.received < day.at("16:24")], step=60)
    day.world.start_relay()
    day.world.runs.missed_events(day.world.now)
    day.world.play([one for one in events if one.received >= day.at("16:24")], step=60)
    day.finish(day.at("16:10"), day.world.now)


def _move(day: Day, at: str, to: str, *, is_published: bool) -> None:
    day.world.until(day.at(at), 60)
    day.world.schedule = Schedule(enabled=True, trigger_time=to, timezone="America/New_York")
    if is_published:
        day.world.tell("processing:schedule", "schedule_updated", enabled=True, trigger_time=to)


def _moved_later(day: Day) -> None:
    _move(day, "10:00", "17:30", is_published=True)
    day.good_run("17:30")


def _moved_back_after(day: Day) -> None:
    _move(day, "17:00", "16:10", is_published=True)  # 16:10 is over: today there is none


def _moved_past(day: Day) -> None:
    _move(day, "15:30", "15:00", is_published=False)


def _moved_back(day: Day) -> None:
    _move(day, "09:00", "16:10", is_published=False)
    day.good_run()


def _switched(day: Day, *, enabled: bool) -> None:
    day.world.until(day.at("09:00"), 60)
    day.world.schedule = Schedule(enabled=enabled, trigger_time="16:10", timezone="America/New_York")
    if enabled:
        day.world.until(day.at("09:06"), 60)
        day.good_run()
    else:
        _never(day)


def _zero(day: Day) -> None:
    day.good_run(symbols_processed=0, symbols_failed=0, indicators_calculated=0, patterns_detected=0)


def _disconnected(day: Day) -> None:
    events = a_run(day.at("16:10"), day.run_id)
    day.world.until(events[0].received, 60)
    day.world.is_disconnected = True
    day.world.play(events, step=60)
    day.world.is_disconnected = False
    day.finish(events[0].received, day.world.now)
    day.world.until(day.at("16:50"), 60)


def _two_hours(day: Day) -> None:
    start = day.at("16:10")
    day.world.play(a_run(start, day.run_id, minutes=(90, 1, 9, 20), steps=40), step=60)
    day.finish(start, day.world.now)


def _started_after(day: Day) -> None:
    day.world.until(day.at("15:00"), 60)
    day.world.stop_relay()
    day.world.until(day.at("17:00"), 60)
    day.world.shelves["runs"] = MemoryShelf()
    day.world.shelves["alerts"] = MemoryShelf()
    day.world.shelves["watchdog"] = MemoryShelf()
    day.world.start_relay()
    day.world.tick()
    day.world.until(day.at("17:05"), 60)


def _no_end(day: Day) -> None:
    events = a_run(day.at("16:10"), day.run_id, steps=10)
    day.world.play(events[:-1], step=60)
    day.world.status = IDLE
    day.finish(day.at("16:10"), day.world.now)
    day.world.until(day.at("16:50"), 60)


def _cancelled(day: Day) -> None:
    day.world.play(upto(a_run(day.at("16:10"), day.run_id, steps=10), "indicator_progress"), step=60)
    day.world.until(day.at("16:23"), 60)
    day.world.tell("processing:status", "processing_completed", run_id=day.run_id, status="cancelled")
    day.finish(day.at("16:10"), day.world.now, "cancelled")
    day.world.tick()


PLAYS: dict[str, Callable[[Day], None]] = {
    "as usual": Day.good_run,
    "nothing": lambda _: None,
    "never starts": _never,
    "starts 25 minutes late": lambda day: day.good_run("16:35"),
    "starts 4 minutes late": lambda day: day.good_run("16:14"),
    "never starts; started by hand an hour later": lambda day: day.good_run("17:10"),
    "never starts; relay restarted before and after the alert": _never_restarted,
    "never starts; api down": _never_api_down,
    "fails in indicators": _fails,
    "stalls in patterns for 20 minutes": _stalls,
    "api down from noon to evening": _api_down,
    "manual run": lambda day: day.good_run("11:00"),
    "relay down over the whole run": _relay_down_whole,
    "relay down from the start of the run to its middle": _relay_down_half,
    "schedule moved to 17:30 in the morning": _moved_later,
    "schedule moved back to 16:10 at 17:00": _moved_back_after,
    "schedule moved to 15:00 at noon, not followed": _moved_past,
    "schedule moved back to 16:10 in the morning": _moved_back,
    "schedule switched off in the morning": lambda day: _switched(day, enabled=False),
    "schedule still off": _never,
    "schedule switched on in the morning": lambda day: _switched(day, enabled=True),
    "zero results": _zero,
    "no events, the api shows the run": _disconnected,
    "runs for two hours": _two_hours,
    "relay started after a missed run": _started_after,
    "ends without a word": _no_end,
    "cancelled": _cancelled,
    "low success rate": lambda day: day.good_run(symbols_failed=100),
}
