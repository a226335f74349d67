"""Alerts where one mistake would say "Resolved" too early, or say a thing that somebody silenced."""

from datetime import timedelta

from relay.events import Announcement
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import Alerts
from tests.support.wire import utc

NOW = utc("2025-01-27 21:00")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def states(announcements: list[Announcement]) -> list[str]:
    return [one.payload["state"] for one in announcements]


def clearing() -> tuple[MemoryShelf, Alerts]:
    """An alert that fires since NOW, and has not held since a minute later; it is resolved 5 minutes after that."""
    shelf = MemoryShelf()
    alerts = Alerts(shelf)
    assert states(alerts.set("cpu", True, NOW, title="CPU", resolve_after=300)) == ["firing"]
    assert alerts.set("cpu", False, NOW + MINUTE) == []
    return shelf, alerts


def test_a_clearing_alert_that_holds_again_is_not_resolved_by_time() -> None:
    _, alerts = clearing()
    assert alerts.set("cpu", True, NOW + 2 * MINUTE, resolve_after=300) == []
    assert alerts.tick(NOW + HOUR) == []
    assert alerts.set("cpu", True, NOW + HOUR, resolve_after=300) == []
    assert alerts.is_firing("cpu")


def test_nor_after_a_restart() -> None:
    shelf, alerts = clearing()
    alerts.set("cpu", True, NOW + 2 * MINUTE, resolve_after=300)
    again = Alerts(shelf)
    assert again.tick(NOW + HOUR) == []
    assert again.is_firing("cpu")


def test_when_it_clears_anew_its_time_begins_anew() -> None:
    _, alerts = clearing()
    alerts.set("cpu", True, NOW + 2 * MINUTE, resolve_after=300)
    assert alerts.set("cpu", False, NOW + 4 * MINUTE) == []
    assert alerts.tick(NOW + 6 * MINUTE) == []
    assert states(alerts.tick(NOW + 9 * MINUTE)) == ["resolved"]


def test_one_that_goes_on_clearing_is_resolved_after_its_time_and_not_later() -> None:
    _, alerts = clearing()
    assert [states(alerts.set("cpu", False, NOW + minute * MINUTE)) for minute in (3, 5, 6)] == [[], [], ["resolved"]]
