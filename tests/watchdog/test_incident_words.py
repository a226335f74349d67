"""Every text of an incident, held to the letter against one file that can be read from top to bottom."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from relay.events import Severity
from relay.runs.findings import Finding
from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog.incident.other_words import OTHERS, of_alert, of_day, of_error_rate, of_errors
from relay.watchdog.incident.record import ErrorGroup, Incident, IncidentKind, Part
from relay.watchdog.incident.run_words import OF_RUN, eased
from relay.watchdog.incident.text import Facts, Words
from tests.support.days import DUE, a_run, world
from tests.support.wire import upto
from tests.support.written import assert_as_written

EASED = ("never_started", "run_not_planned", "run_stalled", "run_no_events", "run_overdue", "error_rate", "run_failed")
BARE = Facts(now=DUE + timedelta(hours=1))
FULL = replace(BARE, day=date(2025, 1, 27), last_good=date(2025, 1, 24), usual=1980.0)


def _part(name: str, **facts: Any) -> Part:
    title, message = "Its title", "Its message."
    return Part(key=f"{name}:r1", severity="error", fired_at=DUE, title=title, message=message, facts=facts)


def _open_run() -> Run:
    """In its first phase, a quarter of it done."""
    day = world()
    day.play(upto(a_run(DUE), "import_progress"), step=300)
    (run,) = day.runs.open
    (course,) = run.phases.values()
    course.symbols_processed, course.symbols_total, course.percent = 1241, 5050, 24.57
    course.last_symbol = "NVDA"
    return run


def _between() -> Run:
    run = _open_run()
    for course in run.phases.values():
        course.state = State.COMPLETED
        course.last_symbol = None
    return run


def _ended() -> Run:
    day = world()
    day.play(a_run(DUE), step=300)
    return next(iter(day.runs.newest_first()))


def _failed() -> Run:
    run = _ended()
    run.state = State.FAILED
    run.reason = "Phase patterns failed: database is locked"
    run.findings = [Finding("run_failed", Severity.ERROR, "failed in patterns", "Phase patterns failed.")]
    course = list(run.phases.values())[-1]
    course.state = State.FAILED
    course.last_symbol = "ORCL"
    course.symbols_processed, course.symbols_total = 241, 505
    return run


def _failed_without_a_reason() -> Run:
    run = _ended()
    run.state = State.FAILED
    run.ended_at = run.findings = None
    run.symbols_processed = run.indicators_calculated = run.patterns_detected = None
    return run


def _with_findings(name: str) -> Run:
    run = _ended()
    run.findings = [
        Finding("too_slow", Severity.WARNING, "was slow", "It took 3 h 10 min."),
        Finding(name, Severity.ERROR, "has a trouble", "Patterns are missing.", about="patterns"),
    ]
    return run


ERROR = ErrorGroup(
    id="e1",
    shape="database is locked",
    code="DB_LOCKED",
    where="pattern_detection",
    severity="error",
    message="database is locked",
    first=DUE,
    last=DUE + timedelta(minutes=2),
    count=40,
    recovery="end the session that holds the lock",
)
ONCE = ErrorGroup(id="e2", shape="x", code="E", where="", severity="error", message="x", first=DUE, last=DUE, count=1)


def _of_runs() -> Iterator[tuple[str, Words]]:
    since = (DUE + timedelta(minutes=7)).isoformat()
    for name, words in OF_RUN.items():
        part = _part(name, last_symbol="MSFT", moved_at=since, phase="cache")
        yield f"{name}, going on", words(part, _open_run(), FULL)
        yield f"{name}, between two phases", words(_part(name), _between(), BARE)
        yield f"{name}, ended with findings", words(part, _with_findings(name), FULL)
        yield f"{name}, failed", words(part, _failed(), replace(FULL, error=ERROR))
        yield f"{name}, failed without a reason", words(_part(name), _failed_without_a_reason(), BARE)


def _of_eased() -> Iterator[tuple[str, Words]]:
    moved = (DUE + timedelta(minutes=7)).isoformat()
    for name in EASED:
        part = _part(name, last_symbol="MSFT", moved_at=moved)
        part.cleared_at = DUE + timedelta(minutes=31)
        part.resolution = "it goes on"
        yield f"{name} has cleared, going on", eased(part, _open_run(), FULL)
        yield f"{name} has cleared, between two phases", eased(_part(name), _between(), BARE)
        yield f"{name} has cleared, ended", eased(part, _failed(), FULL)
        yield f"{name} has cleared, no run", eased(part, None, FULL)


def _of_others() -> Iterator[tuple[str, Words]]:
    for name in (*OTHERS, "schedule_disabled", "another"):
        yield name, of_alert(_part(name, errors_per_minute=60))
    for label, error in (("an error", ERROR), ("no error", None)):
        yield f"error_rate in a run, {label}", of_error_rate(_part("error_rate"), _open_run(), error)
    yield "error_rate, the run has ended", of_error_rate(_part("error_rate"), _failed(), ERROR)
    kinds: dict[str, list[ErrorGroup]] = {"many": [ERROR], "once": [ONCE], "none": []}
    for label, groups in kinds.items():
        errors = Incident(
            id="i1", kind=IncidentKind.ERROR, began=DUE, groups=groups, errors=sum(group.count for group in groups)
        )
        yield f"errors, {label}, no run", of_errors(errors, None)
        yield f"errors, {label}, going on", of_errors(errors, _open_run())
        yield f"errors, {label}, ended", of_errors(errors, _ended())


def _of_days() -> Iterator[tuple[str, Words]]:
    due = DUE.isoformat()
    for label, facts in (("", FULL), (", of no known day", BARE)):
        yield f"run_not_planned{label}", of_day(_part("run_not_planned", due_at=due), facts)
        yield f"never_started, idle{label}", of_day(_part("never_started", due_at=due, evidence="status idle"), facts)
        yield f"never_started, no event{label}", of_day(_part("never_started"), facts)
        yield f"never_started, no API{label}", of_day(_part("never_started", due_at=due, api_answers=False), facts)
        no_sign = _part("never_started", due_at=due)
        no_sign.title = "No sign of the run"
        yield f"never_started, no sign{label}", of_day(no_sign, facts)


def _lines(words: Words) -> Iterator[str]:
    yield f"  title   {words.title}"
    yield f"  cause   {words.cause}"
    yield f"  data    {words.data.word}: {words.data.sentence}"
    for action in words.actions:
        yield f"  do      {action.text}{f' `{action.command}`' if action.command else ''}"
    yield f"  short   {words.short}"
    if words.moment is not None:
        yield f"  moment  {words.moment:%H:%M:%S}"
    if words.quote is not None:
        yield f"  quote   {words.quote}"


def everything() -> str:
    """Each case with its words."""
    cases = (*_of_runs(), *_of_eased(), *_of_others(), *_of_days())
    return "\n".join("\n".join((name, *_lines(words), "")) for name, words in cases)


def test_each_text_of_an_incident_reads_as_it_is_written_down() -> None:
    assert_as_written(everything(), "incident_words.txt")
