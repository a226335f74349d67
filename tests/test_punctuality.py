"""Whether the day's run starts: each way in which it does not gives one alert that fits what is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.answers import HistoryRun, Status
from relay.events import Severity
from relay.watchdog.apiview import ApiView
from tests.days import DUE, SCHEDULE, a_run, world
from tests.wire import utc


def test_a_run_that_never_starts_is_reported_once() -> None:
    day = world()
    day.until(utc("2025-01-28 20:00"))
    assert day.alerts_said == ["never_started firing"]
    said = day.alert("never_started")
    assert said["title"] == "The run of Mon 27 Jan has not started"
    assert "due at Mon 27 Jan 2025 16:10 EST (21:10 UTC), 5 min ago" in said["message"]
    assert "says that it is idle" in said["message"]
    (when,) = [at for at, one in day.said if one.event == "never_started"]
    assert when == utc("2025-01-27 21:15")
    assert [one.event for _, one in day.said] == ["run_due", "run_late", "never_started", "run_missed"]


def test_a_late_start_resolves_it_and_says_how_late() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(minutes=23)))
    day.pass_(200)
    assert day.alerts_said == ["never_started firing", "never_started resolved"]
    said = day.alert("never_started", "resolved")
    assert said["message"] == (
        "The run started late, at Mon 27 Jan 2025 16:33 EST (21:33 UTC) (automatic), 23 min after it was due."
    )


def test_a_run_that_never_came_is_resolved_by_the_next_day_s() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(days=1)))
    assert day.alerts_said == ["never_started firing", "never_started resolved"]
    assert "never happened" in day.alert("never_started", "resolved")["message"]


def test_when_the_api_is_down_too_it_says_that_everything_may_be_down() -> None:
    day = world(api_up=False)
    day.until(utc("2025-01-27 22:00"))
    assert day.alerts_said == ["api_unreachable firing", "never_started firing"]
    assert "TickStockPL as a whole may be down" in day.alert("never_started")["message"]


def test_a_run_that_was_over_before_anyone_heard_of_it_is_not_missing() -> None:
    day = world()
    day.history = [HistoryRun("r1", None, DUE, DUE + timedelta(minutes=2), "completed", 505, 0, 9, 9, 120.0)]
    day.until(utc("2025-01-27 23:00"))
    assert day.alerts_said == []


@pytest.mark.parametrize("started_at", ["2025-01-27 21:30", "2025-01-27 23:30"])
def test_a_relay_started_after_the_due_time_asks_before_it_alerts(started_at: str) -> None:
    done = HistoryRun("r1", None, DUE, DUE + timedelta(minutes=15), "completed", 505, 0, 1250, 7575, 900.0)
    day = world(started_at, history=[done])
    day.pass_(120)
    assert day.alerts_said == []
    unasked = world(started_at, api_up=False)
    unasked.pass_(120)
    assert unasked.alerts_said == ["api_unreachable firing"]
    unasked.api_up = True
    unasked.pass_(10)
    assert unasked.alerts_said in (
        ["api_unreachable firing", "never_started firing", "api_unreachable resolved"],
        ["api_unreachable firing", "api_unreachable resolved", "never_started firing"],
    )


def test_no_run_is_missed_on_a_holiday_or_a_weekend() -> None:
    day = world("2025-01-18 14:00")
    day.until(utc("2025-01-21 21:14"), step=300)  # Saturday, Sunday, Martin Luther King Jr. Day
    assert day.alerts_said == []


def test_a_schedule_that_is_switched_off_is_said_as_such() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, enabled=False)
    day.until(DUE + timedelta(days=2))
    assert day.alerts_said == ["schedule_disabled firing"]
    assert day.alert("schedule_disabled")["title"] == "No run: TickStockPL's schedule is switched off"
    day.schedule = SCHEDULE
    day.pass_(1)
    assert day.alerts_said[1:] == ["schedule_disabled resolved"]


def test_a_schedule_moved_by_an_event_counts_at_once_even_after_the_due_time() -> None:
    day = world()
    day.until(DUE + timedelta(minutes=2))
    day.tell("processing:schedule", "schedule_updated", enabled=True, trigger_time="17:30")
    day.schedule = replace(SCHEDULE, trigger_time="17:30")
    day.until(utc("2025-01-27 22:34"))
    assert day.alerts_said == []
    day.until(utc("2025-01-27 22:36"))
    assert day.alerts_said == ["never_started firing"]


def test_a_schedule_moved_to_an_earlier_time_means_tomorrow() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, trigger_time="14:00")
    day.until(utc("2025-01-28 18:59"))
    assert day.alerts_said == []
    day.until(utc("2025-01-28 19:06"))
    assert day.alerts_said == ["never_started firing"]


def test_a_day_that_the_scheduler_does_not_plan_is_a_warning() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, next_run=DUE + timedelta(days=1))
    day.until(utc("2025-01-27 23:00"))
    assert day.alerts_said == ["run_not_planned firing"]
    assert [one.severity for _, one in day.said if one.event == "run_not_planned"] == [Severity.WARNING]


def test_a_next_run_later_the_same_day_is_the_time_that_counts() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, next_run=utc("2025-01-27 22:00"))
    day.until(utc("2025-01-27 22:04"))
    assert day.alerts_said == []
    day.until(utc("2025-01-27 22:06"))
    assert day.alerts_said == ["never_started firing"]


def test_a_next_run_in_local_time_with_a_z_fools_nobody() -> None:
    day = world("2025-01-27 12:00")
    day.schedule = replace(SCHEDULE, next_run=utc("2025-01-27 16:10"))
    day.until(utc("2025-01-27 21:14"))
    assert day.alerts_said == []
    day.until(utc("2025-01-27 21:16"))
    assert day.alerts_said == ["never_started firing"]


def test_a_manual_run_that_still_goes_on_is_named_when_the_scheduled_one_is_left_out() -> None:
    day = world("2025-01-27 20:30")
    manual = a_run(utc("2025-01-27 20:40"), "by-hand", minutes=(70, 1, 4, 2))
    day.play(one for one in manual if one.received < DUE + timedelta(minutes=6))
    day.status = Status(is_running=True, run_id="by-hand")
    day.until(DUE + timedelta(minutes=6))
    assert "by-hand" in day.alert("never_started")["message"]


def test_without_the_history_a_relay_that_came_late_does_not_guess() -> None:
    day = world("2025-01-27 21:30")
    view = ApiView(answered_at=day.now, status=Status(is_running=False))
    for _ in range(100):
        day.now += timedelta(seconds=30)
        said = day.watchdog.tick(day.now, replace(view, answered_at=day.now))
        assert [one for one in said if one.event == "never_started"] == []
        assert day.watchdog.wants_history
    said = day.watchdog.tick(day.now, replace(view, answered_at=day.now, history=(), history_at=day.now))
    assert [one.event for one in said if one.channel.startswith("relay:alert:")] == ["never_started"]
