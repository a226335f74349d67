"""Single sentences of the watchdog, each with what it says and what it leaves out when that is not known."""

from datetime import timedelta
from typing import Any

import pytest

from relay.config.watchdog import QualityOptions
from relay.events import Phase, Severity
from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog import data_sentences, progress_messages, result_findings
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Usual
from relay.watchdog.incident.facts import day_label, run_facts
from relay.watchdog.incident.lists import WAITING, _phase, _span, cut, lock_screen
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


@pytest.mark.parametrize(("day", "label"), [("2025-01-27", "27 Jan"), (None, "the day"), ("odd", "the day")])
def test_a_day_is_named_where_it_is_one(day: str | None, label: str) -> None:
    assert day_label(day) == label


def test_the_facts_of_a_run_and_of_its_phases_have_their_names() -> None:
    run = a_whole_run()
    assert run_facts(None) is None
    assert run_facts(run) == {
        "run_id": "r1",
        "name": "Run of Mon 27 Jan",
        "manual": False,
        "state": "completed",
        "began": "2025-01-27T21:10:00Z",
        "ended": "2025-01-27T21:45:00Z",
        "seconds": 2100.0,
        "symbols": 505,
        "failed": 5,
        "rate": run.success_rate,
        "indicators": 7575,
        "patterns": 1250,
    }
    phase, course = next(iter(run.phases.items()))
    assert _phase(phase, course, Usual(240.0, 200.0, 300.0, 5)) == {
        "name": "import",
        "state": "completed",
        "mark": "✓",
        "text": "import 10 min (usually 4 min)",
        "seconds": 600.0,
        "began": "2025-01-27T21:10:00Z",
        "ended": "2025-01-27T21:20:00Z",
        "percent": course.percent,
        "done": course.symbols_processed,
        "total": 505,
        "symbol": course.last_symbol,
        "usual": {"median": 240.0, "low": 200.0, "high": 300.0},
        "strong": False,
    }
    waiting = {"name": "import", "state": "waiting", "mark": WAITING, "text": "import", "strong": False}
    assert _phase(phase, None, None) == waiting


@pytest.mark.parametrize(
    ("state", "usual", "text"),
    [
        (State.COMPLETED, None, " 10 min"),
        (State.COMPLETED, Usual(600.0, 500.0, 700.0, 5), " 10 min"),
        (State.COMPLETED, Usual(240.0, 200.0, 599.0, 5), " 10 min (usually 4 min)"),
        (State.FAILED, Usual(240.0, 200.0, 300.0, 5), " 10 min, 250 of 505"),
        (State.RUNNING, Usual(240.0, 200.0, 300.0, 5), " since 16:10 (usually 4 min)"),
        (State.RUNNING, None, " since 16:10"),
    ],
)
def test_how_long_a_phase_took_is_compared_where_that_says_something(
    state: State, usual: Usual | None, text: str
) -> None:
    course = next(iter(a_whole_run().phases.values()))
    course.state, course.symbols_processed, course.symbols_total = state, 250, 505
    assert _span(course, usual) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("H", "It broke."), "H: It broke."),
        (("H", "It  broke"), "H: It broke."),
        (("H", ""), "H."),
        (("H: x", "y."), "H: x, y."),
        (("H", "y", "Data is not usable."), "H: y. Data is not usable."),
        (("H", "see https://user:pw@a.example/path?x=1."), "H: see a.example."),
    ],
)
def test_a_lock_screen_has_headline_cause_and_data(given: tuple[str, ...], text: str) -> None:
    assert lock_screen(*given) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a database is locked", "a database is locked"),
        ("a database is locked, now", "a database is locked…"),
        ("a database is locked;: now", "a database is locked…"),
        ("a" * 30, "a" * 23 + "…"),
    ],
)
def test_a_text_is_cut_between_words_and_without_what_stood_between_them(text: str, short: str) -> None:
    assert cut(text, 24) == short


def test_a_stall_names_a_symbol_only_where_there_is_one() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_started"))
    (run,) = day.runs.open
    begin, end = (
        "No progress since Mon 27 Jan 16:10 EST (21:10 UTC); ",
        " The run began at 16:10. Look at the job's log",
    )
    cancel = "; `tickstock-relay cancel` ends the run."
    assert progress_messages.stalled(run, ApiState(), DUE).message == f"{begin}no symbol was named.{end}{cancel}"
    run.phases[Phase.IMPORT].last_symbol = "NVDA"
    assert progress_messages.stalled(run, ApiState(), DUE).message == (
        f"{begin}the last symbol was NVDA.{end} around that symbol{cancel}"
    )


def test_too_few_results_are_an_error() -> None:
    run = a_whole_run()
    (finding,) = result_findings._achievements(run, QualityOptions(min_patterns=5000))
    assert (finding.name, finding.severity) == ("few_results", Severity.ERROR)
    assert finding.sentence == "It has 1,250 patterns; at least 5,000 are expected."
