"""`schedule`: when the next run is, and changes of it that are sent and read back."""

from __future__ import annotations

import json

import pytest
import time_machine

from tests.support.api_commands import THAT_DAY, TickStockPLStand, line_of, run

DAILY = {
    "enabled": True,
    "trigger_time": "16:10",
    "timezone": "America/New_York",
    "next_run": "2025-01-27T21:10:00Z",
    "universes": ["sp500", "nasdaq100"],
    "market_check": True,
}


@time_machine.travel(THAT_DAY)
def test_schedule_shows_when_the_next_run_is(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY
    result = run("schedule")
    assert line_of(result, "enabled") == "yes"
    assert line_of(result, "trigger time") == "16:10 America/New_York"
    assert line_of(result, "next run") == "Mon 27 Jan 16:10:00 EST (21:10:00 UTC)"
    assert line_of(result, "universes") == "sp500, nasdaq100"
    assert json.loads(run("schedule", "--json").stdout) == DAILY
    assert api.commands == []


def test_a_new_trigger_time_is_sent_with_what_stays_and_read_back(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY | {"trigger_time": "16:15"}
    result = run("schedule", "--trigger-time", "16:15")
    assert api.commands == [("POST", "/api/processing/schedule", {"enabled": True, "trigger_time": "16:15"})]
    assert line_of(result, "trigger time") == "16:15 America/New_York"


@pytest.mark.parametrize(("option", "enabled"), [("--disable", False), ("--enable", True)])
def test_the_schedule_can_be_switched_off_and_on(api: TickStockPLStand, option: str, enabled: bool) -> None:
    api.answers["GET /schedule"] = DAILY | {"enabled": enabled}
    run("schedule", option)
    assert api.commands == [("POST", "/api/processing/schedule", {"enabled": enabled, "trigger_time": "16:10"})]


def test_a_change_that_did_not_take_is_a_failure(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY
    error = run("schedule", "--trigger-time", "16:15", code=1).stderr
    assert error == ("Error: TickStockPL took the request, but its schedule has trigger_time = 16:10, not 16:15\n")


@pytest.mark.parametrize("wrong", ["25:00", "9:05", "noon", ""])
def test_a_trigger_time_that_is_no_clock_time_is_wrong_usage(api: TickStockPLStand, wrong: str) -> None:
    assert "HH:MM" in run("schedule", "--trigger-time", wrong, code=2).stderr
    assert api.asked == []
