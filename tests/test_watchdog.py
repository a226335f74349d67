"""The watchdog on an injected clock: each trouble gives one alert that fits what is known, a good day none."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from relay.answers import HistoryRun, Schedule, Status
from relay.events import Event, Severity
from relay.signals import State
from relay.thresholds import WatchdogOptions
from tests.wire import a_run as sparse_run
from tests.wire import event, upto, utc
from tests.world import World

DUE = utc("2025-01-27 21:10")
SCHEDULE = Schedule(enabled=True, trigger_time="16:10", timezone="America/New_York")


def world(at: str = "2025-01-27 20:00", **more: Any) -> World:
    return World(utc(at), schedule=SCHEDULE, **more)


def a_run(start: datetime, run_id: str = "r1", **more: Any) -> list[Event]:
    """A run whose progress comes every minute or so."""
    return sparse_run(start, run_id, **({"steps": 20} | more))


def running(**more: Any) -> Status:
    return Status(is_running=True, run_id="r1", start_time=DUE, **more)


def test_a_good_day_gives_no_alert() -> None:
    day = world()
    day.play(a_run(DUE))
    day.pass_(300)
    assert day.alerts_said == []
    slot = day.watchdog.agenda.current
    assert slot is not None
    assert (slot.state, slot.run_id) == (State.RUNNING, "r1")


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


def test_events_that_come_while_the_api_is_down_are_trusted() -> None:
    day = world(api_up=False)
    day.play(a_run(DUE))
    day.api_up = True
    day.pass_(30)
    assert day.alerts_said == ["api_unreachable firing", "api_unreachable resolved"]


def test_an_api_outage_while_events_come_is_said_to_be_only_that() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.api_up = False
    for percent in range(10, 20):
        day.pass_(1)
        day.tell("import:progress", "import_progress", run_id="r1", percent_complete=percent)
    assert day.alerts_said == ["api_unreachable firing"]
    assert "only the API is in trouble" in day.alert("api_unreachable")["message"]


def test_a_run_that_only_the_api_shows_is_not_missing_but_its_events_are() -> None:
    day = world()
    day.until(DUE)
    day.status = running(current_phase="import", progress=10.0)
    day.until(DUE + timedelta(minutes=35))
    day.status = Status(is_running=False)
    done = HistoryRun(
        "r1", date(2025, 1, 27), DUE, DUE + timedelta(minutes=35), "completed", 505, 5, 1250, 7575, 2100.0
    )
    day.history = [done]
    day.pass_(300)
    assert day.alerts_said == ["events_missing firing", "events_missing resolved"]
    ends = [one for _, one in day.said if one.event == "run_completed"]
    assert [one.payload["duration_seconds"] for one in ends] == [2100]
    assert all(one.payload["reconstructed"] for one in ends)


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


def test_a_stall_names_phase_and_last_symbol_and_ends_when_the_run_goes_on() -> None:
    day = world()
    events = upto(a_run(DUE), "indicator_progress")
    day.play(events)
    day.status = running(current_phase="indicators")
    day.pass_(20)
    assert day.alerts_said == ["run_stalled firing"]
    said = day.alert("run_stalled")
    assert said["title"] == "The scheduled run of Mon 27 Jan has stalled in the indicators phase"
    assert "the last symbol was S25" in said["message"]
    assert "at 5 % (25 of 505 symbols)" in said["message"]
    assert said["facts"] == {"run_date": "2025-01-27", "phase": "indicators", "last_symbol": "S25"}
    stalled_at = next(at for at, one in day.said if one.event == "run_stalled")
    assert timedelta(seconds=300) <= stalled_at - events[-1].received <= timedelta(seconds=330)
    day.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=55, current_symbol="HPQ")
    day.tick()
    assert day.alerts_said == ["run_stalled firing", "run_stalled resolved"]
    assert "at HPQ, 55 % done" in day.alert("run_stalled", "resolved")["message"]


def test_a_stall_that_lasts_is_not_also_silent_slow_and_overdue() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    day.pass_(240)
    assert day.alerts_said == ["run_stalled firing"]


def test_other_events_do_not_end_a_stall() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    for _ in range(20):
        day.pass_(1)
        day.tell("monitoring", "system_metrics", cpu_percent=40)
    assert day.alerts_said == ["run_stalled firing"]


def test_both_silent_during_a_run_is_one_alert_of_its_own() -> None:
    day = world(options=WatchdogOptions(api_unreachable_after=3600))
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.api_up = False
    day.pass_(20)
    assert day.alerts_said == ["run_silent firing"]
    assert "TickStockPL, its host or Redis may be down" in day.alert("run_silent")["message"]


def test_silence_while_the_api_s_progress_moves_means_that_events_are_missing() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    for percent in range(50, 70):
        day.status = running(current_phase="indicators", progress=float(percent))
        day.pass_(1)
    assert day.alerts_said == ["events_missing firing"]


def test_while_the_relay_itself_is_cut_off_no_run_is_called_stalled() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    day.watchdog.hearing(None)
    day.pass_(20)
    assert day.alerts_said == []
    day.watchdog.hearing(day.now)
    day.pass_(6)
    assert day.alerts_said == ["run_stalled firing"]


def test_a_run_still_going_on_after_the_finish_grace_is_overdue_once() -> None:
    day = world(options=WatchdogOptions.model_validate({"phase_limits": {"import": "5h"}}))
    day.play(upto(a_run(DUE), "import_started"))
    day.status = running()
    for minute in range(100):
        day.pass_(1)
        day.tell(
            "import:progress", "import_progress", run_id="r1", percent_complete=minute / 2, current_symbol=f"S{minute}"
        )
    assert day.alerts_said == ["run_overdue firing"]
    overdue = next(at for at, one in day.said if one.event == "run_overdue")
    assert overdue == DUE + timedelta(minutes=90)


def test_a_phase_over_its_limit_is_a_warning_that_ends_with_it() -> None:
    day = world()
    day.play(a_run(DUE, minutes=(45, 1, 4, 20)))
    day.pass_(10)
    assert day.alerts_said == ["phase_slow firing", "phase_slow resolved"]


def test_a_failed_run_is_one_alert_and_the_next_good_run_ends_it() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.tell(
        "processing:status", "processing_completed", run_id="r1", status="failed", error="database password missing"
    )
    day.pass_(60)
    assert day.alerts_said == ["run_failed firing"]
    said = day.alert("run_failed")
    assert "database password missing" in said["message"]
    assert "in the import phase" in said["title"]
    day.play(a_run(DUE + timedelta(days=1), "r2"))
    day.pass_(1)
    assert day.alerts_said == ["run_failed firing", "run_failed resolved"]


def test_a_restart_between_the_end_and_the_judgement_judges_once() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.tell("processing:status", "processing_failed", run_id="r1")
    day.start_relay()
    day.pass_(5)
    day.start_relay()
    day.pass_(60)
    assert day.alerts_said == ["run_failed firing"]


def test_an_end_that_nobody_told_comes_from_the_history_and_is_said() -> None:
    day = world()
    day.play(a_run(DUE)[:-1])
    day.history = [HistoryRun("r1", None, DUE, day.now, "completed", 505, 5, 1250, 7575, 2100.0)]
    day.pass_(30)
    assert day.alerts_said == ["end_not_told firing"]
    assert day.runs.open == []


def test_a_run_that_vanishes_in_the_middle_has_failed() -> None:
    day = world()
    day.play(upto(a_run(DUE), "cache_started"))
    day.status = Status(is_running=False)
    day.pass_(10)
    assert day.alerts_said == ["run_failed firing"]
    assert "TickStockPL is idle, and nobody told how the run ended" in day.alert("run_failed")["message"]


def test_errors_that_come_often_are_one_alert_whatever_rate_they_pass() -> None:
    day = world()
    for _ in range(50):
        day.tell(
            "errors", "error", severity="error", error_code="RATE_LIMIT", message="slow", context={"symbol": "AAPL"}
        )
    day.pass_(30)
    assert day.alerts_said == ["error_rate firing", "error_rate resolved"]
    assert "50 within a minute" in day.alert("error_rate")["message"]
    assert "50 of category RATE_LIMIT" in day.alert("error_rate")["message"]


def test_few_errors_and_test_errors_are_none() -> None:
    day = world()
    for number in range(3):
        day.tell("errors", "error", severity="error", error_code=f"E{number}", message="x", context={"symbol": "AAPL"})
    for _ in range(100):
        day.tell("errors", "error", severity="error", error_code="E", test=True)
        day.tell("errors", "error", severity="warning", error_code="E")
    day.pass_(10)
    assert day.alerts_said == []


def test_flapping_health_does_not_flap_alerts() -> None:
    day = world("2025-01-27 15:00")
    for second in range(600):
        day.now += timedelta(seconds=1)
        good = second % 2
        flow = {"ticks_per_second": 41.0 if good else 0.0}
        day.tell("streaming:health", "streaming_health", data_flow=flow, active_symbols=70 if good else 0)
        day.tick()
    assert day.alerts_said == []


def test_a_level_passed_for_long_is_said_and_so_is_its_end() -> None:
    day = world("2025-01-27 15:00")
    for second in range(0, 1200, 10):
        day.now += timedelta(seconds=10)
        day.tell("monitoring", "system_metrics", metrics={"cpu_percent": 97.5 if second < 600 else 30})
        day.tick()
    assert day.alerts_said == ["cpu_percent firing", "cpu_percent resolved"]
    assert day.alert("cpu_percent")["title"] == "Cpu percent above 90"


def test_no_ticks_matter_only_while_the_market_is_open() -> None:
    day = world("2025-01-27 02:00")
    for _ in range(60):
        day.pass_(1)
        day.tell("streaming:health", "streaming_health", data_flow={"ticks_per_second": 0}, active_symbols=0)
    assert day.alerts_said == []


def test_in_a_maintenance_window_nothing_is_said_and_what_lasts_is_said_after_it() -> None:
    window = {"date": "2025-01-27", "from": "16:00", "lasting": "2h"}
    day = world(options=WatchdogOptions.model_validate({"maintenance": [window]}))
    day.until(utc("2025-01-27 22:59"))
    assert day.alerts_said == []
    day.until(utc("2025-01-27 23:01"))
    assert day.alerts_said == ["never_started firing"]


def test_auto_trigger_wants_one_start_a_day_even_over_restarts() -> None:
    day = world(options=WatchdogOptions(auto_trigger=True))
    wanted = []
    for minute in range(180):
        day.pass_(1)
        slot = day.watchdog.trigger_wanted(day.now, day.view)
        if slot is not None:
            day.watchdog.auto_trigger.note(slot)
            wanted.append(day.now)
        if minute % 20 == 0:
            day.start_relay()
    assert len(wanted) == 1
    assert DUE + timedelta(minutes=5) <= wanted[0] <= DUE + timedelta(minutes=7)


def test_auto_trigger_stays_still_unless_asked_and_unless_the_api_says_idle() -> None:
    for options, status in (
        (WatchdogOptions(), Status(is_running=False)),
        (WatchdogOptions(auto_trigger=True), Status(is_running=None)),
    ):
        day = world(options=options, status=status)
        day.until(DUE + timedelta(minutes=10))
        assert day.alerts_said == ["never_started firing"]
        assert day.watchdog.trigger_wanted(day.now, day.view) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}, "zero_results"),
        ({"symbols_failed": 100}, "low_success_rate"),
        ({"success_rate": 62.5}, "low_success_rate"),
        ({"status": "partial"}, "run_partial"),
        ({"status": "completed_with_errors"}, "run_partial"),
        ({"status": "cancelled"}, "run_cancelled"),
    ],
)
def test_a_claim_of_completion_is_checked(changes: dict[str, Any], named: str) -> None:
    day = world()
    day.play(a_run(DUE, **changes))
    day.pass_(60)
    assert day.alerts_said == [f"{named} firing"]


def test_an_import_under_its_success_rate_is_said_before_the_run_ends_and_once() -> None:
    day = world()
    events = a_run(DUE, success_rate=70)
    end = len(upto(events, "import_completed"))
    at = events[end - 1].received
    day.play([*events[: end - 1], event("import:completed", "import_completed", at, run_id="r1", success_rate=70.0)])
    day.pass_(0.1)
    assert day.alerts_said == ["low_success_rate firing"]
    assert "the import counts as failed" in day.alert("low_success_rate")["message"]
    day.play(events[end:])
    day.pass_(60)
    assert day.alerts_said == ["low_success_rate firing"]


def test_a_missing_phase_is_said_unless_the_relay_had_a_gap() -> None:
    for gap, said in ((False, ["phase_missing firing"]), (True, [])):
        day = world()
        events = [one for one in a_run(DUE) if one.domain != "cache"]
        day.play(events[:6])
        if gap:
            day.runs.missed_events(day.now)
        day.play(events[6:])
        day.pass_(60)
        assert day.alerts_said == said


def test_what_is_unusual_is_said_with_its_numbers_once_there_is_enough_to_compare() -> None:
    day = world("2025-01-06 20:00")
    for number, start in enumerate(("06", "07", "08", "10", "13", "14")):
        lasts = (3, 1, 4, 20) if start == "14" else (10 + number % 2, 1, 4, 20)
        day.play(a_run(utc(f"2025-01-{start} 21:10"), f"r{number}", minutes=lasts))
    day.pass_(60)
    assert day.alerts_said == ["too_fast firing"]
    said = day.alert("too_fast")["message"]
    assert "The import phase took only 3 min, 30% of the usual time (usually" in said
    assert "median 10 min of 5 runs" in said


def test_a_disabled_watchdog_only_follows() -> None:
    day = world(options=WatchdogOptions(enabled=False))
    day.play(a_run(DUE, status="failed"))
    day.until(DUE + timedelta(days=2))
    assert day.alerts_said == []
    assert "run_failed" in [one.event for _, one in day.said]
