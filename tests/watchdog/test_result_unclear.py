"""A "completed" that says something else beside it is not called well, and not called failed without its word."""

from typing import Any

import pytest

from relay.runs.signals import State
from relay.watchdog.result_check import data_usable
from relay.watchdog.soundness import is_sound
from tests.support.days import DUE, a_run, world
from tests.support.wire import event, upto
from tests.support.world import World


def ended_with(**claims: Any) -> World:
    day = world()
    day.play(a_run(DUE, **claims))
    day.pass_(1)
    return day


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"status": "skipped"}, 'the status "skipped"'),
        ({"status": "running"}, 'the status "running"'),
        ({"status": "<b>odd</b>"}, 'the status "<b>odd</b>"'),
        ({"error": "database connection lost"}, 'the error "database connection lost"'),
        ({"status": "success", "error_message": "no space left"}, 'the error "no space left"'),
        ({"status": None, "error": {"code": 7, "message": "disk full"}}, 'the error "disk full"'),
        ({"error": {"code": 7}}, "an error"),
        ({"error": {"code": 0, "message": None, "details": [{"symbol": "AAPL"}]}}, "an error"),
        ({"error": ["", "disk full"]}, 'the error "disk full"'),
    ],
)
def test_a_completion_with_a_contradiction_is_unclear(claims: dict[str, Any], words: str) -> None:
    day = ended_with(**claims)
    assert day.alerts_announced == ["result_unclear firing"]
    expected = f"The end of the run was published as completed, with {words}. It began at 16:10 EST"
    assert day.alert("result_unclear")["message"].startswith(expected)
    run = next(day.runs.newest_first())
    assert not is_sound(run)
    assert data_usable(run).word == "Unknown"
    day.pass_(1)
    shown = day.incident_events[-1][1].payload
    assert shown["title"] == "Run of Mon 27 Jan has an unclear result"
    assert words in shown["cause"]


@pytest.mark.parametrize(
    ("claims", "state"),
    [
        ({"status": "Timed Out"}, State.FAILED),
        ({"status": "timeout"}, State.FAILED),
        ({"success": False}, State.FAILED),
        ({"status": None, "success": "False"}, State.FAILED),
        ({"status": "completed-with-errors", "success": False}, State.PARTIAL),
        ({"status": " Incomplete "}, State.PARTIAL),
        ({"status": "Partially completed"}, State.PARTIAL),
        ({"status": "FAIL"}, State.FAILED),
        ({"status": "interrupted"}, State.CANCELLED),
    ],
)
def test_a_word_for_less_than_success_is_taken_whatever_its_form(claims: dict[str, Any], state: State) -> None:
    day = ended_with(**claims)
    assert next(day.runs.newest_first()).state is state
    assert len(day.alerts_announced) == 1


def test_a_status_that_says_why_is_the_reason() -> None:
    assert "Reason given: Timed Out." in ended_with(status="Timed Out").alert("run_failed")["message"]
    for status in ("error", "FAIL"):
        assert "Reason given" not in ended_with(status=status).alert("run_failed")["message"]


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"status": "SUCCESS", "success": True, "error": None},
        {"status": "Completed With Warnings", "error": ""},
        {"status": 0, "error": "None", "errors": 0, "message": "Processing completed"},
        {"status": None, "ok": 1, "error": {}, "exception": False},
        {"status": "Completed successfully", "error": {"code": 0, "message": None, "details": []}},
        {"status": "None", "error": {"message": ""}, "exception": "[]", "error_message": "No errors."},
        {"status": "null", "error": [], "exception": "nil", "error_message": [None, ""]},
    ],
)
def test_a_completion_that_says_nothing_against_itself_is_well(claims: dict[str, Any]) -> None:
    day = ended_with(**claims)
    assert day.alerts_announced == []
    assert is_sound(next(day.runs.newest_first()))


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"status": "timeout"}, "TickStockPL reported completion, though import failed."),
        ({"success": False}, "TickStockPL reported completion, though import failed."),
        ({"status": "skipped"}, 'The end of import was published as completed, with the status "skipped".'),
    ],
)
def test_so_is_a_phase_under_a_run_that_calls_itself_completed(claims: dict[str, Any], sentence: str) -> None:
    day = world()
    events = a_run(DUE)
    at = len(upto(events, "import_completed")) - 1
    when = events[at].received
    events[at] = event("import:completed", "import_completed", when, run_id="r1", total_symbols=505, **claims)
    day.play(events)
    day.pass_(1)
    assert day.alerts_announced == ["result_unclear firing"]
    assert sentence in day.alert("result_unclear")["message"]
