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
from relay.watchdog.self_check import SelfCheck
from tests.support.scripted import Clock as ByHand
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
REFUSED = "Redis refuses: NOPERM No permissions to access a channel"


class Seen:
    """SelfCheck over a subscription that is as the test says."""

    def __init__(self, directory: Path) -> None:
        self.self_check = SelfCheck(Alerts(MemoryShelf()))
        self.store, self.quarantine = Store(None), Quarantine(directory, max_bytes=1, max_total_bytes=1 << 20, keep=1)
        self.link: Any = SimpleNamespace(lost_since=None, problem="", reason="", behind_since=None)

    def check(self, second: float) -> list[tuple[str, dict[str, Any]]]:
        """What is announced at that second."""
        announcements = self.self_check.check(
            NOW + timedelta(seconds=second),
            lanes={},
            store=self.store,
            quarantine=self.quarantine,
            subscription=self.link,
        )
        return [(announcement.channel, announcement.payload) for announcement in announcements]

    def lose(self, since: datetime, reason: str, problem: str = "") -> None:
        """It is not subscribed."""
        self.link.lost_since, self.link.reason, self.link.problem = since, reason, problem


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path)


def test_a_minute_without_a_subscription_is_an_alert_in_the_server_s_words(seen: Seen) -> None:
    assert seen.check(0) == []
    seen.lose(NOW, REFUSED)
    assert [seen.check(second) for second in range(60)] == [[]] * 60
    (channel, payload), *others = seen.check(60)
    assert (channel, payload["state"], others) == ("relay:alert:not_subscribed", "firing", [])
    assert payload["title"] == "Relay is not subscribed to Redis"
    assert REFUSED in payload["message"]
    assert "ACL SETUSER" in payload["message"]
    assert seen.check(61) == []
    seen.link.lost_since = None
    (channel, payload), *_ = seen.check(90)
    assert payload["state"] == "resolved"


def test_a_server_that_gets_nothing_is_told_sooner(seen: Seen) -> None:
    problem = "this replica has no connection to its master 10.0.0.1:6379 (connect)"
    seen.lose(NOW, problem, problem)
    assert seen.check(0) == seen.check(14) == []
    (_, payload), *_ = seen.check(15)
    assert problem in payload["message"]
    assert "INFO replication" in payload["message"]


def test_a_subscription_that_is_soon_back_is_no_news(seen: Seen) -> None:
    for start in range(0, 600, 60):
        seen.lose(NOW + timedelta(seconds=start), "no connection: refused")
        assert seen.check(start) == seen.check(start + 55) == []
        seen.link.lost_since = None
        assert seen.check(start + 56) == []


@pytest.mark.parametrize("step", [86400.0, -7200.0, 3.0])
def test_a_step_of_the_clock_is_an_alert_until_it_has_been_steady_for_ten_minutes(step: float) -> None:
    by_hand = ByHand(NOW)
    clock = by_hand.judged()
    self_check = SelfCheck(Alerts(MemoryShelf()))

    def check(seconds: float) -> list[dict[str, Any]]:
        by_hand.forward(seconds)
        return [one.payload for one in self_check.clock(clock.now(), clock)]

    assert (check(1), check(4000)) == ([], []), "time that passes is no step"
    by_hand.set(step)
    (firing,) = check(1)
    assert (firing["alert"], firing["state"], firing["facts"]["seconds"]) == ("clock_step", "firing", step)
    assert (firing["facts"]["from"] < firing["facts"]["to"]) == (step > 0)
    assert check(590) == []
    (resolved,) = check(20)
    assert (resolved["alert"], resolved["state"]) == ("clock_step", "resolved")


@pytest.mark.parametrize("step", [86400.0, -7200.0])
def test_what_waits_to_fire_waits_as_long_when_the_clock_is_set(step: float) -> None:
    by_hand, alerts = ByHand(NOW), Alerts(MemoryShelf())
    clock, self_check = by_hand.judged(), SelfCheck(alerts)

    def check(seconds: float) -> list[str]:
        by_hand.forward(seconds)
        now = clock.now()
        self_check.clock(now, clock)
        return [one.payload["alert"] for one in alerts.set("sink_failing:slack", True, now, title="it fails", for_=60)]

    assert check(0) == []
    by_hand.forward(10)
    by_hand.set(step)
    assert (check(0), check(49)) == ([], [])
    assert check(2) == ["sink_failing:slack"]


def test_a_missing_calendar_is_an_alert(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.schedule.exchange_holidays.trouble", lambda: "ImportError in the package holidays")
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["state"]) == ("relay:alert:calendar_missing", "firing")
    assert "weekday" in payload["message"]
