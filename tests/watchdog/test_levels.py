"""Levels and error rates: flapping does not flap alerts, and a burst of errors is one alert."""

from datetime import timedelta

from tests.support.days import world


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
