"""A year of trading days on an injected clock, every alert held against a table that was written by hand.

What TickStockPL does on which day stands in `SCRIPT`; what the relay must say, to the minute and in UTC, in `EXPECTED`.
Neither is computed by the code under test: dates, holidays and clock changes of 2025 were copied from a calendar.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.schedule import timetable
from relay.tickstockpl.models import Schedule
from tests.support.wire import utc
from tests.support.world import World
from tests.support.year import Day, play_day, utc_of

# The exchange's closings of 2025 (the day of mourning on 9 January included), as its calendar lists them.
CLOSED = [
    "2025-01-01",
    "2025-01-09",
    "2025-01-20",
    "2025-02-17",
    "2025-04-18",
    "2025-05-26",
    "2025-06-19",
    "2025-07-04",
    "2025-09-01",
    "2025-11-27",
    "2025-12-25",
]

# Days on which something is not as usual; on all others the run of 16:10 New York starts in time and goes well.
# Half days are in here only if something happens on them: 3 July, 28 November and 24 December are ordinary days.
SCRIPT = {
    "2025-01-14": "never starts",
    "2025-01-22": "starts 25 minutes late",
    "2025-01-29": "fails in indicators",
    "2025-02-05": "stalls in patterns for 20 minutes",
    "2025-02-11": "never starts; relay restarted before and after the alert",
    "2025-02-19": "api down from noon to evening",
    "2025-02-25": "never starts; api down",
    "2025-03-07": "never starts",  # Friday before the clocks go forward
    "2025-03-10": "starts 25 minutes late",  # Monday after
    "2025-03-16": "manual run",  # a Sunday
    "2025-03-19": "relay down over the whole run",
    "2025-04-02": "relay down from the start of the run to its middle",
    "2025-04-17": "never starts",  # Thursday before Good Friday
    "2025-05-06": "schedule moved to 17:30 in the morning",
    "2025-05-07": "schedule moved back to 16:10 at 17:00",
    "2025-05-14": "schedule moved to 15:00 at noon, not followed",
    "2025-05-15": "schedule moved back to 16:10 in the morning",
    "2025-06-04": "schedule switched off in the morning",
    "2025-06-05": "schedule still off",
    "2025-06-06": "schedule switched on in the morning",
    "2025-06-25": "zero results",
    "2025-07-03": "never starts",  # a half day
    "2025-07-16": "no events, the api shows the run",
    "2025-08-06": "starts 4 minutes late",
    "2025-08-20": "runs for two hours",
    "2025-09-10": "relay started after a missed run",
    "2025-09-24": "ends without a word",
    "2025-10-08": "cancelled",
    "2025-10-31": "never starts",  # Friday before the clocks go back
    "2025-11-03": "starts 25 minutes late",  # Monday after
    "2025-11-28": "never starts; started by hand an hour later",  # a half day
    "2025-12-10": "low success rate",
    "2025-12-24": "never starts",  # a half day before a holiday
}

EXPECTED = """
    2025-01-14 21:15 never_started firing
    2025-01-15 21:10 never_started resolved
    2025-01-22 21:15 never_started firing
    2025-01-22 21:35 never_started resolved
    2025-01-29 21:23 run_failed firing
    2025-01-30 21:45 run_failed resolved
    2025-02-05 21:40 run_stalled firing
    2025-02-05 21:57 run_stalled resolved
    2025-02-11 21:15 never_started firing
    2025-02-12 21:10 never_started resolved
    2025-02-19 17:04 api_unreachable firing
    2025-02-20 00:02 api_unreachable resolved
    2025-02-25 18:04 api_unreachable firing
    2025-02-25 21:15 never_started firing
    2025-02-26 03:02 api_unreachable resolved
    2025-02-26 21:10 never_started resolved
    2025-03-07 21:15 never_started firing
    2025-03-10 20:15 never_started firing
    2025-03-10 20:35 never_started resolved
    2025-03-10 20:35 never_started resolved
    2025-04-17 20:15 never_started firing
    2025-04-21 20:10 never_started resolved
    2025-06-04 20:15 schedule_disabled firing
    2025-06-06 13:04 schedule_disabled resolved
    2025-06-25 20:45 zero_results firing
    2025-06-26 20:45 zero_results resolved
    2025-07-03 20:15 never_started firing
    2025-07-07 20:10 never_started resolved
    2025-07-16 20:12 events_missing firing
    2025-07-16 20:46 events_missing resolved
    2025-08-20 20:40 phase_slow firing
    2025-08-20 21:40 run_overdue firing
    2025-08-20 21:41 phase_slow resolved
    2025-08-20 22:10 run_overdue resolved
    2025-09-10 21:01 never_started firing
    2025-09-11 20:10 never_started resolved
    2025-09-24 20:47 completion_not_reported firing
    2025-09-25 20:45 completion_not_reported resolved
    2025-10-08 20:23 run_cancelled firing
    2025-10-09 20:45 run_cancelled resolved
    2025-10-31 20:15 never_started firing
    2025-11-03 21:15 never_started firing
    2025-11-03 21:35 never_started resolved
    2025-11-03 21:35 never_started resolved
    2025-11-28 21:15 never_started firing
    2025-11-28 22:10 never_started resolved
    2025-12-10 21:45 low_success_rate firing
    2025-12-11 21:45 low_success_rate resolved
    2025-12-24 21:15 never_started firing
    2025-12-26 21:10 never_started resolved
"""


def lines(world: World) -> list[str]:
    """Every alert, as the lines of `EXPECTED`."""
    return [
        f"{at:%Y-%m-%d %H:%M} {announcement.event} {announcement.payload['state']}"
        for at, announcement in world.announcements
        if announcement.channel.startswith("relay:alert:")
    ]


def assert_incidents_end(world: World) -> None:
    """Each incident begins once, its last state says that it is over, and only a day that was never run stays red."""
    begun: set[str] = set()
    for _, announcement in world.incident_events:
        state = announcement.payload
        assert (state["change"] == "begins") == (state["incident"] not in begun), state["title"]
        begun.add(state["incident"])
        if state["state"] == "over":
            begun.remove(state["incident"])
            assert state["lasting"] == (state["kind"] == "day" and state["run"] is None), state["title"]
    assert begun == {incident.id for incident in world.incidents.open}


def played(options: WatchdogOptions | None, days: int) -> World:
    """The year's first days."""
    world = World(utc("2025-01-01 05:00"), options=options or WatchdogOptions())
    world.schedule = Schedule(enabled=True, trigger_time="16:10", timezone="America/New_York")
    for number in range(days):
        date = (datetime(2025, 1, 1) + timedelta(days=number)).strftime("%Y-%m-%d")  # noqa: DTZ001 - a date
        weekend = datetime.fromisoformat(date).weekday() >= 5
        play_day(Day(world, date), SCRIPT.get(date, "nothing" if weekend or date in CLOSED else "as usual"))
        world.until(utc_of(f"{date} 23:59"), 1200)
        if number % 7 == 3:
            world.start_relay()
    return world


def expected(before: str = "2026") -> list[str]:
    return [line.strip() for line in EXPECTED.strip().splitlines() if line.strip() < before]


@pytest.mark.thorough
def test_a_year_s_alerts_are_those_of_the_table() -> None:
    world = played(None, 365)
    assert lines(world) == expected()
    assert_incidents_end(world)


def test_a_quarter_s_alerts_are_those_of_the_table() -> None:
    """With the Monday after the clocks have gone forward."""
    world = played(None, 71)
    assert lines(world) == expected("2025-03-13")
    assert_incidents_end(world)


def _no_zone(patch: pytest.MonkeyPatch) -> WatchdogOptions:
    """Winter's offset all year."""

    def due_on(table: timetable.Timetable, day: date) -> datetime | None:
        if not table.has_run(day):
            return None
        return datetime.combine(day, table.trigger_time, UTC) + timedelta(hours=5)

    patch.setattr(timetable.Timetable, "due_on", due_on)
    return WatchdogOptions()


def _no_holidays(patch: pytest.MonkeyPatch) -> WatchdogOptions:
    patch.setattr(timetable, "closings", lambda _: frozenset())
    return WatchdogOptions()


def _no_grace(patch: pytest.MonkeyPatch) -> WatchdogOptions:  # noqa: ARG001 - as the others
    return WatchdogOptions(start_grace=0)


def _no_memory(patch: pytest.MonkeyPatch) -> WatchdogOptions:
    start = World.start_relay

    def start_forgetful(world: World) -> None:
        world.shelves.clear()
        start(world)

    patch.setattr(World, "start_relay", start_forgetful)
    return WatchdogOptions()


@pytest.mark.parametrize(
    ("broken", "days", "first_wrong"),
    [
        pytest.param(_no_zone, 75, "2025-03-10 never_started firing", marks=pytest.mark.thorough),
        (_no_holidays, 10, "2025-01-01 never_started firing"),
        (_no_grace, 15, "2025-01-14 never_started firing"),
        pytest.param(_no_memory, 45, "2025-02-11 never_started firing", marks=pytest.mark.thorough),
    ],
)
def test_the_table_notices_when_zone_holidays_grace_or_memory_are_broken(
    broken: Callable[[pytest.MonkeyPatch], WatchdogOptions],
    days: int,
    first_wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = broken(monkeypatch)
    found = lines(played(options, days))
    right = expected(f"{datetime(2025, 1, 1) + timedelta(days=days):%Y-%m-%d}")  # noqa: DTZ001 - a date
    wrong = next(line for line in found if line not in right)
    assert wrong[:10] + wrong[16:] == first_wrong
