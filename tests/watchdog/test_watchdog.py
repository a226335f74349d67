"""The watchdog as a whole: quiet on a good day, held in maintenance, acting once if it was told to."""

from datetime import timedelta

from relay.config.watchdog import WatchdogOptions
from relay.runs.signals import State
from relay.tickstockpl.models import Status
from tests.support.days import DUE, a_run, world
from tests.support.wire import utc


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
