"""Alerts: once on firing, once on resolved, over flapping and restarts."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, Severity
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
    assert (resolved.channel, resolved.severity, resolved.run_id) == (fired.channel, fired.severity, "r1")
    assert resolved.payload["state"] == "resolved"
    assert resolved.payload["title"] == "Resolved: CPU is at 95 %"
    assert resolved.payload["message"] == "CPU is at 40 %."
    assert resolved.payload["duration_seconds"] == 90


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
