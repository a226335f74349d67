"""Decisions of the watchdog on both sides of their limits: windows, rates, what is compared with what."""

from datetime import timedelta
from typing import Any

import pytest

from relay.config.watchdog import RateOptions
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun
from relay.watchdog.alerts import Alerts
from relay.watchdog.levels import ErrorRates
from tests.support.days import DUE, a_run, running, world
from tests.support.wire import event, upto, utc

NOW = utc("2025-01-27 21:00")


@pytest.mark.parametrize(("early", "alerts"), [(0, []), (29, []), (31, ["never_started firing"])])
def test_a_run_counts_as_the_days_from_half_an_hour_before_it_is_due(early: float, alerts: list[str]) -> None:
    day = world()
    day.play(a_run(DUE - timedelta(minutes=early)))
    day.until(DUE + timedelta(minutes=60))
    assert day.alerts_announced == alerts


def test_an_early_run_that_is_over_before_the_day_is_due_counts_too() -> None:
    day = world()
    day.play(a_run(DUE - timedelta(minutes=25), minutes=(5, 1, 2, 5)))
    day.until(DUE + timedelta(minutes=60))
    assert day.alerts_announced == []


@pytest.mark.parametrize(("early", "alerts"), [(29, []), (31, ["never_started firing"])])
def test_the_same_for_a_run_that_only_the_history_has(early: float, alerts: list[str]) -> None:
    day = world()
    begins = DUE - timedelta(minutes=early)
    day.until(DUE)
    day.history = [HistoryRun("r1", None, begins, begins + timedelta(minutes=10), "completed", 505, 0, 9, 9, 600.0)]
    day.until(DUE + timedelta(minutes=60))
    assert day.alerts_announced == alerts


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_run_without_success_does_not_end_the_alert_about_an_earlier_one(end: str) -> None:
    day = world()
    day.play(a_run(DUE, status="partial"))
    day.play(upto(a_run(DUE + timedelta(days=1), "r2"), "import_progress"))
    day.tell("processing:status", "processing_completed", run_id="r2", status=end)
    day.pass_(1)
    assert day.alerts_announced == ["run_partial firing", f"run_{end} firing"]
    day.play(a_run(DUE + timedelta(days=2), "r3"))
    day.pass_(1)
    assert day.alerts_announced[2:] == ["run_partial resolved", f"run_{end} resolved"]


@pytest.mark.parametrize(
    ("before", "today", "expected"),
    [("sp500", "sp500", ["too_slow firing"]), ("sp500", "all", []), (None, "sp500", ["too_slow firing"])],
)
def test_a_run_is_compared_with_those_of_its_own_universe(before: str | None, today: str, expected: list[str]) -> None:
    day = world("2025-01-06 20:00")
    for number, start in enumerate(("06", "07", "08", "10", "13", "14")):
        is_last = start == "14"
        universe = today if is_last else before
        start_with = {"universe": universe} if universe else {}
        lasts = (25, 1, 4, 20) if is_last else (10 + number % 2, 1, 4, 20)
        day.play(a_run(utc(f"2025-01-{start} 21:10"), f"r{number}", minutes=lasts, start_with=start_with))
    day.pass_(60)
    assert [one for one in day.alerts_announced if not one.startswith("phase_slow")] == expected


def test_the_first_look_at_the_api_shows_no_progress() -> None:
    """It came back while a run was silent, and shows where that stands: that alone does not mean that it goes on."""
    day = world(api_up=False)
    day.play(upto(a_run(DUE), "indicator_progress"))
    day.pass_(3)
    day.api_up, day.status = True, running(current_phase="indicators", progress=40.0)
    day.pass_(10)
    assert [one for one in day.alerts_announced if one.endswith("firing")][-1] == "run_stalled firing"
    assert "events_missing firing" not in day.alerts_announced


def test_a_second_look_that_differs_does() -> None:
    day = world()
    day.play(upto(a_run(DUE), "indicator_progress"))
    for percent in range(20):
        day.status = running(current_phase="indicators", progress=float(percent))
        day.pass_(1)
    assert day.alerts_announced == ["events_missing firing"]


LIMITS: dict[str, Any] = {"per_minute": 1000, "per_category": 1000, "per_symbol": 1000}


@pytest.mark.parametrize("limit", list(LIMITS))
@pytest.mark.parametrize(("errors", "fires"), [(4, False), (5, True)])
def test_as_many_errors_as_are_usual_are_no_alert_and_one_more_is(limit: str, errors: int, *, fires: bool) -> None:
    rates = ErrorRates(Alerts(MemoryShelf()))
    for _ in range(errors):
        one = event("errors", "error", NOW, severity="error", error_code="E", message="x", context={"symbol": "AAPL"})
        rates.observe(one, NOW)
    announcements = rates.tick(NOW, RateOptions.model_validate(LIMITS | {limit: 4}))
    assert bool(announcements) is fires


def test_errors_of_more_than_a_minute_ago_do_not_count_for_the_minute() -> None:
    rates, limits = ErrorRates(Alerts(MemoryShelf())), RateOptions.model_validate(LIMITS | {"per_minute": 4})
    for second in (0, 1, 2, 3, 60):
        at = NOW + timedelta(seconds=second)
        rates.observe(event("errors", "error", at, severity="error", error_code="E", message="x"), at)
        assert rates.tick(at, limits) == []
