"""The watchdog as a whole: quiet on a good day, held in maintenance, acting once if it was told to."""

from datetime import timedelta

from relay.config.watchdog import WatchdogOptions
from relay.runs.signals import State
from relay.tickstockpl.models import Status
from tests.support.days import DUE, a_run, world
from tests.support.wire import event, utc


def test_a_good_day_gives_no_alert() -> None:
    day = world()
    day.play(a_run(DUE))
    day.pass_(300)
    assert day.alerts_announced == []
    scheduled = day.watchdog.run_schedule.current
    assert scheduled is not None
    assert (scheduled.state, scheduled.run_id) == (State.RUNNING, "r1")


def test_in_a_maintenance_window_nobody_is_told_and_what_lasts_is_told_after_it() -> None:
    window = {"date": "2025-01-27", "from": "16:00", "lasting": "2h"}
    day = world(options=WatchdogOptions.model_validate({"maintenance": [window]}))
    day.until(utc("2025-01-27 22:59"))
    assert (day.alerts_announced, day.alerts_heard) == (["never_started firing"], [])
    day.until(utc("2025-01-27 23:01"))
    assert day.alerts_heard == ["never_started firing"]


def test_a_run_that_fails_in_a_maintenance_window_is_one_incident_after_it() -> None:
    window = {"date": "2025-01-27", "from": "16:00", "lasting": "2h"}
    day = world(options=WatchdogOptions.model_validate({"maintenance": [window]}))
    day.play(a_run(DUE, status="failed"))
    day.until(utc("2025-01-27 22:59"))
    assert (day.incident_events, day.alerts_heard) == ([], [])
    day.until(utc("2025-01-27 23:05"))
    (event,) = [announcement for _, announcement in day.incident_events]
    assert (event.payload["incident"], event.payload["change"], event.severity.label) == ("r1", "begins", "critical")
    assert day.alerts_heard == ["run_failed firing"]
    assert [each.event for _, each in day.announcements if each.channel == "relay:alert:silence"] == [
        "silence_began",
        "silence_ended",
    ]


def test_a_silence_of_a_days_incident_takes_its_errors_and_what_lasts_is_told_after_it() -> None:
    day = world()
    day.silences.add({}, DUE + timedelta(hours=2), day.now, incident="day:2025-01-27")
    day.until(DUE + timedelta(minutes=10))
    assert (day.alerts_announced, day.alerts_heard) == (["never_started firing"], [])
    day.until(DUE + timedelta(hours=2, minutes=1))
    (end,) = [each.payload for _, each in day.announcements if each.event == "silence_ended"]
    assert end["kept_alerts"] == 1
    assert day.alerts_heard == ["never_started firing"]
    assert [each.payload["incident"] for _, each in day.incident_events] == ["day:2025-01-27"]


def test_errors_of_a_run_that_came_late_are_kept_back_with_its_days_incident() -> None:
    day = world()
    day.until(DUE + timedelta(minutes=10))
    day.silences.add({}, DUE + timedelta(hours=2), day.now, incident="day:2025-01-27")
    day.tick()
    day.tell("processing:status", "processing_started", run_id="r1", status="started")
    day.tick()
    day.quiet.observe([event("errors", "error", day.now, severity="error", run_id="r1")], day.now)
    (silence,) = day.quiet.active(day.now)
    assert day.quiet.kept_back(silence.id) == (0, 1)
    day.quiet.observe(
        [event("errors", "error", day.now, severity="error", error_code="OTHER")], day.now + timedelta(hours=3)
    )
    assert day.quiet.kept_back(silence.id) == (0, 1)


def test_auto_trigger_wants_one_start_a_day_even_over_restarts() -> None:
    day = world(options=WatchdogOptions(auto_trigger=True))
    wanted = []
    for minute in range(180):
        day.pass_(1)
        scheduled = day.watchdog.trigger_wanted(day.now, day.view)
        if scheduled is not None:
            day.watchdog.auto_trigger.note(scheduled)
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
        assert day.alerts_announced == ["never_started firing"]
        assert day.watchdog.trigger_wanted(day.now, day.view) is None


def test_a_disabled_watchdog_only_follows() -> None:
    day = world(options=WatchdogOptions(enabled=False))
    day.play(a_run(DUE, status="failed"))
    day.until(DUE + timedelta(days=2))
    assert day.alerts_announced == []
    assert "run_failed" in [announcement.event for _, announcement in day.announcements]
