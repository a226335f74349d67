"""The day's summary: once a day, of days that had something, with what they had."""

from datetime import timedelta
from typing import Any

import pytest

from relay.events import Announcement
from relay.store.shelf import MemoryShelf
from relay.watchdog.day_log import MAX_KINDS, OTHERS, DayCounts
from relay.watchdog.summary import Summary, _of_log
from tests.support.days import DUE, world
from tests.support.stand_in import StandIn, past_runs
from tests.support.wire import event, utc
from tests.support.world import World

AT = utc("2025-01-27 22:30")
"""17:30 in New York."""


class Day:
    """A day in a small world, with its counts and summary."""

    def __init__(self, *faults: str, at: str | None = "17:30") -> None:
        self.world = world("2025-01-27 20:00")
        past_runs(self.world)
        self.stand_in = StandIn(self.world, *faults)
        self.shelves = (MemoryShelf(), MemoryShelf())
        self.at = at
        self.start()

    def start(self) -> None:
        """A process on what the last one left."""
        self.counts = DayCounts(self.shelves[0])
        one: World = self.world
        self.summary = Summary(
            self.shelves[1],
            self.counts,
            one.runs,
            one.alerts,
            one.watchdog.run_schedule,
            lambda: one.options.learned,
            lambda: self.at,
        )

    def tick(self) -> list[Announcement]:
        """Count what has been announced so far, and look."""
        self.counts = DayCounts(self.shelves[0])
        for at, announcement in self.world.announcements:
            if at.date() == self.world.now.date():
                self.counts.announced([announcement], at)
        self.summary.counts = self.counts
        return self.summary.tick(self.world.now)


def fields(payload: dict[str, Any]) -> dict[str, str]:
    return {field["name"]: field["text"] for field in payload["fields"]}


def test_a_good_day() -> None:
    day = Day()
    day.stand_in.day(DUE, "today")
    day.world.now = AT
    (announcement,) = day.tick()
    payload = announcement.payload
    assert announcement.channel == "relay:summary"
    assert payload["title"] == "Mon 27 Jan: completed at 16:45 EST"
    assert payload["state"] == "good"
    assert payload["text"] == "Mon 27 Jan: completed at 16:45 EST. The day's data is usable. 0 errors, 0 alerts."
    assert payload["cause"] == (
        "The day's data is usable. 500 of 505 symbols (99.0 %), 7,575 indicators, 1,250 patterns."
    )
    assert announcement.event == "summary"
    assert fields(payload) == {
        "16:10 run": "completed after 35 min",
        "Duration": "35 min, usually 30 to 40 min",
        "Indicators": "7,575, usually 7,575",
        "Patterns": "1,250, usually 1,250",
        "Errors": "none",
        "Alerts": "none",
        "Gaps": "none",
        "Silenced": "nothing",
    }
    assert payload["context"] == ["next run Tue 28 Jan 16:10 EST"]


def test_a_day_that_failed_and_is_run_again() -> None:
    day = Day("fails-at:patterns")
    day.world.until(DUE)
    day.stand_in._play(day.stand_in._run(DUE, "today"), DUE, "today")
    day.world.until(utc("2025-01-27 22:02"))
    day.world.tell("processing:status", "processing_started", run_id="again", trigger_type="manual")
    day.world.tell("import:started", "import_started", run_id="again")
    day.world.until(AT)
    (announcement,) = day.tick()
    payload = announcement.payload
    assert payload["title"] == "Mon 27 Jan: failed in patterns at 16:35 EST, run again since 17:02"
    assert payload["state"] == "busy"
    assert fields(payload)["16:10 run"] == "failed in patterns after 25 min"
    assert fields(payload)["17:02 run, by hand"] == "in import"
    assert fields(payload)["Alerts"].startswith("2: ")  # it failed, and the new run is silent since


def test_a_day_that_was_never_run() -> None:
    day = Day("never-starts")
    day.stand_in.day(DUE, "today")
    day.world.now = AT
    (announcement,) = day.tick()
    assert announcement.payload["title"] == "Mon 27 Jan: its run has not started"
    assert announcement.payload["state"] == "bad"
    assert fields(announcement.payload)["Alerts"] == "1: 1 firing, 0 cleared"


@pytest.mark.parametrize("restarts", [False, True])
def test_it_comes_once(restarts: bool) -> None:
    day = Day()
    day.stand_in.day(DUE, "today")
    day.world.now = AT
    assert len(day.tick()) == 1
    if restarts:
        day.start()
    day.world.now = AT + timedelta(minutes=10)
    assert day.tick() == []


@pytest.mark.parametrize(("late", "comes"), [(-1, 0), (0, 1), (59 * 60, 1), (61 * 60, 0)])
def test_a_relay_that_was_down_sends_it_an_hour_later_at_most(late: int, comes: int) -> None:
    day = Day()
    day.stand_in.day(DUE, "today")
    day.world.now = AT + timedelta(seconds=late)
    assert len(day.tick()) == comes


@pytest.mark.parametrize(("at", "now"), [(None, AT), ("17:30", utc("2025-01-26 22:30"))], ids=["off", "a Sunday"])
def test_there_is_none(at: str | None, now: Any) -> None:
    day = Day(at=at)
    day.world.history.clear()
    day.world.now = now
    assert day.tick() == []


def test_errors_gaps_and_what_was_silenced_are_counted_and_outlive_a_restart() -> None:
    shelf = MemoryShelf()
    counts = DayCounts(shelf)
    error = {"component": "data_import", "severity": "error", "message": "no"}
    counts.observe([event("errors", "error", AT, error_code="A", **error) for _ in range(7)], AT)
    gap = Announcement(channel="relay:gap", event="gap", payload={"seconds": 6.0})
    over = Announcement(
        channel="relay:alert:silence", event="silence_ended", payload={"kept_alerts": 2, "kept_errors": 12}
    )
    counts.announced([gap, over], AT)
    counts.keep()
    log = DayCounts(shelf).of(AT)
    assert log.errors == {"A": 7}
    assert [seconds for _, seconds in log.gaps] == [6.0]
    assert (log.silenced_alerts, log.silenced_errors) == (2, 12)
    assert DayCounts(shelf).of(AT + timedelta(days=1)).is_empty


def test_invented_kinds_of_errors_are_counted_together() -> None:
    counts = DayCounts(MemoryShelf())
    error = {"component": "data_import", "severity": "error", "message": "no"}
    counts.observe([event("errors", "error", AT, error_code=f"K{number}", **error) for number in range(200)], AT)
    assert len(counts.of(AT).errors) == MAX_KINDS + 1
    assert counts.of(AT).errors[OTHERS] == 200 - MAX_KINDS


def test_the_most_frequent_kinds_of_errors_are_named_and_the_others_counted() -> None:
    counts = DayCounts(MemoryShelf())
    error = {"component": "data_import", "severity": "error", "message": "no"}
    for number, code in enumerate("ABCDEFG", 1):
        counts.observe([event("errors", "error", AT, error_code=code, **error) for _ in range(number)], AT)
    (errors,) = [field["text"] for field in _of_log(counts.of(AT), 0) if field["name"] == "Errors"]
    assert errors == "7 G\n6 F\n5 E\n4 D\n3 C\n3 others"


@pytest.mark.parametrize(("more", "alerts"), [({}, 1), ({"after_silence": "s1"}, 0)])
def test_an_alert_that_is_announced_again_after_a_silence_counts_once(more: dict[str, str], alerts: int) -> None:
    counts = DayCounts(MemoryShelf())
    payload = {"alert": "run_failed:r1", "state": "firing"} | more
    counts.announced([Announcement(channel="relay:alert:run_failed", event="run_failed", payload=payload)], AT)
    assert counts.of(AT).alerts == alerts
