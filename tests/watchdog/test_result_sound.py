"""Whether a result is sound and the day's data usable: stated once, from the findings, with the one reason."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.events import Phase, Severity
from relay.runs.findings import Finding, Usable
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.tickstockpl.models import HistoryRun
from relay.watchdog.result_check import WORDS, data_usable, last_good
from relay.watchdog.soundness import is_sound
from tests.support.days import DUE, a_run, world
from tests.support.sources import trees
from tests.support.wire import upto

ROOT = Path(__file__).parents[2]


def found(name: str, severity: Severity = Severity.WARNING, about: str = "patterns") -> Finding:
    return Finding(name, severity, "title", "Sentence.", about=about)


def a_result(*findings: Finding, state: State = State.COMPLETED, number: int = 1, **more: Any) -> Run:
    began = DUE + timedelta(days=number - 1)
    facts: dict[str, Any] = {
        "symbols_processed": 505,
        "symbols_failed": 5,
        "success_rate": 99.0,
        "patterns_detected": 1250,
    }
    facts |= {"run_date": "2025-01-27", "indicators_calculated": 7575} | more
    run = Run(run_id=f"r{number}", number=number, first_seen=began, last_seen=began, state=state, **facts)
    run.findings = list(findings)
    return run


BY_HAND = {  # the table of words for the day's data; the law for every screen
    "run_failed": "No",
    "run_cancelled": "No",
    "run_partial": "Partly",
    "zero_results": "No",
    "few_results": "Partly",
    "low_success_rate": "Partly",
    "too_fast": "Unknown",
    "too_slow": "Yes",
    "phase_missing": "Partly",
    "out_of_order": "Unknown",
    "result_unclear": "Unknown",
    "claims_differ": "Unknown",
    "completion_not_reported": "Yes",
}


@pytest.mark.parametrize(("name", "word"), BY_HAND.items())
def test_each_finding_has_its_word_and_one_reason(name: str, word: str) -> None:
    usable = data_usable(a_result(found(name)))
    assert (usable.word, usable.finding) == (word, name)
    assert usable.reason.endswith(".")
    assert word not in usable.reason.split()


def test_no_finding_is_without_a_word() -> None:
    assert WORDS.keys() == BY_HAND.keys()


@pytest.mark.parametrize(
    ("names", "word", "decides"),
    [
        (("low_success_rate", "zero_results"), Usable.NO, "zero_results"),
        (("run_partial", "claims_differ"), Usable.UNKNOWN, "claims_differ"),
        (("too_slow", "few_results"), Usable.PARTLY, "few_results"),
        (("too_slow", "completion_not_reported"), Usable.YES, "too_slow"),
        ((), Usable.YES, None),
    ],
)
def test_the_worst_word_decides(names: tuple[str, ...], word: Usable, decides: str | None) -> None:
    usable = data_usable(a_result(*map(found, names)))
    assert (usable.word, usable.finding) == (word, decides)


@pytest.mark.parametrize("state", [State.RUNNING, State.STALLED])
def test_data_is_not_usable_yet_while_the_run_goes_on(state: State) -> None:
    run = a_result(state=state)
    run.phases[Phase.IMPORT] = PhaseRun(state=State.COMPLETED, first_seen=DUE, last_seen=DUE, moved_at=DUE)
    usable = data_usable(run)
    assert (usable.word, usable.reason) == (Usable.NOT_YET, "Import is complete.")
    assert not is_sound(run)


def test_an_end_that_was_not_checked_yet_says_so_little() -> None:
    run = a_result()
    run.findings = None
    assert not is_sound(run)
    assert data_usable(run).word is Usable.NOT_YET


@pytest.mark.parametrize(
    ("state", "findings", "sound"),
    [
        (State.COMPLETED, [], True),
        (State.COMPLETED, [found("too_fast"), found("too_slow")], True),
        (State.COMPLETED, [found("phase_missing", Severity.ERROR)], False),
        (State.COMPLETED, [found("zero_results", Severity.CRITICAL)], False),
        (State.COMPLETED, [found("few_results", Severity.WARNING)], True),
        (State.PARTIAL, [], False),
        (State.FAILED, [], False),
        (State.CANCELLED, [found("run_cancelled")], False),
    ],
)
def test_a_sound_result_is_completed_without_an_error(state: State, findings: list[Finding], sound: bool) -> None:
    assert is_sound(a_result(*findings, state=state)) is sound


def test_the_last_good_run_is_sound_and_whole() -> None:
    good, part = a_result(number=1), a_result(number=2, expected=(Phase.CACHE,))
    empty = a_result(found("zero_results", Severity.CRITICAL), number=3)
    assert last_good([empty, part, good]) is good
    assert last_good([good], before=good.began) is None


def test_reasons_name_numbers_phases_and_the_day() -> None:
    failed = a_result(found("run_failed"), state=State.FAILED)
    failed.phases = {
        Phase.IMPORT: PhaseRun(state=State.COMPLETED, first_seen=DUE, last_seen=DUE, moved_at=DUE),
        Phase.CACHE: PhaseRun(state=State.COMPLETED, first_seen=DUE, last_seen=DUE, moved_at=DUE),
        Phase.INDICATORS: PhaseRun(state=State.FAILED, first_seen=DUE, last_seen=DUE, moved_at=DUE),
    }
    expected = "Indicators and patterns of Mon 27 Jan are missing. Import and cache are complete."
    assert data_usable(failed).reason == expected
    assert data_usable(a_result()).reason == "500 of 505 symbols (99.0 %), 7,575 indicators, 1,250 patterns."
    assert data_usable(a_result(found("zero_results"))).reason == "Nothing was computed for Mon 27 Jan."
    low = data_usable(a_result(found("low_success_rate"), symbols_failed=100))
    assert low.reason == "100 of 505 symbols have no data for Mon 27 Jan."


def test_every_ended_run_is_checked_also_from_history_and_with_the_watchdog_off() -> None:
    day = world("2025-01-28 15:00", options=WatchdogOptions(enabled=False))
    day.history = [HistoryRun("old", None, DUE, DUE + timedelta(minutes=35), "completed", 0, 0, 0, 0, 2100.0)]
    day.pass_(1)
    run = day.runs.get("old")
    assert run is not None
    assert data_usable(run).word is Usable.NO
    assert not is_sound(run)
    day.play(upto(a_run(DUE + timedelta(days=1)), "import_completed"))
    day.tell("processing:status", "processing_failed", run_id="r1")
    day.pass_(1)
    failed = day.runs.get("r1")
    assert failed is not None
    assert data_usable(failed).word is Usable.NO
    assert day.alerts_announced == []


def test_alert_and_run_tell_the_same_word() -> None:
    day = world()
    day.play(a_run(DUE, status="partial"))
    day.pass_(1)
    run, facts = day.runs.get("r1"), day.alert("run_partial")["facts"]
    assert run is not None
    usable = data_usable(run)
    assert (facts["data_usable"], facts["data_reason"]) == (usable.word, usable.reason)
    day.start_relay()
    again = day.runs.get("r1")
    assert again is not None
    assert data_usable(again) == usable


def test_a_changed_end_is_checked_anew() -> None:
    day = world()
    day.play(upto(a_run(DUE), "cache_started"))
    day.status = day.status.__class__(is_running=False)
    day.pass_(8)
    run = day.runs.get("r1")
    assert run is not None
    assert data_usable(run).finding == "run_failed"
    day.hear(a_run(DUE)[-1])
    day.tick()
    assert data_usable(run).finding == "phase_missing"


def sources() -> list[Path]:
    return [path for folder in ("relay", "sinks") for path in (ROOT / folder).rglob("*.py")]


def test_no_second_table_gives_findings_a_word() -> None:
    words = set(Usable)
    others = (path for path in sources() if path.name != "result_check.py")
    for path, tree in trees(others, *(f"{quote}{finding}{quote}" for finding in WORDS for quote in "'\"")):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Dict):
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                if not isinstance(key, ast.Constant) or key.value not in WORDS:
                    continue
                parts = list(ast.walk(value))
                gives_word = any(
                    (isinstance(part, ast.Attribute) and ast.unparse(part).startswith("Usable."))
                    or (isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in words)
                    for part in parts
                )
                assert not gives_word, f"{path}: the word of {key.value} is in WORDS"


def test_nobody_else_judges_findings_by_their_severity() -> None:
    allowed = {"soundness.py", "result_findings.py"}
    for path, tree in trees(sources(), "severity"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and path.name not in allowed:
                compared = ast.unparse(node)
                assert "finding.severity" not in compared, f"{path}: {compared}: ask is_sound"
