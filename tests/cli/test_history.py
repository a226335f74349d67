"""`history`: a line for each run, 80 columns at most, with what is wrong with its result."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from tests.support.api_commands import DONE, RUN_ID, THAT_DAY, TickStockPLStand, run


@time_machine.travel(THAT_DAY)
def test_history_has_one_line_for_each_run(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE, {"run_date": "2025-01-25", "status": "failed"}]}
    head, first, second, *foot = run("history", "--days", "30").stdout.splitlines()
    assert api.asked[0][1] == "/api/processing/history?days=30"
    assert head.split() == ["RUN", "TOOK", "RESULT", "OK", "PATTERNS", "ID"]
    assert first.split() == f"Sun 26 Jan 16:10 35 min ✓ completed 99.4 % 1,250 {RUN_ID[:8]}".split()
    assert second.startswith("Sat 25 Jan ")
    assert "failed" in second
    assert foot == ["", f"One of them in full: tickstock-relay report {RUN_ID[:8]}"]


def test_a_line_of_the_history_is_80_columns_at_most(api: TickStockPLStand) -> None:
    long = {"symbols_failed": 200, "duration_seconds": 35_999, "trigger_type": "manual"}
    api.answers["GET /history"] = {"runs": [DONE | long]}
    assert [len(line) <= 80 for line in run("history").stdout.splitlines()] == [True] * 5
    assert "9 h 60" not in run("history").stdout


def test_a_run_by_hand_has_a_star(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE | {"trigger_type": "manual"}]}
    _, first, _, star, _ = run("history").stdout.splitlines()
    assert " 16:10* " in first
    assert star == "* by hand"


def test_history_as_json_is_one_object(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE]}
    assert json.loads(run("history", "--json").stdout) == {"runs": [DONE | {"result": "completed"}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}, "completed, no results"),
        ({"symbols_failed": 200}, "completed, low success rate"),
        ({"patterns_detected": 0, "run_id": None}, "completed, no results"),
        ({"status": "failed"}, "failed"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "completed_with_errors"}, "partial"),
        ({"status": "running", "end_time": None}, "running"),
        ({"status": "odd", "end_time": None}, "odd"),
    ],
)
def test_history_shows_a_run_s_result_with_what_is_wrong_with_it(
    api: TickStockPLStand, changes: dict[str, Any], expected: str
) -> None:
    api.answers["GET /history"] = {"runs": [DONE | changes]}
    assert re.search(rf" . {re.escape(expected)} +", run("history").stdout)
    (row,) = json.loads(run("history", "--json").stdout)["runs"]
    assert row.get("result", row["status"]) == expected


def test_an_empty_history_says_so(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": []}
    assert run("history").stdout == "No runs in the last 7 days.\n"
    assert json.loads(run("history", "--json").stdout) == {"runs": []}


@time_machine.travel(THAT_DAY + timedelta(days=2))
def test_history_fits_a_terminal_of_80_columns(api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    api.answers["GET /history"] = {"runs": [DONE]}
    shown = run("history").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for fact in ("Sun 26 Jan 16:10", "35 min", "completed", "99.4 %", "1,250", RUN_ID[:8]):
        assert fact in shown


@pytest.mark.parametrize("days", ["0", "-1", "x", "1000000"])
def test_days_out_of_range_are_wrong_usage(api: TickStockPLStand, days: str) -> None:
    assert "--days" in run("history", "--days", days, code=2).stderr
    assert api.asked == []
