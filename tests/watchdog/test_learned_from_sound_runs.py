"""What is usual is learned from runs with sound results alone: a series of bad ones stays unusual."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.runs.run import Run
from relay.tickstockpl.models import HistoryRun
from relay.watchdog.baseline import Baseline, Usual
from tests.support.days import DUE, a_run, world
from tests.support.wire import event, upto
from tests.support.world import IDLE, World

DAY = timedelta(days=1)
QUICK = (1, 1, 1, 1)
BAD: dict[str, dict[str, Any]] = {
    "zero_results": {"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0},
    "low_success_rate": {"symbols_failed": 300},
    "phase_missing": {},
    "few_results": {"patterns_detected": 0, "status": "partial"},
}


def bad_run(trouble: str, start: datetime, run_id: str) -> list[Any]:
    events = a_run(start, run_id, minutes=QUICK, **BAD[trouble])
    return [one for one in events if trouble != "phase_missing" or one.domain != "patterns"]


def days_of(good: int, bad: int, trouble: str) -> World:
    """So many good days, and after them so many bad ones, all as quick as no good one is."""
    day = world("2025-01-01 15:00")
    begins = DUE - timedelta(days=good + bad)
    for number in range(good + bad):
        start = begins + number * DAY
        day.until(start, 3600)
        name = f"d{number}"
        day.play(a_run(start, name) if number < good else bad_run(trouble, start, name))
        day.pass_(2)
    return day


def usual_for_the_next(day: World, min_runs: int = 5) -> Baseline:
    options = day.options.learned.model_copy(update={"min_runs": min_runs})
    like = Run(run_id="next", number=999, first_seen=DUE, last_seen=DUE, started_at=DUE)
    return Baseline(options, day.runs.newest_first(), like)


def numbers(usual: Usual | None) -> tuple[float, int] | None:
    return (usual.median, usual.runs) if usual else None


@pytest.mark.parametrize("trouble", BAD)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_series_of_bad_runs_does_not_become_what_is_usual(trouble: str, *, is_restarted: bool) -> None:
    day = days_of(5, 8, trouble)
    if is_restarted:
        day.start_relay()
    baseline = usual_for_the_next(day)
    assert numbers(baseline.duration()) == (2100.0, 5)
    assert numbers(baseline.count("patterns_detected")) == (1250, 5)
    before = len(day.alerts_announced)
    day.until(DUE)
    day.play(a_run(DUE, "good"))
    day.pass_(2)
    assert not any("too_slow" in each for each in day.alerts_announced[before:])


def test_bad_runs_alone_are_too_few_to_compare_with() -> None:
    day = days_of(0, 8, "zero_results")
    assert usual_for_the_next(day).duration() is None
    assert usual_for_the_next(day).count("patterns_detected") is None


def test_a_store_from_before_results_were_kept_is_checked_first_and_then_learned_from() -> None:
    day = days_of(5, 8, "zero_results")
    for key, text in day.shelves["runs"].items().items():
        run = json.loads(text)
        run.pop("findings", None)
        day.shelves["runs"].put(key, json.dumps(run))
    day.start_relay()
    assert usual_for_the_next(day).duration() is None, "nothing is known to be sound yet"
    day.tick()
    assert numbers(usual_for_the_next(day).duration()) == (2100.0, 5)


def test_the_history_teaches_by_its_sound_runs() -> None:
    day = world("2025-01-27 20:00")
    for number in range(1, 13):
        began, patterns, lasted = DUE - number * DAY, 1250 * (number % 2), 300 + 1800 * (number % 2)
        ended = began + timedelta(seconds=lasted)
        day.history.append(HistoryRun(f"h{number}", None, began, ended, "completed", 505, 5, patterns, 7575, lasted))
    day.pass_(2)
    assert numbers(usual_for_the_next(day).duration()) == (2100.0, 6)


def test_counts_of_before_a_gap_and_ends_that_were_guessed_teach_nothing() -> None:
    day = world("2025-01-15 15:00")
    start = DUE - 2 * DAY
    in_part = upto(a_run(start, "gap"), "pattern_progress")
    day.play(in_part)
    day.runs.missed_events(day.now)
    day.publish(event("processing:status", "processing_completed", start + timedelta(minutes=35), run_id="gap"))
    day.until(DUE - DAY, 600)
    day.play(a_run(DUE - DAY, "guessed")[:-1])
    day.status = IDLE
    day.pass_(8)
    gap, guessed = day.runs.get("gap"), day.runs.get("guessed")
    assert gap is not None
    assert guessed is not None
    assert guessed.is_guessed
    baseline = usual_for_the_next(day, min_runs=1)
    assert numbers(baseline.duration()) == ((gap.duration_seconds or 0), 1)
    assert gap.symbols_processed == 479, "the last that its progress told"
    assert baseline.count("symbols_processed") is None
