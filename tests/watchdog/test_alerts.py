"""Alerts: once on firing, once on resolved, over flapping and restarts."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, Severity, utc_text
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import MAX_ALERTS, Alerts
from tests.support.wire import utc

START = utc("2025-01-27 21:15")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def states(announcements: list[Announcement]) -> list[str]:
    return [announcement.payload["state"] for announcement in announcements]


def on(alerts: Alerts, seconds: float, **more: Any) -> list[Announcement]:
    return alerts.set("cpu:host", True, after(seconds), title="CPU is at 95 %", message="Look at it.", **more)


def off(alerts: Alerts, seconds: float) -> list[Announcement]:
    return alerts.set("cpu:host", False, after(seconds), message="CPU is at 40 %.")


def test_an_alert_says_what_it_is_about_and_its_end_keeps_the_severity() -> None:
    alerts = Alerts(MemoryShelf())
    (fired,) = on(alerts, 0, severity=Severity.CRITICAL, run_id="r1", facts={"level": 95})
    assert (fired.channel, fired.event, fired.severity) == ("relay:alert:cpu", "cpu", Severity.CRITICAL)
    assert fired.payload == {
        "alert": "cpu:host",
        "state": "firing",
        "title": "CPU is at 95 %",
        "message": "Look at it.",
        "since": "2025-01-27T21:15:00Z",
        "run_id": "r1",
        "facts": {"level": 95},
    }
    (resolved,) = off(alerts, 90)
    assert (resolved.channel, resolved.event) == (fired.channel, fired.event)
    assert (resolved.severity, fired.run_id, resolved.run_id) == (fired.severity, "r1", "r1")
    assert resolved.payload == {
        "alert": "cpu:host",
        "state": "resolved",
        "title": "Resolved: CPU is at 95 %",
        "message": "CPU is at 40 %.",
        "since": "2025-01-27T21:15:00Z",
        "until": "2025-01-27T21:16:30Z",
        "announced_at": "2025-01-27T21:15:00Z",
        "duration_seconds": 90.0,
        "run_id": "r1",
        "facts": {"level": 95},
    }


def test_what_is_not_given_is_left_out_and_an_end_without_words_says_how_long_it_was() -> None:
    alerts = Alerts(MemoryShelf())
    (fired,) = alerts.set("cpu", True, START)
    assert (fired.severity, fired.run_id) == (Severity.ERROR, None)
    assert fired.payload.keys() == {"alert", "state", "title", "message", "since"}
    assert (fired.payload["title"], fired.payload["message"]) == ("", "")
    (resolved,) = alerts.resolve("cpu", after(90))
    assert resolved.payload["message"] == "It is over after 1 min 30 s."
    assert alerts.resolve("cpu", after(91)) == []
    assert alerts.set("cpu", False, after(92)) == []


def test_one_that_ends_before_it_began_by_a_clock_that_was_set_lasted_no_time() -> None:
    alerts = Alerts(MemoryShelf())
    on(alerts, 0)
    (resolved,) = off(alerts, -60)
    assert resolved.payload["duration_seconds"] == 0.0


def test_it_fires_with_the_words_of_the_moment_and_ends_with_those_of_the_first_one() -> None:
    alerts = Alerts(MemoryShelf())
    for second, title in ((0, "one"), (30, "two"), (60, "three")):
        fired = alerts.set("cpu", True, after(second), title=title, facts={"n": second}, for_=60, resolve_after=60)
    assert [(one.payload["title"], one.payload["facts"]) for one in fired] == [("three", {"n": 60})]
    assert alerts.set("cpu", True, after(90), title="four") == []
    assert alerts.set("cpu", False, after(100), message="first") == []
    (resolved,) = alerts.set("cpu", False, after(160), message="second")
    assert (resolved.payload["title"], resolved.payload["message"]) == ("Resolved: three", "first")


def test_whoever_ends_it_may_say_how_long_it_must_be_over() -> None:
    alerts = Alerts(MemoryShelf())
    on(alerts, 0)
    assert alerts.set("cpu:host", False, after(10), resolve_after=60) == []
    assert alerts.tick(after(69)) == []
    assert states(alerts.tick(after(70))) == ["resolved"]


def test_what_is_resolved_is_over_at_once_whatever_it_should_wait_for() -> None:
    alerts = Alerts(MemoryShelf())
    on(alerts, 0, resolve_after=600)
    off(alerts, 10)
    (resolved,) = alerts.resolve("cpu:host", after(20), "Enough.")
    assert (resolved.payload["message"], resolved.payload["duration_seconds"]) == ("CPU is at 40 %.", 20.0)
    assert not alerts.holds("cpu:host")


def test_what_waits_is_known_by_its_name_and_what_fires_also_by_its_run() -> None:
    alerts = Alerts(MemoryShelf())
    on(alerts, 10, run_id="r1")
    alerts.set("cpu:other", True, after(5), for_=60, run_id="r1")
    alerts.set("disk:a", True, after(0), run_id="r1")
    alerts.set("cpu", True, after(20), run_id="r2")
    assert [one.key for one in alerts.firing()] == ["disk:a", "cpu:host", "cpu"]
    assert [one.key for one in alerts.holding("cpu")] == ["cpu:host", "cpu:other", "cpu"]
    assert [one.key for one in alerts.about("r1")] == ["disk:a", "cpu:host"]
    assert [alerts.holds(key) for key in ("cpu", "cpu:other", "disk")] == [True, True, False]
    assert [alerts.is_firing(key) for key in ("cpu", "cpu:other", "disk")] == [True, False, False]


def test_what_was_announced_can_be_announced_again_while_it_fires() -> None:
    shelf = MemoryShelf()
    alerts = Alerts(shelf)
    (fired,) = on(alerts, 0, facts={"level": 95})
    assert alerts.set("cpu:other", True, after(0), for_=60) == []
    assert alerts.announcement_of("cpu:host") == fired
    assert alerts.announcement_of("cpu:other") is None
    assert alerts.announcement_of("disk") is None
    alerts.announced_again("cpu:host", after(30))
    (resolved,) = off(Alerts(shelf), 60)
    assert resolved.payload["announced_at"] == "2025-01-27T21:15:30Z"
    assert resolved.payload["duration_seconds"] == 60.0


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_when_the_clock_is_set_what_waits_waits_as_long_as_it_would_have(seconds: float) -> None:
    shelf = MemoryShelf()
    alerts = Alerts(shelf)
    on(alerts, 0, resolve_after=60)
    alerts.set("cpu:pending", True, after(10), for_=60)
    alerts.set("cpu:firing", True, after(10))
    off(alerts, 10)
    alerts.clock_stepped(seconds)
    alerts = Alerts(shelf)
    assert alerts.set("cpu:host", False, after(seconds + 20)) == []
    assert alerts.tick(after(seconds + 69)) == []
    resolved, fired = alerts.tick(after(seconds + 70))
    assert (resolved.payload["alert"], resolved.payload["state"]) == ("cpu:host", "resolved")
    assert (fired.payload["alert"], fired.payload["state"]) == ("cpu:pending", "firing")
    assert fired.payload["since"] == utc_text(after(seconds + 10))
    assert [one.key for one in alerts.firing() if one.since == after(10)] == ["cpu:firing"]


@pytest.mark.parametrize(
    ("waiting", "dropped"), [((), "a:0"), ((1,), "a:1"), ((2, 1), "a:1")], ids=["all fire", "waits", "two wait"]
)
def test_of_too_many_the_oldest_that_waits_makes_room_else_the_oldest(
    monkeypatch: pytest.MonkeyPatch, waiting: tuple[int, ...], dropped: str
) -> None:
    monkeypatch.setattr("relay.watchdog.alerts.MAX_ALERTS", 3)
    alerts = Alerts(MemoryShelf())
    for number in range(4):
        for_ = 60.0 if number in waiting else 0.0
        alerts.set(f"a:{number}", True, after(number), for_=for_)
    assert {f"a:{number}" for number in range(4)} - {one.key for one in alerts.holding("a")} == {dropped}


def test_it_is_said_once_however_often_it_is_true() -> None:
    alerts = Alerts(MemoryShelf())
    assert states([announcement for second in range(50) for announcement in on(alerts, second)]) == ["firing"]
    assert states([announcement for second in range(50, 60) for announcement in off(alerts, second)]) == ["resolved"]


def test_what_flaps_neither_fires_nor_is_resolved() -> None:
    alerts = Alerts(MemoryShelf())
    rules = {"for_": 60, "resolve_after": 60}
    flapping = [(on(alerts, n, **rules) if n % 2 else off(alerts, n)) for n in range(300)]
    assert flapping == [[]] * 300
    assert states([announcement for n in range(300, 362) for announcement in on(alerts, n, **rules)]) == ["firing"]
    flapping = [(off(alerts, n) if n % 2 else on(alerts, n, **rules)) for n in range(362, 500)]
    assert flapping == [[]] * 138
    assert states([announcement for n in range(500, 570) for announcement in off(alerts, n)]) == ["resolved"]


def test_time_alone_fires_and_resolves() -> None:
    alerts = Alerts(MemoryShelf())
    assert on(alerts, 0, for_=60, resolve_after=60) == []
    assert alerts.tick(after(59)) == []
    assert states(alerts.tick(after(60))) == ["firing"]
    assert off(alerts, 100) == []
    assert alerts.tick(after(159)) == []
    assert states(alerts.tick(after(160))) == ["resolved"]
    assert alerts.tick(after(1000)) == []


@pytest.mark.parametrize("restart_at", range(0, 400, 20))
def test_a_restart_says_nothing_twice_and_forgets_nothing(restart_at: int) -> None:
    shelf = MemoryShelf()
    alerts, announcements = Alerts(shelf), []
    for second in range(0, 400, 10):
        if second == restart_at:
            alerts = Alerts(shelf)
        announcements += on(alerts, second, for_=60, resolve_after=60) if second < 200 else off(alerts, second)
    assert states(announcements) == ["firing", "resolved"]
    assert announcements[1].payload["duration_seconds"] == 260


def test_conditions_are_bounded_and_those_that_fire_stay() -> None:
    shelf = MemoryShelf()
    alerts = Alerts(shelf)
    on(alerts, 0)
    for number in range(2 * MAX_ALERTS):
        alerts.set(f"symbol:{number}", True, after(number), for_=1e9)
    assert len(shelf.items()) == MAX_ALERTS
    assert alerts.is_firing("cpu:host")


def test_what_cannot_be_read_on_the_shelf_is_forgotten() -> None:
    shelf = MemoryShelf()
    shelf.put("cpu:host", "{")
    assert states(on(Alerts(shelf), 0)) == ["firing"]


@given(st.lists(st.booleans(), max_size=80), st.integers(0, 5), st.integers(0, 5))
def test_firing_and_resolved_take_turns(truths: list[bool], for_: int, resolve_after: int) -> None:
    alerts = Alerts(MemoryShelf())
    changes = [
        state
        for second, truth in enumerate(truths)
        for state in states(
            on(alerts, second, for_=for_, resolve_after=resolve_after) if truth else off(alerts, second)
        )
    ]
    assert changes == ["firing", "resolved"] * (len(changes) // 2) + ["firing"] * (len(changes) % 2)
    assert alerts.is_firing("cpu:host") == (len(changes) % 2 == 1)
