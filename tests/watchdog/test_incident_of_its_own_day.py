"""An incident speaks of the data of its own day, also when a run of a later day ended it."""

from datetime import timedelta
from typing import Any

import pytest

from relay.tickstockpl.models import HistoryRun
from tests.support.days import DUE, a_run, world
from tests.support.world import World
from tests.watchdog.test_made_good import HOUR, MANUAL, RESULT_TROUBLES, TROUBLES

DAY = timedelta(days=1)
MISSING = {
    "run_failed": ("No", "Patterns of Mon 27 Jan are missing. Import, cache and indicators are complete."),
    "run_cancelled": ("No", "They stay so unless it is run again."),
    "run_partial": ("Partly", "500 of 505 symbols (99.0 %) are complete."),
    "zero_results": ("No", "Nothing was computed for Mon 27 Jan."),
    "low_success_rate": ("Partly", "100 of 505 symbols have no data for Mon 27 Jan."),
    "phase_missing": ("Partly", "Cache of Mon 27 Jan may be those of the day before."),
}


def the_end(day: World) -> dict[str, Any]:
    """The last state of the incident of Monday."""
    states = [announcement.payload for _, announcement in day.incident_events]
    return next(state for state in reversed(states) if state["day"] == "2025-01-27" and state["state"] == "over")


@pytest.mark.parametrize("name", RESULT_TROUBLES)
def test_a_run_of_the_next_day_does_not_lend_its_data_to_the_day_before(name: str) -> None:
    day = world()
    day.play(TROUBLES[name](DUE, "r1"))
    day.play(a_run(DUE + DAY, "r2"))
    day.pass_(1)
    state = the_end(day)
    word, sentence = MISSING[name]
    assert (state["data"]["label"], state["data"]["word"]) == ("Data of 27 Jan", word)
    assert state["data"]["sentence"].endswith(sentence)
    assert state["text"].endswith("The run of Tue 28 Jan completed at 16:45 EST; Mon 27 Jan was not run again.")
    assert state["run"]["run_id"] == "r1"


def test_a_later_run_of_the_same_day_gives_the_day_its_data() -> None:
    day = world()
    day.play(TROUBLES["run_failed"](DUE, "r1"))
    day.play(a_run(DUE + 2 * HOUR, "r2", start_with=MANUAL))
    day.pass_(1)
    assert (the_end(day)["data"]["label"], the_end(day)["data"]["word"]) == ("Data of 27 Jan", "Yes")
    assert the_end(day)["text"].endswith("The 18:10 run completed at 18:45 EST; the day's data is usable.")


def heard_only_on_tuesday(day: World, *history: HistoryRun) -> dict[str, Any]:
    """The relay is down over Tuesday's run, and learns of both days' later runs in one look at the history."""
    day.pass_(5)
    day.stop_relay()
    day.now = DUE + DAY + HOUR
    day.history = [*day.history, *history]
    day.start_relay()
    day.pass_(10)
    return the_end(day)


def good(run_id: str, began: Any, **more: Any) -> HistoryRun:
    ended = began + timedelta(minutes=35)
    return HistoryRun(run_id, began.date(), began, ended, "completed", 505, 5, 1250, 7575, 2100.0, **more)


def test_of_two_sound_runs_that_are_heard_of_at_once_that_of_its_own_day_ends_it() -> None:
    day = world()
    day.play(TROUBLES["run_failed"](DUE, "r1"))
    state = heard_only_on_tuesday(day, good("r1b", DUE + HOUR), good("r2", DUE + DAY))
    assert state["data"]["word"] == "Yes"
    assert state["cleared"]["by_run_id"] == "r1b"


def test_a_day_that_was_never_run_keeps_its_word_when_the_next_days_run_is_over_at_once() -> None:
    day = world()
    day.until(DUE + HOUR)
    state = heard_only_on_tuesday(day, good("r2", DUE + DAY))
    assert (state["title"], state["lasting"]) == ("Run of Mon 27 Jan never started", True)
    assert state["data"]["sentence"] == "27 Jan has no data."
