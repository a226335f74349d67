"""`trigger` and `cancel`: nothing is sent without a yes, and what has not taken is a failure."""

from __future__ import annotations

import json

import pytest

from tests.support.api_commands import RUN_ID, TickStockPLStand, line_of, run

# trigger

STARTED = {"run_id": RUN_ID, "status": "started", "message": "Processing started successfully"}


def test_trigger_asks_first_and_then_shows_the_new_run(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = STARTED
    result = run("trigger", stdin="y\n")
    assert "Start a run" in result.stderr
    assert line_of(result, "run") == RUN_ID
    assert api.commands == [("POST", "/api/processing/trigger-manual", {"skip_market_check": False})]


@pytest.mark.parametrize("command", ["trigger", "cancel"])
@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_sent(api: TickStockPLStand, command: str, answer: str) -> None:
    assert run(command, stdin=answer, code=1).stdout == ""
    assert api.asked == []


def test_trigger_passes_its_options_on(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = STARTED
    options = ["--skip-market-check", "--phases", "import, indicators", "--phases", "patterns", "--universe", "x"]
    result = run("trigger", "--yes", "--json", *options)
    assert json.loads(result.stdout) == STARTED
    assert api.commands[0][2] == {
        "skip_market_check": True,
        "phases": ["import", "indicators", "patterns"],
        "universe": "x",
    }


@pytest.mark.parametrize(
    "answer", [{}, {"message": "market is closed"}, STARTED | {"status": "Failed", "message": "no luck"}]
)
def test_a_trigger_without_a_new_run_is_a_failure(api: TickStockPLStand, answer: dict[str, str]) -> None:
    api.answers["POST /trigger-manual"] = answer
    error = run("trigger", "--yes", code=1).stderr
    assert "did not confirm a new run" in error
    assert answer.get("message", "nothing") in error


def test_a_refused_trigger_gives_the_apis_reason(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = {"detail": "a run is going on"}
    api.statuses["POST /trigger-manual"] = 409
    assert run("trigger", "--yes", code=1).stderr == (f"Error: {api.url} answered 409 Conflict: a run is going on\n")
    assert len(api.commands) == 1


# cancel


def test_cancel_sends_one_delete(api: TickStockPLStand) -> None:
    api.answers["DELETE /cancel"] = {"status": "cancelled", "message": "ok"}
    result = run("cancel", "--yes")
    assert line_of(result, "status") == "cancelled"
    assert api.commands == [("DELETE", "/api/processing/cancel", None)]
    expected = {"run_id": None, "status": "cancelled", "message": "ok"}
    assert json.loads(run("cancel", "--json", stdin="y\n").stdout) == expected


def test_a_cancel_that_is_refused_is_a_failure(api: TickStockPLStand) -> None:
    api.answers["DELETE /cancel"] = {"status": "failed", "message": "no run"}
    assert "did not cancel: no run" in run("cancel", "--yes", code=1).stderr
