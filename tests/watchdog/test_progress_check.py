"""Runs that go on: stalled, silent, unheard, overdue, slow, over without a word; one alert for one trouble."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.tickstockpl.models import HistoryRun, Status
from relay.watchdog import progress_messages
from relay.watchdog.progress_check import _how_it_ended, _is_row_of
from tests.support.days import DUE, a_run, running, world
from tests.support.wire import upto


def test_events_that_come_while_the_api_is_down_are_trusted() -> None:
    day = world(api_up=False)
    day.play(a_run(DUE))
    day.api_up = True
    day.pass_(30)
    assert day.alerts_announced == ["api_unreachable firing", "api_unreachable resolved"]


def test_an_api_outage_while_events_come_is_said_to_be_only_that() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.api_up = False
    for percent in range(10, 20):
        day.pass_(1)
        day.tell("import:progress", "import_progress", run_id="r1", percent_complete=percent)
    assert day.alerts_announced == ["api_unreachable firing"]
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
    assert day.alerts_announced == ["events_missing firing", "events_missing resolved"]
    ends = [announcement for _, announcement in day.announcements if announcement.event == "run_completed"]
    assert [one.payload["duration_seconds"] for one in ends] == [2100]
    assert all(one.payload["reconstructed"] for one in ends)


def test_a_stall_names_phase_and_last_symbol_and_ends_when_the_run_goes_on() -> None:
    day = world()
    events = upto(a_run(DUE), "indicator_progress")
    day.play(events)
    day.status = running(current_phase="indicators")
    day.pass_(20)
    assert day.alerts_announced == ["run_stalled firing"]
    alert = day.alert("run_stalled")
    assert alert["title"] == "Run of Mon 27 Jan is stalled in indicators"
    assert "the last symbol was S25" in alert["message"]
    assert "at 5 % (25 of 505 symbols)" in alert["message"]
    assert {"run_date": "2025-01-27", "phase": "indicators", "last_symbol": "S25"}.items() <= alert["facts"].items()
    stalled_at = next(at for at, announcement in day.announcements if announcement.event == "run_stalled")
    assert timedelta(seconds=300) <= stalled_at - events[-1].received <= timedelta(seconds=330)
    day.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=55, current_symbol="HPQ")
    day.tick()
    assert day.alerts_announced == ["run_stalled firing", "run_stalled resolved"]
    assert "at HPQ, 55 %" in day.alert("run_stalled", "resolved")["message"]


def test_a_stall_that_lasts_is_not_also_silent_slow_and_overdue() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    day.pass_(240)
    assert day.alerts_announced == ["run_stalled firing"]


def test_after_a_stall_some_lateness_is_no_news() -> None:
    day = world(options=WatchdogOptions.model_validate({"phase_limits": {"import": "9h"}}))
    day.play(upto(a_run(DUE), "import_progress"))
    day.until(DUE + timedelta(minutes=40))
    moved = 0
    while day.now < DUE + timedelta(minutes=190):
        moved += 1
        day.tell("import:progress", "import_progress", run_id="r1", percent_complete=moved / 4)
        day.pass_(1)
        if day.now < DUE + timedelta(minutes=180):
            assert day.alerts_announced in (["run_stalled firing"], ["run_stalled firing", "run_stalled resolved"])
    assert day.alerts_announced[2:] == ["run_overdue firing"]


def test_a_stalled_run_that_dies_is_not_said_to_go_on() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.pass_(20)
    day.status = Status(is_running=False)
    day.pass_(20)
    assert day.alerts_announced == ["run_stalled firing", "run_stalled resolved", "run_failed firing"]
    assert day.alert("run_stalled", "resolved")["message"] == "The run has ended at 16:21: failed."


def test_other_events_do_not_end_a_stall() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    for _ in range(20):
        day.pass_(1)
        day.tell("monitoring", "system_metrics", cpu_percent=40)
    assert day.alerts_announced == ["run_stalled firing"]


def test_both_silent_during_a_run_is_one_alert_of_its_own() -> None:
    day = world(options=WatchdogOptions(api_unreachable_after=3600))
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.api_up = False
    day.pass_(20)
    assert day.alerts_announced == ["run_no_events firing"]
    assert "TickStockPL, its host or Redis may be down" in day.alert("run_no_events")["message"]


def test_silence_while_the_api_s_progress_moves_means_that_events_are_missing() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    for percent in range(50, 70):
        day.status = running(current_phase="indicators", progress=float(percent))
        day.pass_(1)
    assert day.alerts_announced == ["events_missing firing"]


def test_while_the_relay_itself_is_cut_off_no_run_is_called_stalled() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running()
    day.watchdog.note_connection(None)
    day.pass_(20)
    assert day.alerts_announced == []
    day.watchdog.note_connection(day.now)
    day.pass_(6)
    assert day.alerts_announced == ["run_stalled firing"]


def test_a_run_still_going_on_after_the_finish_grace_is_overdue_once() -> None:
    day = world(options=WatchdogOptions.model_validate({"phase_limits": {"import": "5h"}}))
    day.play(upto(a_run(DUE), "import_started"))
    day.status = running()
    for minute in range(100):
        day.pass_(1)
        day.tell(
            "import:progress", "import_progress", run_id="r1", percent_complete=minute / 2, current_symbol=f"S{minute}"
        )
    assert day.alerts_announced == ["run_overdue firing"]
    overdue = next(at for at, announcement in day.announcements if announcement.event == "run_overdue")
    assert overdue == DUE + timedelta(minutes=90)


def test_a_deadline_on_the_next_day_is_said_with_its_day() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_started"))
    (run,) = day.runs.open
    problem = progress_messages.overdue(run, DUE + timedelta(hours=8), DUE + timedelta(hours=9))
    assert problem.message.startswith(
        "It began at Mon 27 Jan 16:10 EST (21:10 UTC) and should have ended by Tue 28 Jan 00:10 EST. At 01:10"
        " it was in import."
    )


def test_a_phase_over_its_limit_is_a_warning_that_ends_with_it() -> None:
    day = world()
    day.play(a_run(DUE, minutes=(45, 1, 4, 20)))
    day.pass_(10)
    assert day.alerts_announced == ["phase_slow firing", "phase_slow resolved"]


def test_an_end_that_nobody_told_comes_from_the_history_and_is_said() -> None:
    day = world()
    day.play(a_run(DUE)[:-1])
    day.history = [HistoryRun("r1", None, DUE, day.now, "completed", 505, 5, 1250, 7575, 2100.0)]
    day.pass_(30)
    assert day.alerts_announced == ["completion_not_reported firing"]
    assert day.runs.open == []


def test_a_run_that_vanishes_in_the_middle_has_failed() -> None:
    day = world()
    day.play(upto(a_run(DUE), "cache_started"))
    day.status = Status(is_running=False)
    day.pass_(10)
    assert day.alerts_announced == ["run_failed firing"]
    assert "TickStockPL is idle, and nobody told how the run ended" in day.alert("run_failed")["message"]


@pytest.mark.parametrize("step", [timedelta(hours=3), timedelta(seconds=-90), timedelta(hours=-2)], ids=str)
def test_after_a_step_of_the_clock_silence_is_counted_anew(step: timedelta) -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.status = running(current_phase="indicators")
    day.pass_(2)
    day.now += step
    day.watchdog.clock_stepped(day.now)
    stepped_at = day.now
    day.pass_(4)
    assert day.alerts_announced == []
    day.pass_(3)
    assert day.alerts_announced == ["run_stalled firing"]
    fired_at = next(at for at, announcement in day.announcements if announcement.event == "run_stalled")
    assert timedelta(seconds=300) <= fired_at - stepped_at <= timedelta(seconds=330)


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_restart_or_a_new_subscription_is_no_sign_that_a_silent_run_goes_on(*, handed_over: bool) -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.api_up = False
    day.pass_(10)
    assert "run_no_events firing" in day.alerts_announced
    if not handed_over:
        day.stop_relay()
        day.now += timedelta(seconds=30)
    day.start_relay()
    day.pass_(3)
    assert "run_no_events resolved" not in day.alerts_announced
    day.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=55, current_symbol="HPQ")
    day.tick()
    assert day.alerts_announced[-1] == "run_no_events resolved"
    assert "the run goes on in indicators, at HPQ, 55 %." in day.alert("run_no_events", "resolved")["message"]


def test_an_api_that_is_idle_is_no_sign_that_a_silent_run_goes_on() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.api_up = False
    day.pass_(10)
    day.api_up, day.status = True, Status(is_running=False)
    day.pass_(30)
    assert day.alerts_announced == [
        "api_unreachable firing",
        "run_no_events firing",
        "api_unreachable resolved",
        "run_no_events resolved",
        "run_failed firing",
    ]
    assert "The run has ended" in day.alert("run_no_events", "resolved")["message"]


@pytest.mark.parametrize("asked", [False, True])
def test_after_a_restart_the_api_counts_as_answering_when_it_was_asked(*, asked: bool) -> None:
    day = world(api_up=False)
    day.pass_(5)
    day.start_relay()
    day.view = replace(day.view)  # not asked yet
    found = day.watchdog.tick(day.now, day.view)
    assert found == []
    if asked:
        day.api_up = True
    day.pass_(5)
    assert day.alerts_announced == ["api_unreachable firing"] + ["api_unreachable resolved"] * asked


def test_after_a_restart_the_history_counts_as_readable_when_it_was_read() -> None:
    day = world()
    day.history_works = False
    day.until(DUE + timedelta(minutes=10))
    assert "api_history_broken firing" in day.alerts_announced
    day.start_relay()
    day.watchdog.tick(day.now, day.view)
    day.pass_(60)
    assert "api_history_broken resolved" not in day.alerts_announced
    day.history_works = True
    day.pass_(30)
    assert "api_history_broken resolved" in day.alerts_announced


@pytest.mark.parametrize("name", ["run_stalled", "run_no_events", "phase_slow", "run_overdue"])
def test_what_is_said_of_a_run_names_moments_and_no_ages(name: str) -> None:
    day = world(options=WatchdogOptions.model_validate({"phase_limits": {"indicators": "2m"}}))
    if name == "run_overdue":
        day.options = day.watchdog.options = WatchdogOptions.model_validate(
            {"finish_grace": "10m", "stall_after": "9h"}
        )
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.api_up = name != "run_no_events"
    day.status = running()
    if name == "phase_slow":
        for percent in (60, 70, 80):
            day.pass_(1)
            day.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=percent)
    day.pass_(15)
    words = day.alert(name)["message"]
    assert " ago" not in words
    assert "16:2" in words, "the moment is there"


def test_a_slow_phase_is_not_over_because_the_next_one_has_begun() -> None:
    day = world(options=WatchdogOptions.model_validate({"phase_limits": {"import": "10m"}, "stall_after": "9h"}))
    day.play(upto(a_run(DUE), "import_progress"))
    for percent in (30, 50, 70, 80):
        day.pass_(3)
        day.tell("import:progress", "import_progress", run_id="r1", percent_complete=percent)
    day.tell("cache:started", "cache_started", run_id="r1")
    day.pass_(3)
    assert day.alerts_announced == ["phase_slow firing"]
    day.tell("import:completed", "import_completed", run_id="r1")
    day.tick()
    assert day.alerts_announced == ["phase_slow firing", "phase_slow resolved"]
    assert day.alert("phase_slow", "resolved")["message"] == "The phase ended at 16:25."


@pytest.mark.parametrize(
    ("run_id", "row", "is_it"),
    [
        ("r1", HistoryRun("r1", start_time=DUE + timedelta(days=1)), True),
        ("r1", HistoryRun("r2", start_time=DUE), False),
        ("r1", HistoryRun(None, start_time=DUE + timedelta(seconds=1)), True),
        ("r1", HistoryRun(None, start_time=DUE + timedelta(hours=1)), False),
        ("r1", HistoryRun(None), False),
        (None, HistoryRun("r2", start_time=DUE), True),
        (None, HistoryRun("r2"), False),
    ],
)
def test_a_row_of_the_history_is_a_run_by_its_id_else_by_its_start(
    run_id: str | None, row: HistoryRun, is_it: bool
) -> None:
    day = world()
    day.play(a_run(DUE, run_id)[:1])
    assert _is_row_of(row, day.runs.open[0]) is is_it


def test_a_run_that_ended_before_the_relay_forgot_it_is_said_to_have_ended_so() -> None:
    day = world()
    day.play(a_run(DUE))
    run = next(iter(day.runs.newest_first()))
    assert _how_it_ended(run) == "The run has ended at 16:45: completed."
    run.ended_at = None
    assert _how_it_ended(run) == "The run has ended: completed."
