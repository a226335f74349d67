"""Runs that have ended: what a claim of completion is worth, said once, resolved by the next good run."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.days import DUE, a_run, world
from tests.support.wire import event, upto, utc


def test_a_failed_run_is_one_alert_and_the_next_good_run_ends_it() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.tell(
        "processing:status", "processing_completed", run_id="r1", status="failed", error="database password missing"
    )
    day.pass_(60)
    assert day.alerts_announced == ["run_failed firing"]
    alert = day.alert("run_failed")
    assert "database password missing" in alert["message"]
    assert alert["title"] == "Run of Mon 27 Jan failed in import"
    assert "It failed in import at 16:10 EST after 30 s." in alert["message"]
    day.play(a_run(DUE + timedelta(days=1), "r2"))
    day.pass_(1)
    assert day.alerts_announced == ["run_failed firing", "run_failed resolved"]


def test_a_restart_between_the_end_and_the_judgement_judges_once() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.tell("processing:status", "processing_failed", run_id="r1")
    day.start_relay()
    day.pass_(5)
    day.start_relay()
    day.pass_(60)
    assert day.alerts_announced == ["run_failed firing"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}, "zero_results"),
        ({"symbols_failed": 100}, "low_success_rate"),
        ({"success_rate": 62.5}, "low_success_rate"),
        ({"status": "partial"}, "run_partial"),
        ({"status": "completed_with_errors"}, "run_partial"),
        ({"status": "cancelled"}, "run_cancelled"),
    ],
)
def test_a_claim_of_completion_is_checked(changes: dict[str, Any], named: str) -> None:
    day = world()
    day.play(a_run(DUE, **changes))
    day.pass_(60)
    assert day.alerts_announced == [f"{named} firing"]


def test_an_import_under_its_success_rate_is_said_before_the_run_ends_and_once() -> None:
    day = world()
    events = a_run(DUE, success_rate=70)
    end = len(upto(events, "import_completed"))
    at = events[end - 1].received
    day.play([*events[: end - 1], event("import:completed", "import_completed", at, run_id="r1", success_rate=70.0)])
    day.pass_(0.1)
    assert day.alerts_announced == ["low_success_rate firing"]
    assert "the import counts as failed" in day.alert("low_success_rate")["message"]
    day.play(events[end:])
    day.pass_(60)
    assert day.alerts_announced == ["low_success_rate firing"]


def test_a_missing_phase_is_said_unless_the_relay_had_a_gap() -> None:
    for gap, expected in ((False, ["phase_missing firing"]), (True, [])):
        day = world()
        events = [one for one in a_run(DUE) if one.domain != "cache"]
        day.play(events[:6])
        if gap:
            day.runs.missed_events(day.now)
        day.play(events[6:])
        day.pass_(60)
        assert day.alerts_announced == expected


def test_what_is_unusual_is_said_with_its_numbers_once_there_is_enough_to_compare() -> None:
    day = world("2025-01-06 20:00")
    for number, start in enumerate(("06", "07", "08", "10", "13", "14")):
        lasts = (3, 1, 4, 20) if start == "14" else (10 + number % 2, 1, 4, 20)
        day.play(a_run(utc(f"2025-01-{start} 21:10"), f"r{number}", minutes=lasts))
    day.pass_(60)
    assert day.alerts_announced == ["too_fast firing"]
    message = day.alert("too_fast")["message"]
    assert "The import phase took only 3 min, 30% of the usual time (usually" in message
    assert "median 10 min of 5 runs" in message


def test_the_same_trouble_on_the_next_day_is_said_again_and_both_end_with_a_good_run() -> None:
    day = world()
    day.play(a_run(DUE, status="partial"))
    day.play(a_run(DUE + timedelta(days=1), "r2", status="partial"))
    day.pass_(1)
    assert day.alerts_announced == ["run_partial firing", "run_partial firing"]
    day.play(a_run(DUE + timedelta(days=2), "r3"))
    day.pass_(1)
    assert day.alerts_announced[2:] == ["run_partial resolved", "run_partial resolved"]


def test_a_claim_that_is_more_than_its_phases_told_is_said() -> None:
    day = world()
    events = a_run(DUE)
    ends = len(upto(events, "pattern_processing_completed")) - 1
    at = events[ends].received
    completed = event("patterns:completed", "pattern_processing_completed", at, run_id="r1", patterns_detected=400)
    day.play([*events[:ends], completed, *events[ends + 1 :]])
    day.pass_(1)
    assert day.alerts_announced == ["claims_differ firing"]
    assert (
        "At the end it reported 1,250 patterns; its patterns phase had reported 400."
        in day.alert("claims_differ")["message"]
    )
