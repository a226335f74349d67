"""The missed run over time: the relay comes late or again, the schedule changes, and how its alert ends."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.runs.signals import State
from relay.tickstockpl.models import Status
from tests.support.days import DUE, SCHEDULE, a_run, world
from tests.support.missed_days import GRACE_OVER, MINUTE, PATIENCE_OVER, about_starts, day_state, fired_at, gap, row
from tests.support.wire import event, upto, utc
from tests.support.world import IDLE, World

# --- the relay itself comes late, or again


@pytest.mark.parametrize("installed", [False, True])
def test_a_relay_that_starts_at_half_past_decides_when_the_table_says_so(*, installed: bool) -> None:
    for history_works, at in ((True, 0.5), (False, 3)):
        day = world("2025-01-27 20:00" if not installed else "2025-01-27 21:30")
        if not installed:
            day.stop_relay()
            day.until(utc("2025-01-27 21:30"))
            day.start_relay()
        day.history_works = history_works
        day.pass_(10, step=10)
        assert about_starts(day) == ["never_started firing"]
        assert fired_at(day) - utc("2025-01-27 21:30") <= at * MINUTE + timedelta(seconds=10)


def test_a_relay_that_is_restarted_over_and_over_still_reports_in_time() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:09")
    while day.now < DUE + 12 * MINUTE:
        day.stop_relay()
        day.now += timedelta(seconds=2)
        day.start_relay()
        day.pass_(0.7, step=10)
    assert fired_at(day) <= PATIENCE_OVER + MINUTE
    assert about_starts(day) == ["never_started firing"]


def test_what_was_decided_is_not_decided_again_after_a_restart() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.stop_relay()
    day.until(DUE + 20 * MINUTE)
    day.start_relay()
    day.status, day.api_up = IDLE, False
    day.pass_(10)
    assert about_starts(day) == []


def test_handed_over_without_a_gap_the_relay_has_heard_all_the_time() -> None:
    day = world(api_up=False)
    day.until(GRACE_OVER - MINUTE)
    day.start_relay()
    day.until(GRACE_OVER, 10)
    assert about_starts(day) == ["never_started firing"]
    evidence = day.alert("never_started")["facts"]["evidence"]
    assert evidence == "events none, status silent, history broken, connection whole"


def test_a_run_in_the_middle_with_the_api_silent_has_started_its_beginning_unknown() -> None:
    day = world(api_up=False)
    day.stop_relay()
    events = a_run(DUE, run_id=None)
    day.play(one for one in events if one.received < DUE + 4 * MINUTE)
    day.start_relay()
    for one in events:
        if one.received >= DUE + 4 * MINUTE:
            day.until(one.received)
            day.hear(one)
    assert about_starts(day) == []
    state, run_id = day_state(day)
    assert state is State.RUNNING
    assert run_id is not None


def test_the_same_trace_is_no_run_when_the_api_is_idle_and_has_none() -> None:
    day = world()
    day.until(DUE)
    for minute in range(10):
        day.hear(event("import:progress", "import_progress", day.now, percent_complete=minute))
        day.pass_(1)
    assert "never_started firing" in day.alerts_announced
    assert fired_at(day) == GRACE_OVER
    assert "Events without the start of a run have come since 16:10." in day.alert("never_started")["message"]


def test_after_a_step_of_the_clock_only_what_was_asked_since_counts() -> None:
    day = world(api_up=True, history_works=True)
    day.until(DUE - 20 * MINUTE)
    day.now = GRACE_OVER + MINUTE  # it jumps
    day.watchdog.clock_stepped(day.now)
    day._keep(day.watchdog.tick(day.now, day.view))
    day._keep(day.alerts.tick(day.now))
    assert about_starts(day) == []
    day.pass_(0.5, step=10)
    assert about_starts(day) == ["never_started firing"]


def test_a_clock_that_runs_a_day_ahead_for_some_seconds_reports_no_missed_run_and_moves_none() -> None:
    for ahead in (timedelta(days=1), timedelta(days=3), timedelta(hours=2)):
        day = world("2025-01-27 19:30")
        day.until(utc("2025-01-27 20:00"))
        right = day.now
        day.watchdog.clock_stepped(right + ahead)  # `Watch` holds the ticks until a minute after the last step
        day.watchdog.clock_stepped(right + timedelta(seconds=12))
        day.now = right + timedelta(seconds=72)
        day.until(GRACE_OVER - timedelta(seconds=10), 10)
        assert about_starts(day) == []
        day.until(GRACE_OVER, 10)
        assert about_starts(day) == ["never_started firing"]
        assert day.alert("never_started")["title"] == "Run of Mon 27 Jan has not started"


# --- the calendar and the schedule


def test_a_run_on_a_holiday_is_followed_and_one_that_is_planned_there_is_due() -> None:
    holiday = utc("2025-01-20 21:10")  # Martin Luther King Jr. Day
    day = World(utc("2025-01-20 15:00"), schedule=SCHEDULE)
    day.play(upto(a_run(holiday, "r1"), "import_progress"))
    day.tell("processing:status", "processing_failed", run_id="r1", error="no vendor data")
    day.pass_(30)
    assert day.alerts_announced == ["run_failed firing"]
    for planned in (holiday, utc("2025-01-20 16:10")):  # the second in local time with a Z
        day = World(utc("2025-01-20 15:00"), schedule=replace(SCHEDULE, next_run=planned))
        day.until(holiday + 6 * MINUTE)
        assert about_starts(day) == ["never_started firing"]
        assert day.alert("never_started")["title"] == "Run of Mon 20 Jan has not started"
        scheduled = day.watchdog.run_schedule.coming
        assert scheduled is not None
        assert f"{scheduled.day}" == "2025-01-21"


def test_a_run_planned_on_a_holiday_is_not_due_if_it_would_be_left_out_or_is_given_up() -> None:
    holiday = utc("2025-01-20 21:10")
    planned = replace(SCHEDULE, next_run=holiday)
    for change in (replace(planned, market_check=True), replace(SCHEDULE, next_run=holiday + timedelta(days=1))):
        day = World(utc("2025-01-20 15:00"), schedule=planned if change.market_check is None else change)
        day.pass_(10)
        day.schedule = change
        day.until(holiday + 60 * MINUTE)
        assert about_starts(day) == []


def test_a_half_day_is_a_trading_day() -> None:
    day = World(utc("2025-07-03 15:00"), schedule=SCHEDULE)
    day.until(utc("2025-07-03 20:15"))
    assert about_starts(day) == ["never_started firing"]


def test_a_day_without_a_planned_run_is_a_warning_whatever_else_is_broken() -> None:
    for api_up in (True, False):
        day = world()
        day.schedule = replace(SCHEDULE, next_run=DUE + timedelta(days=1))
        day.until(DUE - 15 * MINUTE)
        day.api_up = api_up
        day.until(DUE + 30 * MINUTE)
        assert about_starts(day) == ["run_not_planned firing"]
        assert day.alert("run_not_planned")["title"] == "No run is planned for Mon 27 Jan, a trading day"


@pytest.mark.parametrize("by_event", [False, True])
def test_a_schedule_switched_off_before_the_grace_is_over_is_reported_as_that(*, by_event: bool) -> None:
    day = world()
    day.until(DUE + 2 * MINUTE)
    day.schedule = replace(SCHEDULE, enabled=False)
    if by_event:
        day.tell("processing:schedule", "schedule_updated", enabled=False)
    day.until(DUE + 20 * MINUTE)
    assert about_starts(day) == ["schedule_disabled firing"]
    assert fired_at(day, "schedule_disabled") == GRACE_OVER


def test_a_schedule_switched_off_after_the_alert_ends_it() -> None:
    day = world()
    day.until(DUE + 10 * MINUTE)
    day.tell("processing:schedule", "schedule_updated", enabled=False)
    day.schedule = replace(SCHEDULE, enabled=False)
    day.until(DUE + 200 * MINUTE)
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert "switched off at 16:20" in day.alert("never_started", "resolved")["message"]


@pytest.mark.parametrize("at", [2, 12])
def test_a_run_that_is_moved_to_a_later_time_is_waited_for_then(at: int) -> None:
    day = world()
    day.until(DUE + at * MINUTE)
    day.tell("processing:schedule", "schedule_updated", enabled=True, trigger_time="16:30")
    day.schedule = replace(SCHEDULE, trigger_time="16:30")
    day.tick()
    before = ["never_started firing", "never_started resolved"] if at > 5 else []
    assert about_starts(day) == before
    if before:
        assert "moved to 16:30 EST" in day.alert("never_started", "resolved")["message"]
    day.until(utc("2025-01-27 21:34"))
    assert about_starts(day) == before
    day.until(utc("2025-01-27 21:36"))
    assert about_starts(day) == [*before, "never_started firing"]
    assert "It was due at 16:30 EST (21:30 UTC)." in day.alert("never_started")["message"]


# --- maintenance, acting, and how it ends


@pytest.mark.parametrize("starts", [False, True])
def test_in_maintenance_it_is_decided_all_the_same_and_told_afterwards_if_it_is_still_so(*, starts: bool) -> None:
    window = {"date": "2025-01-27", "from": "16:00", "lasting": "2h"}
    day = world(options=WatchdogOptions.model_validate({"maintenance": [window]}))
    if starts:
        day.play(a_run(DUE + 40 * MINUTE))
    day.until(utc("2025-01-27 22:59"))
    assert [alert for alert in day.alerts_heard if alert.startswith("never_started")] == []
    day.until(utc("2025-01-27 23:01"))
    assert day.alerts_heard == ([] if starts else ["never_started firing"])


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, True),
        ({"history_works": False}, False),
        ({"api_up": False}, False),
        ({"status": Status(is_running=None), "history_works": False}, False),
        ({"status": Status(is_running=True, run_id="old", start_time=DUE - timedelta(hours=3))}, False),
    ],
)
def test_a_run_is_started_only_when_it_is_known_that_none_has(changes: dict[str, Any], *, acts: bool) -> None:
    day = world(options=WatchdogOptions(auto_trigger=True), **changes)
    wanted = []
    while day.now < DUE + 40 * MINUTE:
        day.pass_(0.5)
        wanted.append(day.watchdog.trigger_wanted(day.now, day.view))
    assert any(wanted) is acts
    assert about_starts(day) == ["never_started firing"]


def test_after_no_sign_nothing_is_started_even_if_the_api_comes_back_idle() -> None:
    day = world(options=WatchdogOptions(auto_trigger=True), api_up=False)
    day.until(DUE + 10 * MINUTE)
    assert day.alert("never_started")["title"].startswith("No sign")
    day.api_up = True
    for _ in range(60):
        day.pass_(0.5)
        assert day.watchdog.trigger_wanted(day.now, day.view) is None


def test_a_late_start_by_hand_ends_it() -> None:
    day = world()
    day.play(a_run(DUE + 21 * MINUTE, start_with={"trigger_type": "manual"}))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert day.alert("never_started", "resolved")["message"] == "Started at 16:31 EST (manual), 21 min late."


def test_a_run_that_is_seen_later_in_the_history_ends_it_with_the_truth() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:40")
    assert about_starts(day) == ["never_started firing"]
    day.api_up, day.history = True, [row(DUE, minutes=20)]
    day.pass_(20)
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    words = "It had started at 16:10 EST; the relay could not see it."
    assert day.alert("never_started", "resolved")["message"] == words


def test_a_day_without_a_run_is_missed_and_the_next_day_s_run_ends_it() -> None:
    day = world()
    day.until(DUE + 91 * MINUTE)
    assert day_state(day) == (State.MISSED, None)
    day.play(a_run(DUE + timedelta(days=1)))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert day.alert("never_started", "resolved")["facts"]["never_ran"] is True  # Slack keeps it red
    words = "That run never happened; the next one started at Tue 28 Jan 16:10 EST (21:10 UTC) (automatic)."
    assert day.alert("never_started", "resolved")["message"] == words


def test_an_early_run_of_the_next_day_is_not_the_missed_one() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(days=1) - 20 * MINUTE))
    day.until(DUE + timedelta(days=1, hours=2))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert "never happened" in day.alert("never_started", "resolved")["message"]


@pytest.mark.parametrize("due", ["2025-03-10 20:10", "2025-11-03 21:10", "2025-03-09 20:10", "2025-11-02 21:10"])
@pytest.mark.parametrize("starts", [False, True])
def test_on_and_after_the_days_on_which_the_clock_changes(due: str, *, starts: bool) -> None:
    at = utc(due)
    everyday = WatchdogOptions.model_validate({"schedule": {"calendar": "none"}})
    day = World(at - timedelta(hours=20), options=everyday, schedule=SCHEDULE)
    day.until(at - timedelta(hours=18), 600)
    day.announcements.clear()
    day.alerts.resolve(f"never_started:{at.date() - timedelta(days=1)}", day.now)
    if starts:
        day.play(a_run(at))
    day.until(at + 6 * MINUTE)
    assert about_starts(day) == ([] if starts else ["never_started firing"])
    if not starts:
        assert fired_at(day) == at + 5 * MINUTE


# --- asked late: what it says may have come about since


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        ("2025-01-27 21:38", "TickStockPL was first asked at 16:38, after the run was due."),
        ("2025-01-27 22:05", "TickStockPL was first asked at 17:05, after the run was due."),
        ("2025-01-27 20:00", ""),
        ("2025-01-27 21:14", ""),
    ],
)
def test_what_an_api_says_that_was_first_asked_after_the_due_time_is_worded_so(began: str, expected: str) -> None:
    day = world(began)
    day.pass_(90, step=10)
    words = day.alert("never_started")["message"]
    assert expected in words
    assert ("after the run was due" in words) == bool(expected)


def test_an_api_that_first_answers_after_the_due_time_is_worded_so() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:09")
    day.until(GRACE_OVER + 2 * MINUTE)
    day.api_up = True
    day.pass_(10, step=10)
    assert "TickStockPL first answered at 16:17, after the run was due." in day.alert("never_started")["message"]


def test_a_schedule_that_was_first_asked_for_after_the_due_time_may_have_been_switched_off_since() -> None:
    day = world("2025-01-27 21:38")
    day.schedule = replace(SCHEDULE, enabled=False)
    day.pass_(5, step=10)
    words = day.alert("schedule_disabled")["message"]
    assert "TickStockPL was first asked at 16:38, after the run was due. If nobody meant that" in words
