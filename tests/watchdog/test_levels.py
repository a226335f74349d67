"""Levels and error rates: flapping does not flap alerts, and a burst of errors is one alert."""

from datetime import timedelta
from typing import Any

import pytest

from relay.config.watchdog import LevelOptions, RateOptions
from relay.events import Announcement, Event, Mark
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.levels import ErrorRates, Levels, tells_levels
from tests.support.days import world
from tests.support.wire import event, utc

OPEN, CLOSED = utc("2025-01-27 15:00"), utc("2025-01-27 02:00")
SECOND = timedelta(seconds=1)


def test_errors_that_come_often_are_one_alert_whatever_rate_they_pass() -> None:
    day = world()
    for _ in range(50):
        day.tell(
            "errors", "error", severity="error", error_code="RATE_LIMIT", message="slow", context={"symbol": "AAPL"}
        )
    day.pass_(30)
    assert day.alerts_announced == ["error_rate firing", "error_rate resolved"]
    assert "50 errors in 1 min (limit 10)" in day.alert("error_rate")["message"]
    assert "50 of category RATE_LIMIT" in day.alert("error_rate")["message"]


def test_few_errors_and_test_errors_are_none() -> None:
    day = world()
    for number in range(3):
        day.tell("errors", "error", severity="error", error_code=f"E{number}", message="x", context={"symbol": "AAPL"})
    for _ in range(100):
        day.tell("errors", "error", severity="error", error_code="E", test=True)
        day.tell("errors", "error", severity="warning", error_code="E")
    day.pass_(10)
    assert day.alerts_announced == []


def test_flapping_health_does_not_flap_alerts() -> None:
    day = world("2025-01-27 15:00")
    for second in range(600):
        day.now += timedelta(seconds=1)
        good = second % 2
        flow = {"ticks_per_second": 41.0 if good else 0.0}
        day.tell("streaming:health", "streaming_health", data_flow=flow, active_symbols=70 if good else 0)
        day.tick()
    assert day.alerts_announced == []


def test_a_level_passed_for_long_is_said_and_so_is_its_end() -> None:
    day = world("2025-01-27 15:00")
    for second in range(0, 1200, 10):
        day.now += timedelta(seconds=10)
        day.tell("monitoring", "system_metrics", metrics={"cpu_percent": 97.5 if second < 600 else 30})
        day.tick()
    assert day.alerts_announced == ["cpu_percent firing", "cpu_percent resolved"]
    assert day.alert("cpu_percent")["title"] == "Cpu percent above 90"


def test_no_ticks_matter_only_while_the_market_is_open() -> None:
    day = world("2025-01-27 02:00")
    for _ in range(60):
        day.pass_(1)
        day.tell("streaming:health", "streaming_health", data_flow={"ticks_per_second": 0}, active_symbols=0)
    assert day.alerts_announced == []


def test_a_small_limit_is_said_as_it_is() -> None:
    day = world("2025-01-27 15:00")
    for _ in range(10):
        day.pass_(0.5)
        day.tell("streaming:health", "streaming_health", data_flow={"ticks_per_second": 0})
    assert day.alert("ticks_per_second")["title"] == "Ticks per second below 0.001"


def test_two_sources_of_one_number_do_not_hide_each_other() -> None:
    day = world("2025-01-27 15:00")
    for _ in range(12):
        day.now += timedelta(seconds=10)
        day.tell("monitoring", "system_metrics", metrics={"cpu_percent": 97.5})
        day.tell("streaming:health", "streaming_health", resources={"cpu_percent": 30}, active_symbols=70)
        day.tick()
    assert day.alerts_announced == ["cpu_percent firing"]


def observed(
    payload: dict[str, Any], limits: dict[str, LevelOptions] | None = None, *, at: Any = OPEN
) -> list[Announcement]:
    """What is announced at once of one event's numbers."""
    if limits is None:
        limits = {"cpu_percent": LevelOptions(above=90, for_at_least=0)}
    return Levels(Alerts(MemoryShelf())).observe(event("monitoring", "system_metrics", at, **payload), at, limits)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ({"cpu_percent": 91}, 91.0),
        ({"cpu_usage": "95.5"}, 95.5),
        ({"cpu_usage_percent": 91}, 91.0),
        ({"cpu": 91}, 91.0),
        ({"metrics": {"cpu": 91}}, 91.0),
        ({"resources": {"cpu": 91}}, 91.0),
        ({"system": {"cpu": 91}, "metrics": "odd"}, 91.0),
        ({"cpu_percent": "odd", "cpu": 91}, 91.0),
        ({"cpu_percent": 20, "cpu": 91}, None),
        ({"cpu_percent": 90}, None),
        ({"elsewhere": {"cpu": 91}}, None),
        ({"metrics": {"deeper": {"cpu": 91}}}, None),
        ({}, None),
    ],
)
def test_a_level_is_found_under_each_of_its_names(payload: dict[str, Any], value: float | None) -> None:
    found = [one.payload["facts"] for one in observed(payload)]
    assert found == ([] if value is None else [{"level": "cpu_percent", "value": value}])


def test_a_level_is_said_with_its_number_its_limit_and_who_tells_it() -> None:
    limits = {"lag_ms critical": LevelOptions(above=1000, severity="critical", for_at_least=0, resolved_after=0)}
    alerts = Alerts(MemoryShelf())
    levels = Levels(alerts)
    (bad,) = levels.observe(event("streaming:health", "h", OPEN, latency_ms=1500), OPEN, limits)
    assert (bad.payload["alert"], bad.severity.label) == ("lag_ms_critical:tickstock:streaming:health", "critical")
    assert bad.payload["title"] == "Lag ms above 1,000"
    assert bad.payload["message"] == (
        "It is 1,500, told by daily_job on tickstock:streaming:health; it has been above 1,000 for 0 s without a break."
    )
    (good,) = levels.observe(event("streaming:health", "h", OPEN, latency_ms=3), OPEN + SECOND, limits)
    assert good.payload["message"] == "It is 3, told by daily_job."
    assert levels.observe(event("streaming:health", "h", OPEN, latency_ms=3), OPEN + SECOND, limits) == []


@pytest.mark.parametrize(
    ("number", "at", "fires"), [(0, OPEN, True), (0, CLOSED, False), (1, OPEN, False), (0.5, OPEN, True)]
)
def test_a_level_below_its_limit_counts_when_it_matters(number: float, at: Any, *, fires: bool) -> None:
    limits = {"active_symbols": LevelOptions(below=1, severity="error", when="market_open", for_at_least=0)}
    announced = observed({"active_symbols": number}, limits, at=at)
    assert [one.payload["title"] for one in announced] == (["Active symbols below 1"] if fires else [])


@pytest.mark.parametrize(
    ("channel", "name", "tells"),
    [
        ("monitoring", "system_metrics", True),
        ("streaming:health", "streaming_health", True),
        ("monitoring", "job_started", False),
        ("errors", "error", False),
    ],
)
def test_which_events_hold_levels(channel: str, name: str, *, tells: bool) -> None:
    assert tells_levels(event(channel, name, OPEN).kind) is tells


class Rates:
    """Errors against limits, each second looked at."""

    def __init__(self, **limits: Any) -> None:
        high = {"per_minute": 1000, "per_category": 1000, "per_symbol": 1000}
        self.limits = RateOptions.model_validate(high | limits)
        self.rates = ErrorRates(Alerts(MemoryShelf()))

    def errors(self, number: int, second: float = 0, marks: Mark = Mark.NONE, **payload: Any) -> None:
        at = OPEN + second * SECOND
        for _ in range(number):
            one: Event = event("errors", "error", at, **({"severity": "error", "error_code": "E"} | payload))
            one.marks = marks
            self.rates.observe(one, at)

    def tick(self, second: float = 0) -> list[str]:
        return [one.payload["message"] for one in self.rates.tick(OPEN + second * SECOND, self.limits)]


@pytest.mark.parametrize(
    ("limits", "payload", "words"),
    [
        ({"per_minute": 3}, {}, "4 errors in 1 min (limit 3)"),
        ({"per_category": 3}, {"category": "db"}, "4 of category db in 5 min (limit 3)"),
        ({"per_symbol": 3}, {"context": {"symbol": "AAPL"}}, "4 for symbol AAPL in 5 min (limit 3)"),
    ],
)
def test_a_limit_may_be_reached_and_not_passed(limits: dict[str, int], payload: dict[str, Any], words: str) -> None:
    rates = Rates(**limits)
    rates.errors(3, **payload)
    assert rates.tick() == []
    rates.errors(1, **payload)
    assert rates.tick() == [f"At 10:00 EST (15:00 UTC): {words}. Look at the component that reports them."]


def test_errors_of_other_kinds_symbols_and_times_are_counted_apart() -> None:
    rates = Rates(per_category=3, per_symbol=3, window=90)
    rates.errors(3, category="a", context={"symbol": "A"})
    rates.errors(3, category="b", context={"symbol": "B"})
    rates.errors(9, category="c", marks=Mark.TEST)
    rates.errors(9, category="c", severity="warning")
    assert rates.tick() == []
    rates.errors(1, 91, category="a", context={"symbol": "A"})
    assert rates.tick(91) == [], "the others have left the window"


def test_a_minute_is_a_minute_and_the_end_comes_after_its_quiet() -> None:
    rates = Rates(per_minute=3, window=30, resolved_after=120)
    rates.errors(3)
    rates.errors(1, 60)
    assert rates.tick(60) == []
    rates.errors(3, 60)
    assert len(rates.tick(60)) == 1
    rates.errors(1, 130)
    assert rates.tick(130) == []
    assert rates.tick(190) == []
    assert rates.tick(191) == []
    assert rates.tick(251) == ["Below the limits since 10:02 EST (15:02 UTC)."]
