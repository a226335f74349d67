"""Whether the day's run starts: each way in which it does not gives one alert that fits what is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.events import Severity
from relay.tickstockpl.models import HistoryRun, Status
from tests.support.days import DUE, SCHEDULE, a_run, world
from tests.support.wire import utc


def test_a_run_that_never_starts_is_reported_once() -> None:
    day = world()
    day.until(utc("2025-01-28 20:00"))
    assert day.alerts_announced == ["never_started firing"]
    alert = day.alert("never_started")
    assert alert["title"] == "Run of Mon 27 Jan has not started"
    assert alert["message"] == (
        "It was due at 16:10 EST (21:10 UTC). TickStockPL said at 16:15 that it is idle. Its history has no run of that"
        " day. No event of a run came. Check the scheduler; `tickstock-relay trigger` starts a run."
    )
    (when,) = [at for at, announcement in day.announcements if announcement.event == "never_started"]
    assert when == utc("2025-01-27 21:15")
    assert [announcement.event for _, announcement in day.announcements] == [
        "run_due",
        "run_late",
        "never_started",
        "run_missed",
    ]


def test_a_late_start_resolves_it_and_says_how_late() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(minutes=23)))
    day.pass_(200)
    assert day.alerts_announced == ["never_started firing", "never_started resolved"]
    alert = day.alert("never_started", "resolved")
    assert alert["message"] == "Started at 16:33 EST (automatic), 23 min late."
    (late,) = [one for _, one in day.announcements if one.event == "run_started_late"]
    assert (late.payload["due_at"], late.payload["late_seconds"]) == ("2025-01-27T21:10:00Z", 1380.0)


def test_a_run_that_never_came_is_resolved_by_the_next_day_s() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(days=1)))
    assert day.alerts_announced == ["never_started firing", "never_started resolved"]
    assert day.alert("never_started", "resolved")["message"] == (
        "That run never happened; the next one started at Tue 28 Jan 16:10 EST (21:10 UTC) (automatic)."
    )
    assert day.alert("never_started", "resolved")["facts"]["never_ran"] is True


def test_when_the_api_is_down_too_it_says_that_everything_may_be_down() -> None:
    day = world(api_up=False)
    day.until(utc("2025-01-27 22:00"))
    assert day.alerts_announced == ["api_unreachable firing", "never_started firing"]
    unreachable = day.alert("api_unreachable")
    assert unreachable["facts"] == {"error": "cannot reach http://localhost:8080: refused", "events_come": False}
    alert = day.alert("never_started")
    assert alert["title"] == "No sign of the run of Mon 27 Jan"
    assert "TickStockPL has not answered since 15:00: cannot reach http://localhost:8080: refused." in alert["message"]
    assert "Check its host first, then `tickstock-relay status`." in alert["message"]


def test_a_run_that_was_over_before_anyone_heard_of_it_is_not_missing() -> None:
    day = world()
    day.history = [HistoryRun("r1", None, DUE, DUE + timedelta(minutes=2), "completed", 505, 0, 9, 9, 120.0)]
    day.until(utc("2025-01-27 23:00"))
    assert day.alerts_announced == []


@pytest.mark.parametrize("started_at", ["2025-01-27 21:30", "2025-01-27 23:30"])
def test_a_relay_started_after_the_due_time_asks_before_it_alerts(started_at: str) -> None:
    done = HistoryRun("r1", None, DUE, DUE + timedelta(minutes=15), "completed", 505, 0, 1250, 7575, 900.0)
    day = world(started_at, history=[done])
    day.pass_(120)
    assert day.alerts_announced == []


def test_a_relay_installed_after_the_due_time_that_gets_no_answer_tells_of_no_sign_after_three_minutes() -> None:
    day = world("2025-01-27 21:30", api_up=False)
    day.until(utc("2025-01-27 21:32"))
    assert day.alerts_announced == []
    day.until(utc("2025-01-27 21:34"))
    assert day.alerts_announced == ["api_unreachable firing", "never_started firing"]
    assert day.alert("never_started")["title"] == "No sign of the run of Mon 27 Jan"


def test_a_relay_installed_long_after_the_due_time_has_nothing_to_say_of_that_day() -> None:
    day = world("2025-01-27 23:30")
    day.until(utc("2025-01-28 20:00"))
    assert day.alerts_announced == []


def test_no_run_is_missed_on_a_holiday_or_a_weekend() -> None:
    day = world("2025-01-18 14:00")
    day.until(utc("2025-01-21 21:14"), step=300)  # Saturday, Sunday, Martin Luther King Jr. Day
    assert day.alerts_announced == []


def test_a_schedule_that_is_switched_off_is_said_as_such() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, enabled=False)
    day.until(DUE + timedelta(days=2))
    assert day.alerts_announced == ["schedule_disabled firing"]
    alert = day.alert("schedule_disabled")
    assert alert["title"] == "TickStockPL's schedule is switched off"
    assert alert["message"] == (
        "A run was due at 16:10 EST (21:10 UTC); none will start by itself."
        " If nobody meant that: `tickstock-relay schedule --enable`."
    )
    assert alert["facts"] == {"run_date": "2025-01-27", "due_at": "2025-01-27T21:10:00Z"}
    (severity,) = [one.severity for _, one in day.announcements if one.event == "schedule_disabled"]
    assert severity is Severity.WARNING
    day.schedule = SCHEDULE
    day.pass_(1)
    assert day.alerts_announced[1:] == ["schedule_disabled resolved"]
    ended = day.alert("schedule_disabled", "resolved")["message"]
    assert ended == "TickStockPL's schedule is on again since 16:10."


def test_a_schedule_moved_by_an_event_counts_at_once_even_after_the_due_time() -> None:
    day = world()
    day.until(DUE + timedelta(minutes=2))
    day.tell("processing:schedule", "schedule_updated", enabled=True, trigger_time="17:30")
    day.schedule = replace(SCHEDULE, trigger_time="17:30")
    day.until(utc("2025-01-27 22:34"))
    assert day.alerts_announced == []
    day.until(utc("2025-01-27 22:36"))
    assert day.alerts_announced == ["never_started firing"]


def test_a_schedule_moved_to_an_earlier_time_means_tomorrow() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, trigger_time="14:00")
    day.until(utc("2025-01-28 18:59"))
    assert day.alerts_announced == []
    day.until(utc("2025-01-28 19:06"))
    assert day.alerts_announced == ["never_started firing"]


def test_a_day_that_the_scheduler_does_not_plan_is_a_warning() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, next_run=DUE + timedelta(days=1))
    day.until(utc("2025-01-27 23:00"))
    assert day.alerts_announced == ["run_not_planned firing"]
    alert = day.alert("run_not_planned")
    assert alert["title"] == "No run is planned for Mon 27 Jan, a trading day"
    assert alert["message"] == (
        "By the calendar a run was due at 16:10 EST (21:10 UTC), but TickStockPL's API gave a later day as its"
        " next run, and none has started. Look at the scheduler's calendar: `tickstock-relay schedule`."
        " To start a run: `tickstock-relay trigger`."
    )
    assert alert["facts"] == {"run_date": "2025-01-27", "due_at": "2025-01-27T21:10:00Z"}
    assert [
        announcement.severity for _, announcement in day.announcements if announcement.event == "run_not_planned"
    ] == [Severity.WARNING]


def test_a_day_that_was_not_planned_is_over_with_the_next_run() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, next_run=DUE + timedelta(days=1))
    day.play(a_run(DUE + timedelta(days=1)), step=60)
    assert day.alerts_announced == ["run_not_planned firing", "run_not_planned resolved"]


def test_a_next_run_later_the_same_day_is_the_time_that_counts() -> None:
    day = world()
    day.schedule = replace(SCHEDULE, next_run=utc("2025-01-27 22:00"))
    day.until(utc("2025-01-27 22:04"))
    assert day.alerts_announced == []
    day.until(utc("2025-01-27 22:06"))
    assert day.alerts_announced == ["never_started firing"]


def test_a_next_run_in_local_time_with_a_z_fools_nobody() -> None:
    day = world("2025-01-27 12:00")
    day.schedule = replace(SCHEDULE, next_run=utc("2025-01-27 16:10"))
    day.until(utc("2025-01-27 21:14"))
    assert day.alerts_announced == []
    day.until(utc("2025-01-27 21:16"))
    assert day.alerts_announced == ["never_started firing"]


def test_a_manual_run_that_still_goes_on_is_named_when_the_scheduled_one_is_left_out() -> None:
    day = world("2025-01-27 20:30")
    by_hand = {"trigger_type": "manual"}
    manual = a_run(utc("2025-01-27 20:45"), "by-hand", minutes=(70, 1, 4, 2), start_with=by_hand)
    day.play(one for one in manual if one.received < DUE + timedelta(minutes=6))
    day.status = Status(is_running=True, run_id="by-hand")
    day.until(DUE + timedelta(minutes=6))
    message = day.alert("never_started")["message"]
    assert "TickStockPL said at 16:15 that it is busy with another run: the run by-hand." in message
    assert "A manual run begun at 15:45 goes on (by-hand); the scheduled one may have been left out for it." in message
