"""The relay's own health as alerts."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relay.lanes.quarantine import Quarantine
from relay.store.shelf import MemoryShelf
from relay.store.store import Store
from relay.watchdog.alerts import Alerts
from relay.watchdog.self_check import Vitals
from tests.support.scripted import Clock as ByHand
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
REFUSED = "Redis refuses: NOPERM No permissions to access a channel"


class Seen:
    """Vitals over a subscription that is as the test says."""

    def __init__(self, directory: Path) -> None:
        self.vitals = Vitals(Alerts(MemoryShelf()))
        self.store, self.quarantine = Store(None), Quarantine(directory, max_bytes=1, max_total_bytes=1 << 20, keep=1)
        self.link: Any = SimpleNamespace(lost_since=None, problem="", reason="", behind_since=None)

    def look(self, second: float) -> list[tuple[str, dict[str, Any]]]:
        """What is announced at that second."""
        said = self.vitals.look(
            NOW + timedelta(seconds=second),
            lanes={},
            store=self.store,
            quarantine=self.quarantine,
            subscription=self.link,
        )
        return [(one.channel, one.payload) for one in said]

    def lose(self, since: datetime, reason: str, problem: str = "") -> None:
        """It is not subscribed."""
        self.link.lost_since, self.link.reason, self.link.problem = since, reason, problem


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path)


def test_a_minute_without_a_subscription_is_an_alert_in_the_server_s_words(seen: Seen) -> None:
    assert seen.look(0) == []
    seen.lose(NOW, REFUSED)
    assert [seen.look(second) for second in range(60)] == [[]] * 60
    (channel, payload), *others = seen.look(60)
    assert (channel, payload["state"], others) == ("relay:alert:not_subscribed", "firing", [])
    assert payload["title"] == "Relay is not subscribed to Redis"
    assert REFUSED in payload["message"]
    assert "ACL SETUSER" in payload["message"]
    assert seen.look(61) == []
    seen.link.lost_since = None
    (channel, payload), *_ = seen.look(90)
    assert payload["state"] == "resolved"


def test_a_server_that_gets_nothing_is_told_sooner(seen: Seen) -> None:
    problem = "this replica has no connection to its master 10.0.0.1:6379 (connect)"
    seen.lose(NOW, problem, problem)
    assert seen.look(0) == seen.look(14) == []
    (_, payload), *_ = seen.look(15)
    assert problem in payload["message"]
    assert "INFO replication" in payload["message"]


def test_a_subscription_that_is_soon_back_is_no_news(seen: Seen) -> None:
    for start in range(0, 600, 60):
        seen.lose(NOW + timedelta(seconds=start), "no connection: refused")
        assert seen.look(start) == seen.look(start + 55) == []
        seen.link.lost_since = None
        assert seen.look(start + 56) == []


@pytest.mark.parametrize("step", [86400.0, -7200.0, 3.0])
def test_a_step_of_the_clock_is_an_alert_until_it_has_been_steady_for_ten_minutes(step: float) -> None:
    by_hand = ByHand(NOW)
    clock = by_hand.judged()
    vitals = Vitals(Alerts(MemoryShelf()))

    def look(seconds: float) -> list[dict[str, Any]]:
        by_hand.forward(seconds)
        return [one.payload for one in vitals.clock(clock.now(), clock)]

    assert (look(1), look(4000)) == ([], []), "time that passes is no step"
    by_hand.set(step)
    (firing,) = look(1)
    assert (firing["alert"], firing["state"], firing["facts"]["seconds"]) == ("clock_step", "firing", step)
    assert (firing["facts"]["from"] < firing["facts"]["to"]) == (step > 0)
    assert look(590) == []
    (resolved,) = look(20)
    assert (resolved["alert"], resolved["state"]) == ("clock_step", "resolved")


@pytest.mark.parametrize("step", [86400.0, -7200.0])
def test_what_waits_to_fire_waits_as_long_when_the_clock_is_set(step: float) -> None:
    by_hand, alerts = ByHand(NOW), Alerts(MemoryShelf())
    clock, vitals = by_hand.judged(), Vitals(alerts)

    def look(seconds: float) -> list[str]:
        by_hand.forward(seconds)
        now = clock.now()
        vitals.clock(now, clock)
        return [one.payload["alert"] for one in alerts.set("sink_failing:slack", True, now, title="it fails", for_=60)]

    assert look(0) == []
    by_hand.forward(10)
    by_hand.set(step)
    assert (look(0), look(49)) == ([], [])
    assert look(2) == ["sink_failing:slack"]


def test_a_missing_calendar_is_an_alert(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.schedule.exchange_holidays.trouble", lambda: "ImportError in the package holidays")
    ((channel, payload),) = seen.look(0)
    assert (channel, payload["state"]) == ("relay:alert:calendar_missing", "firing")
    assert "weekday" in payload["message"]
