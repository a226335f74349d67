"""Silences and maintenance: one judgement of alerts and errors, and nothing that matters stays unsaid at their end."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement, Event, Mark, Severity
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.quiet import Quiet
from relay.watchdog.silences import Silences
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:00")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WINDOW = {"date": "2025-01-27", "from": "16:00", "lasting": "1h", "comment": "the weekly reboot"}
RUN = "2ec03b4d-4377-4f80-ab12-03488823563f"


class Rig:
    """Alerts, silences and what people are told, on shelves that survive a restart."""

    def __init__(self, *, window: bool = False) -> None:
        self.options = WatchdogOptions.model_validate({"maintenance": [WINDOW] if window else []})
        self.shelves = {name: MemoryShelf() for name in ("alerts", "silences", "quiet")}
        self.heard: list[str] = []
        self.notices: list[tuple[str, str]] = []
        self.start()

    def start(self) -> None:
        """A new process on the same shelves."""
        self.alerts = Alerts(self.shelves["alerts"])
        self.silences = Silences(self.shelves["silences"])
        self.quiet = Quiet(self.silences, lambda: self.options, self.shelves["quiet"])

    def fire(self, name: str, now: datetime, run_id: str | None = None) -> None:
        self.announce(self.alerts.set(name, True, now, severity=Severity.ERROR, title=f"T {name}", run_id=run_id), now)

    def clear(self, name: str, now: datetime) -> None:
        self.announce(self.alerts.resolve(name, now), now)

    def tick(self, now: datetime) -> None:
        self.announce(self.quiet.tick(now, self.alerts), now)

    def announce(self, announcements: Iterable[Announcement], now: datetime) -> None:
        announcements = list(announcements)
        self.quiet.announced(announcements, now)
        for each in announcements:
            made = each.as_event("rig", 0, now)
            if "alert" not in each.payload:
                assert self.quiet.silencing(made, now) is None, "what is said of silences is never silenced"
                self.notices.append((each.payload["title"], each.payload["message"]))
            elif self.quiet.silencing(made, now) is None:
                self.heard.append(f"{each.event} {each.payload['state']}")

    def errors(self, count: int, now: datetime, **payload: Any) -> int:
        """So many errors; returns how many people are told of."""
        events = [error(now, **payload) for _ in range(count)]
        self.quiet.observe(events, now)
        return sum(self.quiet.silencing(each, now) is None for each in events)


def error(now: datetime, **payload: Any) -> Event:
    return event("errors", "error", now, severity="error", **payload)


def silenced(rig: Rig, *, window: bool) -> None:
    """The same hour, by a silence or by the window."""
    if not window:
        rig.silences.add({}, NOW + HOUR, NOW, everything=True, comment="the weekly reboot", who="ann")


@pytest.mark.parametrize("window", [False, True])
def test_silence_and_maintenance_keep_alerts_and_errors_back_and_end_in_one_summary(*, window: bool) -> None:
    rig = Rig(window=window)
    silenced(rig, window=window)
    rig.tick(NOW)
    rig.fire("brief", NOW + MINUTE)
    rig.fire("lasting", NOW + 2 * MINUTE)
    rig.clear("brief", NOW + 3 * MINUTE)
    assert rig.errors(12, NOW + 4 * MINUTE) == 0
    rig.tick(NOW + 30 * MINUTE)
    assert rig.heard == []
    rig.tick(NOW + HOUR)
    rig.tick(NOW + HOUR + MINUTE)
    begins, ends = rig.notices
    if window:
        assert begins == ("Maintenance until 17:00 EST", "the weekly reboot")
    else:
        assert begins == ("Silenced until 17:00 EST", "everything – the weekly reboot (ann)")  # noqa: RUF001
    assert ends == (
        "Maintenance ended" if window else "Silence ended",
        "2 alerts and 12 errors were kept back; 1 alert still fires: T lasting.",
    )
    assert rig.heard == ["lasting firing"]
    assert rig.errors(1, NOW + HOUR) == 1
    rig.clear("lasting", NOW + 2 * HOUR)
    assert rig.heard == ["lasting firing", "lasting resolved"]


@pytest.mark.parametrize("window", [False, True])
def test_whether_an_alert_is_silenced_and_what_was_kept_back_can_be_asked(*, window: bool) -> None:
    rig = Rig(window=window)
    rig.fire("early", NOW - HOUR)
    (early,) = rig.alerts.firing()
    assert not rig.quiet.silences_alert(early, rig.alerts, NOW - MINUTE)
    assert rig.quiet.active(NOW - MINUTE) == []
    silenced(rig, window=window)
    rig.tick(NOW)
    (active,) = rig.quiet.active(NOW)
    assert rig.quiet.kept_back(active.id) == rig.quiet.kept_back("another") == (0, 0)
    rig.fire("lasting", NOW + MINUTE)
    rig.alerts.set("pending", True, NOW + MINUTE, for_=600)
    rig.errors(2, NOW + 2 * MINUTE)
    assert rig.quiet.kept_back(active.id) == (1, 2)
    asked = {one.key: rig.quiet.silences_alert(one, rig.alerts, NOW + 3 * MINUTE) for one in rig.alerts.firing()}
    assert asked == {"early": True, "lasting": True}
    (pending,) = rig.alerts.holding("pending")
    assert not rig.quiet.silences_alert(pending, rig.alerts, NOW + 3 * MINUTE)
    assert not rig.quiet.silences_alert(early, rig.alerts, NOW + HOUR)


@pytest.mark.parametrize("window", [False, True])
def test_over_a_restart_nothing_is_said_twice_and_nothing_is_forgotten(*, window: bool) -> None:
    rig = Rig(window=window)
    silenced(rig, window=window)
    rig.tick(NOW)
    rig.fire("lasting", NOW + MINUTE)
    rig.tick(NOW + 2 * MINUTE)
    rig.start()
    rig.tick(NOW + 3 * MINUTE)
    assert len(rig.notices) == 1
    rig.start()
    rig.tick(NOW + 2 * HOUR)  # the end came while no relay ran
    rig.start()
    rig.tick(NOW + 3 * HOUR)
    assert [message for _, message in rig.notices[1:]] == ["1 alert was kept back; 1 alert still fires: T lasting."]
    assert rig.heard == ["lasting firing"]


@pytest.mark.parametrize("window", [False, True])
def test_what_was_told_before_is_told_to_its_end_although_it_is_quiet(*, window: bool) -> None:
    rig = Rig(window=window)
    rig.fire("before", NOW - MINUTE)
    silenced(rig, window=window)
    rig.clear("before", NOW + MINUTE)
    rig.fire("within", NOW + MINUTE)
    rig.clear("within", NOW + 2 * MINUTE)
    rig.tick(NOW + 2 * HOUR)
    assert rig.heard == ["before firing", "before resolved"]


def test_an_end_of_what_nobody_was_told_stays_unsaid_after_the_silence_too() -> None:
    rig = Rig()
    rig.silences.add({"event": "within"}, NOW + HOUR, NOW)
    rig.fire("within", NOW + MINUTE)
    rig.clear("within", NOW + HOUR)  # before the tick that would have told of it
    rig.tick(NOW + HOUR)
    assert rig.heard == []
    assert rig.notices[-1] == ("Silence ended", "1 alert was kept back; none of the alerts fires now.")


def test_nothing_kept_back_is_said_as_such() -> None:
    rig = Rig()
    rig.silences.add({"event": "other"}, NOW + HOUR, NOW)
    rig.tick(NOW)
    rig.fire("lasting", NOW + MINUTE)
    rig.tick(NOW + HOUR)
    assert rig.notices[1] == ("Silence ended", "Nothing was kept back.")
    assert rig.heard == ["lasting firing"]


def test_what_a_second_silence_keeps_quiet_is_not_said_when_the_first_ends() -> None:
    rig = Rig()
    rig.silences.add({"channel": "relay:alert:*"}, NOW + HOUR, NOW)
    rig.silences.add({"event": "lasting"}, NOW + 2 * HOUR, NOW)
    rig.tick(NOW)
    rig.fire("lasting", NOW + MINUTE)
    rig.fire("other", NOW + MINUTE)
    rig.tick(NOW + HOUR)
    assert rig.heard == ["other firing"]
    rig.tick(NOW + 2 * HOUR)
    assert rig.heard == ["other firing", "lasting firing"]
    rig.tick(NOW + 3 * HOUR)
    assert len(rig.heard) == 2


def test_a_silence_that_is_expired_ends_then() -> None:
    rig = Rig()
    silence = rig.silences.add({}, NOW + HOUR, NOW, everything=True)
    rig.tick(NOW)
    rig.fire("lasting", NOW + MINUTE)
    rig.silences.expire(silence.id, NOW + 2 * MINUTE)
    rig.tick(NOW + 2 * MINUTE)
    assert rig.heard == ["lasting firing"]
    assert len(rig.notices) == 2


def test_a_window_that_a_reload_takes_away_ends_then() -> None:
    rig = Rig(window=True)
    rig.tick(NOW)
    rig.fire("lasting", NOW + MINUTE)
    rig.options = WatchdogOptions()
    rig.tick(NOW + 2 * MINUTE)
    assert rig.heard == ["lasting firing"]
    assert [title for title, _ in rig.notices] == ["Maintenance until 17:00 EST", "Maintenance ended"]


@pytest.mark.parametrize(
    ("incident", "is_quiet"), [(RUN, True), ("another", False), ("day:2025-01-27", False), ("api_unreachable", False)]
)
def test_a_silence_of_an_incident_takes_its_alerts_and_errors_and_no_others(incident: str, *, is_quiet: bool) -> None:
    rig = Rig()
    rig.silences.add({}, NOW + HOUR, NOW, incident=incident)
    rig.fire("run_failed", NOW, run_id=RUN)
    assert (rig.heard == []) is is_quiet
    assert (rig.quiet.silencing(error(NOW, run_id=RUN), NOW) is not None) is is_quiet
    assert rig.quiet.silencing(error(NOW), NOW) is None
    assert rig.quiet.silencing(error(NOW), NOW, incident) is not None, "who makes incidents knows better"


def test_an_incident_and_what_is_said_of_silences_are_never_quiet() -> None:
    rig = Rig(window=True)
    for channel in ("relay:alert:incident", "relay:alert:silence"):
        said_so = Announcement(channel=channel, event="x", severity=Severity.CRITICAL).as_event("rig", 0, NOW)
        assert rig.quiet.silencing(said_so, NOW) is None


def test_tests_and_replayed_events_are_not_counted_as_kept_back() -> None:
    rig = Rig(window=True)
    rig.tick(NOW)
    probe = error(NOW)
    probe.marks = Mark.TEST
    rig.quiet.observe([probe], NOW)
    (window,) = rig.quiet.active(NOW)
    assert rig.quiet.kept_back(window.id) == (0, 0)
    rig.errors(2, NOW)
    assert rig.quiet.kept_back(window.id) == (0, 2)


def test_windows_and_silences_are_listed_with_what_ends_first_first() -> None:
    rig = Rig(window=True)
    rig.silences.add({"event": "a"}, NOW + 2 * HOUR, NOW)
    rig.silences.add({"event": "b"}, NOW + MINUTE, NOW)
    assert [one.matches for one in rig.quiet.active(NOW)] == ["event=b", "everything", "event=a"]
    assert rig.quiet.active(NOW + 3 * HOUR) == []


def test_a_window_without_a_comment_says_what_it_does() -> None:
    rig = Rig()
    rig.options = WatchdogOptions.model_validate({"maintenance": [{k: v for k, v in WINDOW.items() if k != "comment"}]})
    rig.tick(NOW)
    rig.tick(NOW + HOUR)
    assert rig.notices == [
        ("Maintenance until 17:00 EST", "Nobody is told of alerts and errors."),
        ("Maintenance ended", "Nothing was kept back."),
    ]
