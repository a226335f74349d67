"""How long a phase took, how far a run is and how much of it failed, from whatever is claimed."""

from datetime import timedelta

import pytest

from relay.events import Phase
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from tests.support.followed import START, minutes, names, only_run, played
from tests.support.wire import a_run, event, upto


def test_a_run_whose_clock_is_a_year_off_is_followed_if_it_says_which_day_it_is_of() -> None:
    runs = Runs(MemoryShelf())
    wrong = START - timedelta(days=365)
    start = event("processing:status", "processing_started", START, stamp=wrong, run_id="r1", run_date="2025-01-27")
    phase = event("import:started", "import_started", minutes(1), stamp=wrong, run_id="r1")
    assert names(played(runs, [start, phase])) == ["started", "phase_started import"]
    assert played(runs, [event("import:started", "import_started", minutes(1), stamp=wrong, run_id="r2")]) == []


def test_a_phase_seen_only_at_its_end_has_the_duration_that_it_claims_and_no_invented_one() -> None:
    runs = Runs(MemoryShelf())
    done = event("patterns:completed", "pattern_processing_completed", START, run_id="r1", duration_seconds=1200)
    assert runs.observe(done, START)[-1].payload["duration_seconds"] == 1200
    without_duration = event("cache:completed", "cache_completed", START, run_id="r1")
    assert "duration_seconds" not in runs.observe(without_duration, START)[-1].payload


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [(600, 600), ("600.5", 600.5), (570, 570), (600_000, 600), (0, 600), (-5, 600), ("soon", 600), (None, 600)],
)
def test_a_claimed_duration_counts_when_it_can_be_true(claimed: object, believed: float) -> None:
    runs = Runs(MemoryShelf())
    runs.observe(event("import:started", "import_started", START, run_id="r1"), START)
    done = event("import:completed", "import_completed", minutes(10), run_id="r1", duration_seconds=claimed)
    assert runs.observe(done, minutes(10))[-1].payload["duration_seconds"] == believed


def test_a_clock_that_writes_local_time_as_utc_does_not_fool_durations() -> None:
    runs = Runs(MemoryShelf())
    wrong = START - timedelta(hours=5)
    runs.observe(event("import:started", "import_started", START, stamp=wrong, run_id="r1"), START)
    done = event("import:completed", "import_completed", minutes(10), run_id="r1")
    assert runs.observe(done, minutes(10))[-1].payload["duration_seconds"] == 600


@pytest.mark.parametrize(
    ("claimed", "percent"),
    [(49.5, 49.5), (0.495, 49.5), ("49.5", 49.5), ("49.5%", 49.5), (1, 1), ("lots", 40), (250, 40)],
)
def test_progress_is_a_percentage_a_fraction_or_text(claimed: object, percent: float) -> None:
    runs = Runs(MemoryShelf())
    first = event("import:progress", "import_progress", START, run_id="r1", percent_complete=40)
    runs.observe(first, START)
    runs.observe(event("import:progress", "import_progress", START, run_id="r1", percent_complete=claimed), START)
    assert only_run(runs).phases[Phase.IMPORT].percent == pytest.approx(percent)


def test_progress_that_goes_back_after_a_retry_is_movement() -> None:
    runs = Runs(MemoryShelf())
    for minute, percent in enumerate((10, 80, 5)):
        at = minutes(minute)
        runs.observe(event("import:progress", "import_progress", at, run_id="r1", percent_complete=percent), at)
    its = only_run(runs).phases[Phase.IMPORT]
    assert (its.percent, its.moved_at) == (5, minutes(2))


def test_a_stalled_run_goes_on_with_the_first_movement_not_with_the_same_progress_again() -> None:
    runs = Runs(MemoryShelf())
    same = {"run_id": "r1", "percent_complete": 30, "current_symbol": "AAPL"}
    played(runs, [event("import:progress", "import_progress", minutes(n), **same) for n in range(6)])
    run = only_run(runs)
    assert run.phases[Phase.IMPORT].moved_at == START
    (stalled,) = runs.stall(run, minutes(6))
    assert (stalled.event, stalled.payload["phase"], stalled.payload["last_symbol"]) == (
        "run_stalled",
        "import",
        "AAPL",
    )
    assert runs.observe(event("import:progress", "import_progress", minutes(7), **same), minutes(7)) == []
    moved = event("import:progress", "import_progress", minutes(8), run_id="r1", percent_complete=31)
    assert names(runs.observe(moved, minutes(8))) == ["resumed"]
    assert run.state is State.RUNNING


def test_failed_symbols_may_be_a_list() -> None:
    runs = Runs(MemoryShelf())
    done = {"run_id": "r1", "failed_symbols": ["BRK.B", "BF.B"], "total_symbols": 100}
    announcements = runs.observe(event("import:completed", "import_completed", START, **done), START)
    assert (announcements[-1].payload["symbols_failed"], announcements[-1].payload["success_rate"]) == (2, 98.0)


def test_progress_that_comes_after_the_phase_s_end_does_not_begin_it_again_but_a_retry_does() -> None:
    runs = Runs(MemoryShelf())
    played(runs, upto(a_run(START), "import_completed"))
    late = event(
        "import:progress", "import_progress", minutes(10.1), stamp=minutes(9.9), run_id="r1", percent_complete=98
    )
    assert runs.observe(late, minutes(10.1)) == []
    retry = event("import:started", "import_started", minutes(12), run_id="r1")
    assert names(runs.observe(retry, minutes(12))) == ["phase_started import"]
    assert only_run(runs).phases[Phase.IMPORT].attempts == 2


@pytest.mark.parametrize(
    ("claimed", "failed", "rate"),
    [(1, 0, 100.0), ("1", 0, 100.0), (1, 500, 1.0), (1.0, 0, 100.0), ("1%", 0, 1.0), (0, 505, 0.0)],
)
def test_a_rate_of_one_is_what_the_failures_make_of_it(claimed: object, failed: int, rate: float) -> None:
    runs = Runs(MemoryShelf())
    runs.observe(event("import:started", "import_started", START, run_id="r1"), START)
    claims = {"total_symbols": 505, "failed_symbols": failed, "success_rate": claimed}
    announcements = runs.observe(
        event("import:completed", "import_completed", minutes(1), run_id="r1", **claims), minutes(1)
    )
    assert announcements[-1].payload["success_rate"] == rate
