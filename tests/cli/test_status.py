"""`status`: the run that is underway, or how the last one ended and when the next one is due."""

from __future__ import annotations

import json

import pytest
import time_machine

from tests.support.api_commands import DONE, RUN_ID, THAT_DAY, TickStockPLStand, line_of, run

RUNNING = {
    "is_running": True,
    "run_id": RUN_ID,
    "current_phase": "data_import",
    "progress": "0.495",
    "symbols_processed": 250,
    "symbols_total": 505,
    "start_time": "2025-01-26T21:10:00",
    "estimated_completion": "2025-07-27T01:05:00Z",
}


@time_machine.travel(THAT_DAY)
def test_status_shows_a_running_run_with_both_times(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = RUNNING
    result = run("status")
    assert line_of(result, "state") == "running"
    assert line_of(result, "run") == RUN_ID
    assert line_of(result, "phase") == "import"
    assert line_of(result, "progress") == "█" * 11 + "░" * 13 + " 49.5 %"
    assert line_of(result, "symbols") == "250 of 505"
    assert line_of(result, "started") == "16:10:00 EST (21:10:00 UTC)"
    assert line_of(result, "expected end") == "Sat 26 Jul 21:05:00 EDT (Sun 01:05:00 UTC)"


def test_status_as_json_has_the_typed_facts(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = RUNNING
    assert json.loads(run("status", "--json").stdout) == RUNNING | {
        "state": "running",
        "current_phase": "import",
        "progress": 49.5,
        "start_time": "2025-01-26T21:10:00Z",
    }


@pytest.mark.parametrize(
    ("body", "state"), [({"status": "idle"}, "idle"), ({"status": "resting"}, "unknown"), ({}, "unknown")]
)
def test_status_of_no_run_is_no_failure(api: TickStockPLStand, body: dict[str, str], state: str) -> None:
    api.answers["GET /status"] = body
    assert line_of(run("status"), "state").startswith(state)
    assert json.loads(run("status", "--json").stdout)["state"] == state


def test_status_of_an_idle_tickstockpl_says_how_the_last_run_ended_and_when_the_next_one_is_due(
    api: TickStockPLStand,
) -> None:
    api.answers["GET /status"] = {"is_running": False}
    assert "last run" not in run("status").stdout, "neither is known"
    api.answers["GET /history"] = {
        "runs": [DONE | {"patterns_detected": 0}, DONE | {"start_time": "2025-01-25T21:10:00Z"}]
    }
    api.answers["GET /schedule"] = {"enabled": True, "next_run": "2025-01-27T21:10:00Z"}
    result = run("status")
    assert line_of(result, "last run") == "Sun 26 Jan 16:10: completed, no results after 35 min"
    assert "16:10:00 EST" in line_of(result, "next run")
    api.answers["GET /schedule"] = {"enabled": False}
    assert line_of(run("status"), "next run") == "none: the schedule is off"
