"""Single sentences of the watchdog, each with what it says and what it leaves out when that is not known."""

from datetime import timedelta
from typing import Any

import pytest

from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog import data_sentences, result_findings
from relay.watchdog.incident.other_words import of_alert
from relay.watchdog.incident.record import Part
from relay.watchdog.incident.text import progress_of, symbols_done
from tests.support.days import DUE, a_run, world
from tests.support.wire import upto


def a_whole_run() -> Run:
    day = world()
    day.play(a_run(DUE), step=300)
    return next(iter(day.runs.newest_first()))


def test_the_counts_of_a_good_run_are_said_as_far_as_they_are_known() -> None:
    run = a_whole_run()
    run.symbols_processed = run.symbols_failed = None
    assert data_sentences.complete(run) == "7,575 indicators, 1,250 patterns."
    run.patterns_detected = None
    assert data_sentences.complete(run) == "7,575 indicators."
    run.indicators_calculated = None
    assert data_sentences.complete(run) == "Nothing was reported as wrong."


def test_a_run_that_was_cancelled_says_where_and_when() -> None:
    run = a_whole_run()
    finding = result_findings._cancelled(run)
    assert (finding.name, finding.title) == ("run_cancelled", "was cancelled")
    assert finding.sentence == (
        "It was cancelled at 16:45 EST after 35 min. The day's data is incomplete unless it is run again."
    )
    list(run.phases.values())[-1].state = State.CANCELLED
    run.ended_at = None
    finding = result_findings._cancelled(run)
    assert finding.title == "was cancelled in patterns"
    assert finding.sentence.startswith("It was cancelled in patterns")
    assert "16:45" not in finding.sentence


def test_how_far_a_phase_is_is_said_as_far_as_it_is_known() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"), step=300)
    (course,) = day.runs.open[0].phases.values()
    assert symbols_done(None) == progress_of(None) == ""
    course.symbols_processed, course.symbols_total, course.percent = 1241, 5050, 24.57
    assert (symbols_done(course), progress_of(course)) == ("1,241 of 5,050", "24.6 % (1,241 of 5,050 symbols)")
    course.symbols_total = 0
    assert (symbols_done(course), progress_of(course)) == ("", "24.6 %")
    course.percent = None
    assert progress_of(course) == ""


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({"errors_per_minute": 1}, "High error rate: 1 error in 1 min"),
        ({"errors_per_minute": 50}, "High error rate: 50 errors in 1 min"),
        ({"errors_per_minute": "many"}, "T"),
        ({}, "T"),
    ],
)
def test_errors_that_come_often_are_counted_in_the_title(facts: dict[str, Any], title: str) -> None:
    part = Part(key="error_rate", title="T", message="M", severity="error", fired_at=DUE, facts=facts)
    words = of_alert(part)
    assert (words.title, words.cause) == (title, "M")


def test_a_run_again_says_when_it_began_and_when_it_ends_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    day = world()
    run = a_whole_run()
    teller = day.incidents._teller
    run.trigger_type = "manual"
    assert teller._again_text(run) == "Run again by hand since 16:10 EST"
    monkeypatch.setattr(teller, "usual_seconds", lambda _: timedelta(minutes=35).total_seconds())
    assert teller._again_text(run) == "Run again by hand since 16:10 EST; ends about 16:45"
