"""The relay's own health as alerts."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relay.events import Severity
from relay.events.wording import duration
from relay.lanes.quarantine import Quarantine
from relay.normalize.normalize import UnreadableReason
from relay.store.census import Census, Loss
from relay.store.shelf import MemoryShelf
from relay.store.store import Store
from relay.watchdog.alerts import Alerts
from relay.watchdog.self_check import BEHIND_BY, CAUGHT_UP_FOR, NO_LOSS, SelfCheck
from tests.support.scripted import Clock as ByHand
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")


class Seen:
    """SelfCheck over a subscription that is as the test says."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.shelf = directory, MemoryShelf()
        self.store = Store(None)
        self.link: Any = SimpleNamespace(lost_since=None, problem="", reason="", lag=0.0, unread=lambda: 131_072)
        self.restart()

    def restart(self) -> None:
        """A new process, with its counts at nought."""
        self.alerts = Alerts(self.shelf)
        self.self_check = SelfCheck(self.alerts)
        self.quarantine = Quarantine(self.directory, max_bytes=1, max_total_bytes=1 << 20, keep=1)

    def check(self, second: float, **lanes: Any) -> list[tuple[str, dict[str, Any]]]:
        """What is announced at that second."""
        announcements = self.self_check.check(
            NOW + timedelta(seconds=second),
            lanes=lanes,
            store=self.store,
            quarantine=self.quarantine,
            subscription=self.link,
        )
        return [(announcement.channel, announcement.payload) for announcement in announcements]


def lane_of(name: str, **facts: Any) -> Any:
    """What the check sees of a lane."""
    return SimpleNamespace(
        **({"name": name, "error": "", "failing_since": None, "delivered": 0, "waiting": 0, "dropped": {}} | facts)
    )


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path)


def test_a_restart_is_no_ten_minutes_of_calm(seen: Seen) -> None:
    seen.quarantine.counts[UnreadableReason.NOT_JSON] += 2
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["state"]) == ("relay:alert:messages_quarantined", "firing")
    assert payload["title"] == "2 messages could not be read"
    seen.restart()
    assert seen.check(3) == seen.check(599) == []
    ((_, payload),) = seen.check(600)
    assert (payload["state"], payload["message"]) == ("resolved", "No more for 10 min.")


def test_calm_is_counted_from_the_last_time_also_over_restarts(seen: Seen) -> None:
    for second in (0, 300, 600):
        seen.quarantine.counts[UnreadableReason.NOT_JSON] += 1
        assert len(seen.check(second)) == (second == 0)
        seen.restart()
        assert seen.check(second + 1) == []
    assert seen.check(1199) == []
    assert [payload["state"] for _, payload in seen.check(1200)] == ["resolved"]


@pytest.mark.parametrize("restart", [False, True])
def test_only_a_delivery_shows_that_a_failing_sink_works(seen: Seen, *, restart: bool) -> None:
    lane = lane_of("ops", error="Slack says not_in_channel", failing_since=NOW, waiting=3)
    assert seen.check(0, ops=lane) == []
    ((channel, payload),) = seen.check(60, ops=lane)
    assert (channel, payload["title"]) == ("relay:alert:sink_failing", "Sink ops is failing")
    assert "since 16:15 EST (21:15 UTC): Slack says not_in_channel." in payload["message"]
    assert "At 16:16 3 events waited." in payload["message"]
    if restart:
        seen.restart()
    lane.error, lane.failing_since = "", None
    assert seen.check(90, ops=lane) == [], "nothing was tried since the start or the reload"
    lane.delivered = 1
    ((_, payload),) = seen.check(120, ops=lane)
    assert (payload["state"], payload["message"]) == ("resolved", "ops has taken events again at 16:17.")


def test_a_sink_that_was_removed_does_not_fail_for_ever(seen: Seen) -> None:
    lane = lane_of("ops", error="refused", failing_since=NOW)
    seen.check(0, ops=lane)
    assert len(seen.check(60, ops=lane)) == 1
    ((_, payload),) = seen.check(61)
    assert (payload["state"], "removed from the configuration" in payload["message"]) == ("resolved", True)


def test_each_of_several_sinks_that_were_removed_is_told_of(seen: Seen) -> None:
    lanes = {name: lane_of(name, error="refused", failing_since=NOW) for name in ("app", "ops")}
    seen.check(0, **lanes)
    assert len(seen.check(60, **lanes)) == 2
    assert [payload["state"] for _, payload in seen.check(61)] == ["resolved", "resolved"]


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


def test_reading_that_keeps_pace_is_not_behind_however_long_the_flood(seen: Seen) -> None:
    """1.5 s of traffic were outstanding for 109 s."""
    seen.link.lag = 1.5
    assert [seen.check(second) for second in range(109)] == [[]] * 109


@pytest.mark.parametrize("lag", [BEHIND_BY, 28.8, 600.0])
def test_reading_that_is_seconds_behind_is_an_alert_until_it_has_caught_up(seen: Seen, lag: float) -> None:
    seen.link.lag = lag
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["state"]) == ("relay:alert:intake_behind", "firing")
    assert payload["title"] == "Relay reads slower than events come"
    assert payload["message"] == (
        f"What it reads now was published {duration(lag)} ago. 131,072 bytes are unread here and more may wait in"
        " Redis, which cuts a reader off at 32 MB, or at 8 MB for 60 s, by default: `client-output-buffer-limit pubsub`"
        ". Look at this machine's CPU and at the disk under the archive."
    )
    seen.link.lag = 0.0
    assert [announced for second in range(1, 11) if (announced := seen.check(second))] == []
    ((_, payload),) = seen.check(1 + CAUGHT_UP_FOR)
    assert payload["state"] == "resolved"


def test_a_missing_calendar_is_an_alert(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.schedule.exchange_holidays.trouble", lambda: "ImportError in the package holidays")
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["state"]) == ("relay:alert:calendar_missing", "firing")
    assert [alert.severity for alert in seen.alerts.firing()] == ["warning"]
    assert payload["title"] == "The exchange's calendar is missing"
    assert payload["message"] == (
        "ImportError in the package holidays. Every weekday counts as a trading day, a holiday too. Install the package"
        " again, then restart the relay."
    )
    monkeypatch.setattr("relay.schedule.exchange_holidays.trouble", lambda: "")
    ((_, payload),) = seen.check(1)
    assert (payload["state"], payload["message"]) == ("resolved", "It is there again.")


def test_poison_has_a_notice_of_its_own_and_a_sink_that_lets_go_on_purpose_loses_nothing(seen: Seen) -> None:
    seen.quarantine.counts[UnreadableReason.POISON] += 3
    lane = lane_of("ops", dropped=dict.fromkeys(NO_LOSS, 1))
    assert seen.check(0, ops=lane) == []
    lane.dropped |= {"expired": 2, "outbox_full": 1}
    ((channel, payload),) = seen.check(1, ops=lane)
    assert (channel, payload["title"]) == ("relay:alert:events_lost", "Sink ops has lost 3 events")
    assert payload["message"] == (
        "Given up, or dropped by a full outbox; the last error: see the dead letters. The archive has them."
        " See them: `tickstock-relay outbox list --dead`."
    )
    assert payload["facts"] == {"count": 3}
    assert seen.check(2, ops=lane) == []


def test_a_store_in_memory_is_an_alert_until_it_has_been_on_disk_for_a_while(seen: Seen) -> None:
    seen.store.trouble = "disk full"
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["title"]) == ("relay:alert:store_in_memory", "Relay cannot write its store")
    assert payload["message"] == (
        "disk full. Deliveries and state are kept in memory and would be lost with the process."
    )
    seen.store.trouble = ""
    assert seen.check(1) == seen.check(30) == []
    ((_, payload),) = seen.check(31)
    assert payload["message"] == "The store is on disk again; what was kept in memory has been written."


def test_what_the_store_has_lost_is_said_in_numbers(seen: Seen) -> None:
    missing = Census(waiting={"ops": 2, "app": 1}, dead=1, state=4)
    seen.store.losses.append(Loss("its file was damaged", missing, saved=5, kept_as="relay.db.damaged"))
    ((channel, payload),) = seen.check(0)
    assert (channel, payload["title"]) == ("relay:alert:store_lost", "Relay has lost part of its store")
    assert payload["message"] == (
        "Its file was damaged. Lost: 3 waiting events (1 for app, 2 for ops), 1 dead letter, 4 rows of state."
        " 5 rows saved; the damaged file is relay.db.damaged."
        " The archive has the events: `tickstock-relay replay --to sinks` sends them again."
    )
    assert payload["facts"] == {"events": missing.events, "rows": missing.rows, "saved": 5}


def test_what_nobody_knows_of_a_lost_store_is_said_as_such(seen: Seen) -> None:
    seen.store.losses.append(Loss("it was deleted", None))
    ((_, payload),) = seen.check(0)
    assert payload["message"] == (
        "It was deleted. What it held is not known: runs, alerts, silences and what waited for delivery."
        " The archive has the events: `tickstock-relay replay --to sinks` sends them again."
    )
    assert "facts" not in payload or payload["facts"] == {"count": 1}


def test_a_step_of_the_clock_is_said_with_both_times() -> None:
    by_hand = ByHand(NOW)
    clock = by_hand.judged()
    self_check = SelfCheck(Alerts(MemoryShelf()))
    assert self_check.clock(clock.now(), clock) == []
    by_hand.set(-90)
    (firing,) = self_check.clock(clock.now(), clock)
    assert firing.payload["title"] == "This machine's clock was set by -1 min 30 s"
    assert firing.payload["message"] == (
        "It went from 16:15:00 EST to Mon 27 Jan 16:13:30 EST (21:13:30 UTC). Times before and after the step do"
        " not compare."
        " Nothing was deleted or given up because of it: that waits for two hours; the watchdog waits for a minute"
        " and its next answer. Look at the time service: `timedatectl`."
    )
    assert firing.severity is Severity.WARNING


@pytest.mark.parametrize("number", [1, 2, 12])
def test_a_configuration_that_is_refused_or_fails_its_tests_is_an_alert(number: int) -> None:
    self_check = SelfCheck(Alerts(MemoryShelf()))
    mistakes = [f"m{each}" for each in range(number)]
    (refused,) = self_check.reload(mistakes, NOW, NOW)
    many = "1 mistake" if number == 1 else f"{number} mistakes"
    assert (refused.event, refused.severity) == ("reload_refused", Severity.WARNING)
    assert refused.payload["title"] == "New configuration was refused"
    assert refused.payload["message"] == (
        f"{many}, the first: m0. The old one goes on. See all of them: `tickstock-relay check --running`."
    )
    assert refused.payload["facts"] == {"mistakes": mistakes[:10]}
    (over,) = self_check.reload([], NOW, NOW + timedelta(minutes=1))
    assert over.payload["message"] == "Configuration is in force, loaded at 16:15 EST (21:15 UTC)."
    (failing,) = self_check.tests(mistakes, NOW)
    fails = "1 test fails" if number == 1 else f"{number} tests fail"
    assert (failing.event, failing.severity) == ("config_tests_failed", Severity.WARNING)
    assert failing.payload["title"] == "Configuration fails its own tests"
    assert failing.payload["message"] == (
        f"{fails}, the first: m0. The relay runs with this configuration all the same; events may reach other sinks"
        " than intended. See all of them: `tickstock-relay check --running`."
    )
    assert failing.payload["facts"] == {"failures": mistakes[:10]}
    (over,) = self_check.tests([], NOW)
    assert over.payload["message"] == "Configuration in force passes its own tests."
